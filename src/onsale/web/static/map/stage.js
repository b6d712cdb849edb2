// The canvas and its camera: sizes, moving, and drawing only when something changed.
import { between, bound, fit, pan, pinch, toScreen, toWorld, zoomAt } from "./view.js";

const FLY_MS = 420;
const GLIDE_STOP_PX = 0.25;
const GLIDE_KEEP = 0.92;
/** A picture of more device pixels than 3 per px cannot be told apart, but costs as if it could. */
const DPR_MAX = 3;

export class Stage {
  constructor(canvas, box, paint) {
    this.canvas = canvas;
    this.box = box;
    this.paint = paint;
    this.ink = canvas.getContext("2d", { alpha: false });
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.window = { width: 1, height: 1 };
    this.flight = null;
    this.cross = false;
    this.planned = 0;
    this.measure();
    this.camera = fit(box, this.window);
    new ResizeObserver(() => this.resized()).observe(canvas);
  }

  measure() {
    const { width, height } = this.canvas.getBoundingClientRect();
    this.window = { width: Math.max(1, width), height: Math.max(1, height) };
    this.dpr = Math.min(DPR_MAX, globalThis.devicePixelRatio || 1);
    this.canvas.width = Math.round(this.window.width * this.dpr);
    this.canvas.height = Math.round(this.window.height * this.dpr);
  }

  /** A map that was shown whole stays whole when the page changes its shape. */
  resized() {
    if (this.canvas.clientWidth === 0) return;
    const whole = Math.abs(this.camera.scale / fit(this.box, this.window).scale - 1) < 0.01;
    this.measure();
    this.camera = whole ? fit(this.box, this.window) : bound(this.camera, this.box, this.window);
    this.draw();
  }

  /** Something changed: one frame will be drawn, however often this is called before it. */
  dirty() {
    this.planned ||= requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.planned = 0;
    if (this.flight) this.fly(now);
    this.draw();
  }

  draw() {
    this.paint(this.ink, { camera: this.camera, window: this.window, dpr: this.dpr, cross: this.cross });
  }

  /** Moves at once and ends any flight: the hand on the map is always right. */
  look(camera) {
    this.flight = null;
    this.camera = camera;
    this.dirty();
  }

  pan(dx, dy) {
    this.look(pan(this.camera, this.box, this.window, dx, dy));
  }

  pinch(before, after) {
    this.look(pinch(this.camera, this.box, this.window, before, after));
  }

  zoom(px, py, factor, smooth = false) {
    const target = zoomAt(this.camera, this.box, this.window, px, py, factor);
    if (smooth) this.flyTo(target);
    else this.look(target);
  }

  zoomMiddle(factor) {
    const from = this.flight?.to || this.camera;
    this.flyTo(zoomAt(from, this.box, this.window, this.window.width / 2, this.window.height / 2, factor));
  }

  fitAll() {
    this.flyTo(fit(this.box, this.window));
  }

  around(box) {
    return fit(box, this.window);
  }

  flyTo(camera) {
    const target = bound(camera, this.box, this.window);
    if (this.calm.matches) {
      this.look(target);
      return;
    }
    this.flight = { from: this.camera, to: target, since: null };
    this.dirty();
  }

  fly(now) {
    const flight = this.flight;
    if (flight.glide) return this.slide(flight);
    flight.since ??= now;
    const t = Math.min(1, (now - flight.since) / FLY_MS);
    this.camera = t === 1 ? flight.to : between(flight.from, flight.to, t);
    if (t === 1) this.flight = null;
    else this.dirty();
  }

  /** Lets the map run out after a quick drag, px per frame. */
  glide(dx, dy) {
    if (this.calm.matches) return;
    this.flight = { glide: [dx, dy] };
    this.dirty();
  }

  slide(flight) {
    const [dx, dy] = flight.glide;
    this.camera = pan(this.camera, this.box, this.window, dx, dy);
    flight.glide = [dx * GLIDE_KEEP, dy * GLIDE_KEEP];
    if (Math.hypot(dx, dy) < GLIDE_STOP_PX) this.flight = null;
    else this.dirty();
  }

  toWorld(px, py) {
    return toWorld(this.camera, this.window, px, py);
  }

  toScreen(x, y) {
    return toScreen(this.camera, this.window, x, y);
  }
}
