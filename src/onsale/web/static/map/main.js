// Puts the seat map together: loads the chart and who is where, then connects hands, eyes and server.
//
// For tests and pages that embed the map: the canvas carries data-ready="true" once drawn, and
// window.onsaleMap.seatAt(seat_no) moves the map so that this seat can be tapped and answers its {x, y} in
// client coordinates.
import { Api } from "../shared/api.js";
import { format } from "../shared/money.js";
import { byId, ProblemBox } from "../shared/page.js";
import { Ask } from "./ask.js";
import { Poller } from "./availability.js";
import { decode, sectionAt, sectionWords } from "./chart.js";
import { Choose } from "./choose.js";
import { HoldPanel } from "./hold.js";
import { Holding } from "./holding.js";
import { Input } from "./input.js";
import { drawKey } from "./key.js";
import { SeatList } from "./list.js";
import { Painter, seatShare } from "./paint.js";
import { BestForm, PicksBar, Tiers } from "./panel.js";
import { Stage } from "./stage.js";
import { Shop } from "./state.js";
import { readTheme } from "./theme.js";
import { Tip } from "./tip.js";
import { focusWords } from "./view.js";

/** seatAt shows a seat this large: sure to be hit, with its neighbours around it. */
const SHOWN_PX = 32;

const root = byId("shop");
const problems = new ProblemBox();

// Coming back by the browser's Back shows a page from its memory: the seats and the hold of then, not of now.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

start().catch((error) => {
  byId("wait").hidden = true;
  problems.show("The seat map did not load.", "Please check your connection and try again. Nothing you hold is lost.", [["Try again", () => location.reload()]]);
  console.error(error);
});

async function start() {
  const event = JSON.parse(root.dataset.event);
  const chart = decode(await load(event.chart.url));
  const shop = new Shop(event, chart);
  const holding = new Holding(new Api(), shop, problems);
  const tell = (title, detail) => problems.show(title, detail);
  const stage = setMap(shop, tell);
  setPanels(shop, holding, tell);
  const poller = watchSeats(shop);
  await poller.ask();
  byId("wait").hidden = true;
  stage.draw();
  stage.canvas.dataset.ready = "true";
  // Also warms up the guest session, so that the first hold does not have to wait for one.
  if (await holding.restore().catch(() => false)) showHeld(shop, stage);
  shop.watch((what) => { if (what === "hold" && shop.hold) showHeld(shop, stage); });
}

async function load(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`chart answered ${answer.status}`);
  return answer.json();
}

function setMap(shop, tell) {
  const painter = new Painter(shop, readTheme());
  const canvas = byId("seats");
  const where = byId("where");
  const stage = new Stage(canvas, shop.chart.box, (ink, frame) => {
    painter.paint(ink, frame);
    showWhere(shop, frame, where);
  });
  const choose = new Choose(shop, stage, { tip: new Tip(byId("tip"), shop), ask: new Ask(byId("ask"), shop), tell });
  connect(canvas, stage, choose);
  dress(shop, painter.theme);
  shop.watch(() => stage.dirty());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    painter.use(readTheme());
    dress(shop, painter.theme);
    stage.dirty();
  });
  expose(shop, stage);
  return stage;
}

/** The key and the legend wear the colours of the map. */
function dress(shop, theme) {
  drawKey(byId("key"), shop, theme);
  for (const button of document.querySelectorAll("[data-tier]")) {
    const tier = shop.tiers.find((each) => each.id === Number(button.dataset.tier));
    button.querySelector("circle").setAttribute("fill", theme.tier(tier.colour));
  }
}

function connect(canvas, stage, choose) {
  new Input(canvas, {
    pan: (dx, dy) => stage.pan(dx, dy),
    pinch: (before, after) => stage.pinch(before, after),
    zoom: (px, py, factor, smooth) => stage.zoom(px, py, factor, smooth),
    glide: (dx, dy) => stage.glide(dx, dy),
    tap: (px, py, kind) => choose.tap(px, py, kind),
    hover: (px, py) => choose.hover(px, py),
    key: (name, by) => choose.key(name, by),
  });
  canvas.addEventListener("pointerdown", () => { stage.cross = false; });
  canvas.addEventListener("blur", () => { stage.cross = false; stage.dirty(); });
  const steps = { in: () => stage.zoomMiddle(1.9), out: () => stage.zoomMiddle(1 / 1.9), fit: () => stage.fitAll() };
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", steps[button.dataset.zoom]);
}

