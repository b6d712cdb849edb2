// Waiting for a sale to open: counts down by the server's clock and turns into the seat map by itself.
import { Api } from "../shared/api.js";
import { crossed, parts, remaining, skew, spoken } from "../shared/countdown.js";
import { byId } from "../shared/page.js";

/** After the opening moment the event is asked this often, spread by chance so that a million pages that
 *  reach zero together do not ask together. */
const ASK_MS = 1500;
const SPREAD_MS = 1500;

const box = byId("opening");
if (box) wait().catch(() => { box.hidden = true; });

async function wait() {
  const api = new Api();
  const path = `/api/v1/events/${box.dataset.event}`;
  const first = await api.get(path);
  const skewMs = first.date ? skew(first.date, Date.now()) : 0;
  let left = Infinity;
  const tick = () => {
    const before = left;
    left = remaining(box.dataset.opensAt, Date.now(), skewMs);
    show(left);
    if (crossed(before, left) !== null && before !== Infinity) byId("opening-said").textContent = `Tickets open soon. ${spoken(left)}`;
    if (left > 0) return;
    clearInterval(timer);
    untilOpen(api, path);
  };
  const timer = setInterval(tick, 250);
  tick();
  box.hidden = false;
}

function show(left) {
  const now = parts(left);
  for (const unit of box.querySelectorAll("[data-unit]")) {
    const value = String(now[unit.dataset.unit]);
    unit.textContent = unit.dataset.unit === "days" ? value : value.padStart(2, "0");
  }
}

async function untilOpen(api, path) {
  const { data } = await api.get(path).catch(() => ({ data: null }));
  if (data && data.status !== "UPCOMING") {
    location.reload();
    return;
  }
  setTimeout(() => untilOpen(api, path), ASK_MS + Math.random() * SPREAD_MS);
}
