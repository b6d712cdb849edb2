// What a tap, a hover or a key on the map means, given how near one is.
import { FREE, HELD } from "./availability.js";
import { ACCESSIBLE, RESTRICTED, sectionAt, sectionWords, seatNear, words } from "./chart.js";
import { NOT_FREE, PICKED, TOO_MANY } from "./picks.js";
import { seatShare } from "./paint.js";
import { fit } from "./view.js";
import { say } from "../shared/page.js";

/** A seat is picked only when it is this large on the screen; before that, a tap comes nearer. */
const PICK_FROM_PX = { mouse: 8, touch: 13 };
/** How far beside a seat a finger may land. */
const REACH_PX = { mouse: 4, touch: 12 };
/** After coming nearer by a tap, seats have this size. */
const NEAR_PX = 24;

export class Choose {
  constructor(shop, stage, { tip, ask, tell }) {
    Object.assign(this, { shop, stage, tip, ask, tell });
  }

  /** The seat under a point of the canvas, or -1 when there is none or seats are still too small. */
  seatAt(px, py, kind = "mouse") {
    const [x, y] = this.stage.toWorld(px, py);
    const near = sectionAt(this.shop.chart, x, y);
    const scale = this.stage.camera.scale;
    const pitch = near && !near.standing ? near.pitch : this.pitch;
    if (pitch * scale < (PICK_FROM_PX[kind] || PICK_FROM_PX.touch)) return -1;
    return seatNear(this.shop.chart, x, y, pitch * 0.5 + (REACH_PX[kind] || REACH_PX.touch) / scale);
  }

  /** The usual distance of seats in this venue, for points between sections. */
  get pitch() {
    this.usual ??= this.shop.chart.sections.find((section) => !section.standing)?.pitch || 50;
    return this.usual;
  }

  /** Answers whether the tap was used up, so that a second one is not a double tap. */
  tap(px, py, kind) {
    this.tip.hide();
    const seat = this.seatAt(px, py, kind);
    if (seat >= 0) {
      this.pick(seat);
      return true;
    }
    const [x, y] = this.stage.toWorld(px, py);
    const section = sectionAt(this.shop.chart, x, y);
    if (!section) return false;
    if (section.standing) this.standing(section);
    else if (section.pitch * this.stage.camera.scale < PICK_FROM_PX.touch) this.approach(section, x, y);
    else return false;
    return true;
  }

  /** Comes so near that seats can be picked: the whole section if that is near enough, else the spot touched. */
  approach(section, x, y) {
    const whole = fit(section.box, this.stage.window, 36);
    if (section.pitch * whole.scale >= PICK_FROM_PX.touch) this.stage.flyTo(whole);
    else this.stage.flyTo({ x, y, scale: NEAR_PX / section.pitch });
    say(`${sectionWords(section.name)}, ${this.shop.seats.freeIn[section.index]} seats free.`);
  }

  standing(section) {
    if (!this.shop.tierOf(section)) {
      this.tell("Not for sale", `There are no tickets for ${section.name}.`);
      return;
    }
    this.ask.open(section);
  }

  pick(seat) {
    const place = words(this.shop.place(seat));
    if (this.shop.held.has(seat)) {
      say(`${place} is already kept for you.`);
      return;
    }
    const result = this.shop.picks.toggle(seat);
    if (result === TOO_MANY) {
      this.tell("That is the most at one time", `You can choose up to ${this.shop.picks.max} seats. Take one back to choose another.`);
    } else if (result === NOT_FREE) {
      const [x, y] = this.stage.toScreen(this.shop.chart.x[seat], this.shop.chart.y[seat]);
      this.tip.showSeat(seat, x, y);
      say(`${place} is not free.`);
    } else {
      say(`${place} ${result === PICKED ? "picked" : "removed"}.`);
      this.shop.changed("picks");
    }
  }

  hover(px, py) {
    const canvas = this.stage.canvas;
    const seat = px === null ? -1 : this.seatAt(px, py);
    const section = px === null || seat >= 0 ? null : sectionAt(this.shop.chart, ...this.stage.toWorld(px, py));
    canvas.dataset.over = seat >= 0 ? "seat" : section ? "area" : "";
    if (seat >= 0) this.tip.showSeat(seat, ...this.stage.toScreen(this.shop.chart.x[seat], this.shop.chart.y[seat]));
    else if (section && seatShare(section, this.stage.camera.scale) < 1) this.tip.showSection(section, px, py);
    else this.tip.hide();
  }

  key(name, by) {
    const { stage } = this;
    stage.cross = name !== "leave";
    if (name === "pan") stage.pan(...by);
    else if (name === "in" || name === "out") stage.zoomMiddle(name === "in" ? 1.6 : 1 / 1.6);
    else if (name === "fit") stage.fitAll();
    else if (name === "pick") this.tap(stage.window.width / 2, stage.window.height / 2, "mouse");
    if (name === "pan") this.sayMiddle();
    stage.dirty();
  }

  /** Tells what lies under the keyboard's cross, once the key rests. */
  sayMiddle() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      const { width, height } = this.stage.window;
      const seat = this.seatAt(width / 2, height / 2);
      const section = sectionAt(this.shop.chart, this.stage.camera.x, this.stage.camera.y);
      if (seat >= 0) say(`${words(this.shop.place(seat))}, ${seatState(this.shop, seat)}.`);
      else if (section) say(`${sectionWords(section.name)}, ${this.shop.seats.freeIn[section.index]} free.`);
    }, 350);
  }
}

/** What a fan may know of a seat, in words. */
export function seatState(shop, seat) {
  if (shop.held.has(seat)) return "kept for you";
  if (shop.picks.has(seat)) return "picked by you";
  const status = shop.seats.status[seat];
  if (!shop.priceOf(seat)) return "not for sale";
  if (status === FREE) return "free";
  return status === HELD ? "somebody is deciding about it; it may come back" : "taken";
}

export function seatMarks(shop, seat) {
  const marks = shop.chart.marks[seat];
  return [marks & ACCESSIBLE ? "wheelchair space" : null, marks & RESTRICTED ? "restricted view" : null].filter(Boolean);
}
