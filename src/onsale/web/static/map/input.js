// From fingers, mouse, wheel and keys to what they mean. Knows the canvas, not the seats.

const TAP_MOVE_PX = 9;
const TAP_MS = 600;
const DOUBLE_MS = 320;
const DOUBLE_PX = 30;
const WHEEL_RATE = 0.0016;
const PINCH_RATE = 0.011;
const KEY_PAN_PX = 70;
const GLIDE_FROM_PX = 3;

/**
 * hands: {pan(dx, dy), pinch(before, after), zoom(px, py, factor, smooth), glide(dx, dy), tap(px, py, kind) -> used,
 *         hover(px, py) or hover(null), key(name)}; all places are px within the canvas.
 */
export class Input {
  constructor(canvas, hands) {
    this.canvas = canvas;
    this.hands = hands;
    this.points = new Map();
    this.press = null;
    this.lastTap = null;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.cancel(event));
    canvas.addEventListener("pointerleave", () => { if (this.points.size === 0) hands.hover(null); });
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    const at = this.at(event);
    this.points.set(event.pointerId, at);
    // A second finger makes it a pinch; lifting it again must not count as a tap.
    this.press = this.points.size === 1 ? { at, since: event.timeStamp, moved: false, speed: [0, 0] } : null;
    this.hands.hover(null);
  }

  move(event) {
    const before = this.points.get(event.pointerId);
    const at = this.at(event);
    if (!before) {
      if (event.pointerType === "mouse") this.hands.hover(...at);
      return;
    }
    if (this.points.size === 2) this.movePinch(event.pointerId, at);
    else if (this.press) this.drag(before, at);
    this.points.set(event.pointerId, at);
  }

  drag(before, at) {
    const press = this.press;
    if (!press.moved && Math.hypot(at[0] - press.at[0], at[1] - press.at[1]) < TAP_MOVE_PX) return;
    // The way to the threshold is not thrown away: the map must not lag behind the finger.
    const from = press.moved ? before : press.at;
    press.moved = true;
    this.canvas.dataset.moving = "true";
    const step = [at[0] - from[0], at[1] - from[1]];
    press.speed = press.speed.map((speed, i) => 0.6 * speed + 0.4 * step[i]);
    this.hands.pan(...step);
  }

  movePinch(id, at) {
    const before = [...this.points.values()];
    const after = [...this.points.entries()].map(([other, point]) => (other === id ? at : point));
    this.hands.pinch(before, after);
  }

  up(event) {
    if (!this.points.delete(event.pointerId)) return;
    this.canvas.dataset.moving = "false";
    const press = this.press;
    this.press = null;
    if (!press) return;
    if (press.moved) {
      if (Math.hypot(...press.speed) > GLIDE_FROM_PX) this.hands.glide(...press.speed);
    } else if (event.timeStamp - press.since < TAP_MS) {
      this.tap(this.at(event), event.timeStamp, event.pointerType);
    }
  }

  /** A second tap close by zooms in, unless the first one was used: then it picked a seat. */
  tap(at, now, kind) {
    const last = this.lastTap;
    this.lastTap = null;
    if (last && now - last.now < DOUBLE_MS && Math.hypot(at[0] - last.at[0], at[1] - last.at[1]) < DOUBLE_PX) {
      this.hands.zoom(at[0], at[1], 2.2, true);
    } else if (!this.hands.tap(at[0], at[1], kind)) {
      this.lastTap = { at, now };
    }
  }

  cancel(event) {
    this.points.delete(event.pointerId);
    this.press = null;
    this.canvas.dataset.moving = "false";
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const rate = event.ctrlKey ? PINCH_RATE : WHEEL_RATE;
    this.hands.zoom(...this.at(event), Math.exp(-event.deltaY * lines * rate));
    this.hands.hover(null);
  }

  key(event) {
    const pans = { ArrowLeft: [KEY_PAN_PX, 0], ArrowRight: [-KEY_PAN_PX, 0], ArrowUp: [0, KEY_PAN_PX], ArrowDown: [0, -KEY_PAN_PX] };
    const names = { "+": "in", "=": "in", "-": "out", _: "out", 0: "fit", Home: "fit", Enter: "pick", " ": "pick", Escape: "leave" };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (pans[event.key]) {
      const slow = event.shiftKey ? 0.25 : 1;
      this.hands.key("pan", pans[event.key].map((px) => px * slow));
    } else if (names[event.key]) {
      this.hands.key(names[event.key]);
    } else {
      return;
    }
    event.preventDefault();
  }
}
