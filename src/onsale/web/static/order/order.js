// Paying: one press, one charge. The page shows the truth while the bank answers, and what happened after.
import { Api, newIntent } from "../shared/api.js";
import { clock, Countdown } from "../shared/countdown.js";
import { busy, byId, ProblemBox, say } from "../shared/page.js";

/** While the bank is asked, the order is looked at this often, slower the longer it takes. */
const POLL_MS = 1000;
const POLL_MAX_MS = 6000;
const POLL_GROWTH = 1.25;

const root = byId("order");
const api = new Api({ secret: root.dataset.secret });
const path = `/api/v1/orders/${root.dataset.order}`;
const problems = new ProblemBox();
const wholeMs = 1000 * Number(root.dataset.holdS);
let countdown = null;
let intent = newIntent();

if (root.dataset.status === "pending") {
  countdown = new Countdown(byId("order-timer"), byId("order-timer-said"), { onEnd: runOut });
  countdown.start(root.dataset.expiresAt, root.dataset.now, wholeMs);
  byId("order-clock").hidden = false;
  // The page may have come from the browser's memory, long after the server wrote it.
  refresh();
  byId("pay-form").addEventListener("submit", pay);
} else {
  follow();
}

async function refresh() {
  const { data } = await api.get(path).catch(() => ({ data: null }));
  if (!data) return;
  if (data.status !== "pending" && data.status !== "processing") location.reload();
  else if (data.status === "processing") follow();
  else if (Date.parse(data.expires_at) > Date.parse(data.now)) countdown.start(data.expires_at, data.now, wholeMs);
}

/** A hold past its deadline is free to take, but as long as nobody has, its owner may still pay. */
async function runOut() {
  await refresh();
  if (countdown.left > 0) return;
  problems.show("Your time has run out.", "Nothing was charged. If nobody has taken the seats meanwhile you can still pay for them now.");
}

async function pay(event) {
  event.preventDefault();
  const button = event.target.querySelector("[type=submit]");
  const method = new FormData(event.target).get("method");
  problems.hide();
  busy(button, true);
  button.textContent = "Talking to your bank…";
  say("Talking to your bank.");
  try {
    const { status, data } = await api.post(`${path}/payment`, { method }, intent);
    if (status === 202 || data?.status === "processing") await follow();
    else location.reload();
  } catch (problem) {
    // A new press is a new attempt, except when we never heard an answer: then it must be the same one.
    if (!problem.offline) intent = newIntent();
    refuse(problem);
    busy(button, false);
    button.textContent = button.dataset.words;
  }
}

async function refuse(problem) {
  if (problem.code === "hold_lost") {
    location.reload();
  } else if (problem.code === "payment_declined") {
    await refresh();
    problems.show("Your bank said no.", `Nothing was charged. Your seats are kept for ${clock(countdown.left)}. Try another card.`);
  } else if (problem.offline) {
    problems.show("We could not hear the answer.", "Please press Pay again. You cannot be charged twice for this order.");
  } else {
    problems.show(problem.title || "That did not work.", problem.message);
  }
}

/** Looks at the order until it has ended one way or the other, then shows the page of that end. */
async function follow() {
  countdown?.stop();
  problems.hide();
  showWorking();
  for (let pauseMs = POLL_MS; ; pauseMs = Math.min(POLL_MAX_MS, pauseMs * POLL_GROWTH)) {
    const { data } = await api.get(path).catch(() => ({ data: null }));
    if (data && data.status !== "processing") return location.reload();
    await new Promise((done) => setTimeout(done, pauseMs * (0.8 + 0.4 * Math.random())));
  }
}

function showWorking() {
  const side = byId("pay-side");
  if (side) side.replaceWith(byId("working"));
  byId("working").hidden = false;
}