/** Near enough to see seats, one no longer sees where in the venue one is: words say it, and an arrow to the stage.
 *  Until then they say how to come near, once. */
function showWhere(shop, frame, where) {
  const { camera } = frame;
  const section = sectionAt(shop.chart, camera.x, camera.y);
  const near = section && !section.standing && seatShare(section, camera.scale) === 1;
  if (near) where.dataset.known = "true";
  byId("key").hidden = !near && anySmall(shop, camera);
  where.hidden = !near && (where.dataset.known === "true" || !anySmall(shop, camera));
  if (!near) return;
  const tier = shop.tierOf(section);
  const name = sectionWords(section.name);
  setText(where.querySelector("[data-words]"), tier ? `${name} · ${format(tier.price)}` : name);
  const more = [tier && tier.name !== section.name ? tier.name : null, focusWords(shop.chart, frame)].filter(Boolean).join(" · ");
  where.querySelector("[data-more]").hidden = more === "";
  setText(where.querySelector("[data-more]"), more);
}

/** Whether there are seats that are still too small to be seen one by one. */
function anySmall(shop, camera) {
  return shop.chart.sections.some((section) => !section.standing && seatShare(section, camera.scale) < 1);
}

/** Setting the same words again would make the page work on every frame. */
function setText(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function setPanels(shop, holding, tell) {
  new PicksBar(byId("picks"), shop, holding);
  new Tiers(byId("tiers"), shop);
  new BestForm(byId("best"), shop, holding);
  new HoldPanel(byId("hold"), shop, holding, problems);
  const email = byId("email");
  email.value ||= root.dataset.email;
  const list = new SeatList(byId("list"), shop, tell);
  const buttons = [...document.querySelectorAll("[data-view]")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
      byId("map").hidden = button.dataset.view !== "map";
      byId("list").hidden = button.dataset.view !== "list";
      if (button.dataset.view === "list") list.open();
    });
  }
}

function watchSeats(shop) {
  const fresh = byId("fresh");
  const poller = new Poller(`/api/v1/events/${shop.event.id}/availability`, {
    fetcher: (url, options) => fetch(url, options),
    later: (work, ms) => setTimeout(work, ms),
    cancel: (timer) => clearTimeout(timer),
    onState: (state) => {
      fresh.dataset.state = state;
      fresh.textContent = state === "live" ? "Live" : "Reconnecting…";
    },
    onSnapshot: (snapshot) => {
      const changed = shop.seats.apply(snapshot);
      const lost = shop.dropTaken();
      if (lost.length) tellLost(shop, lost);
      if (changed.length) shop.changed("seats");
    },
  });
  if (document.hidden) poller.pause();
  document.addEventListener("visibilitychange", () => (document.hidden ? poller.pause() : poller.resume()));
  return poller;
}

/** A pick that somebody else just took is said at once, not only when one wants to hold it. */
function tellLost(shop, lost) {
  problems.show(lost.length === 1 ? "A seat you picked has just been taken." : `${lost.length} seats you picked have just been taken.`,
    shop.picks.size ? "Your other picks are still free." : "Somebody was a moment faster. Please choose another.");
}

/** Brings one's own seats into view, with some of their surroundings. */
function showHeld(shop, stage) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const seat of shop.held) {
    const margin = shop.sectionOf(seat).standing ? 2500 : 380;
    box[0] = Math.min(box[0], shop.chart.x[seat] - margin);
    box[1] = Math.min(box[1], shop.chart.y[seat] - margin);
    box[2] = Math.max(box[2], shop.chart.x[seat] + margin);
    box[3] = Math.max(box[3], shop.chart.y[seat] + margin);
  }
  stage.flyTo(stage.around(box));
}

function expose(shop, stage) {
  window.onsaleMap = {
    seatAt(seat) {
      const section = shop.sectionOf(seat);
      const x = shop.chart.x[seat];
      const y = shop.chart.y[seat];
      stage.look(section.standing ? stage.around(section.box) : { x, y, scale: SHOWN_PX / section.pitch });
      stage.draw();
      const [px, py] = stage.toScreen(x, y);
      const box = stage.canvas.getBoundingClientRect();
      return { x: box.left + px, y: box.top + py };
    },
  };
}
