// One frame of the map. Far away a section is one shape, tinted by how much of it is free; near, its seats
// appear in its place. Only what is in the window is touched.
import { middleOf, roomAt, touches } from "./chart.js";
import { inkOn, mix } from "./theme.js";
import { SeatPainter } from "./paint_seats.js";
import { toScreen, visible } from "./view.js";

/** Seats fade in while the room of one grows from the first to the second of these, in px. */
const SEATS_FROM_PX = 6;
const SEATS_WHOLE_PX = 8.5;
const LABEL_MIN_PX = 9;
const LABEL_MAX_PX = 19;
const SHAPE_LABEL_MAX_PX = 22;
/** Width of an average letter in units of its size, with air around the word. */
const LETTER = 0.68;
/** How strongly sections of other prices are still named. */
const HIDDEN_LABEL = 0.4;
/** Shapes that sections lie on; all others (a stage, a bar, a table) stand on the sections. */
const GROUND = new Set(["pitch", "dance"]);
/** Shapes that everybody looks at are drawn dark. */
const DARK = new Set(["stage", "screen"]);

/** How much of a section's seats is shown at a scale: 0 none, 1 all. */
export function seatShare(section, scale) {
  if (section.standing) return 0;
  const px = section.pitch * scale;
  return Math.min(1, Math.max(0, (px - SEATS_FROM_PX) / (SEATS_WHOLE_PX - SEATS_FROM_PX)));
}

export class Painter {
  constructor(shop, theme) {
    this.shop = shop;
    this.outlines = shop.chart.sections.map((section) => pathOf(section.outline));
    this.shapes = shop.chart.shapes.map((shape) => pathOf(shape.outline));
    this.signs = shop.chart.shapes.filter((shape) => shape.label).map((shape) => {
      const at = middleOf(shape.outline);
      return { kind: shape.kind, label: shape.label, at, room: roomAt(shape.outline, at) };
    });
    this.use(theme);
  }

  use(theme) {
    this.theme = theme;
    this.seatPainter = new SeatPainter(this.shop, theme);
  }

  /** frame: {camera, window: {width, height}, dpr, cross: whether the keyboard's cross is shown} */
  paint(ink, frame) {
    const { camera, window, dpr } = frame;
    frame.view = visible(camera, window);
    ink.setTransform(dpr, 0, 0, dpr, 0, 0);
    ink.fillStyle = this.theme.paper;
    ink.fillRect(0, 0, window.width, window.height);
    const [x0, y0, x1, y1] = frame.view;
    const seen = this.shop.chart.sections.filter((section) => touches(section.box, x0, y0, x1, y1));
    this.inWorld(ink, frame, () => {
      this.paintShapes(ink, frame, (kind) => GROUND.has(kind));
      for (const section of seen) this.paintSection(ink, section, camera.scale);
      this.paintShapes(ink, frame, (kind) => !GROUND.has(kind));
    });
    this.paintShapeLabels(ink, frame);
    for (const section of seen) this.seatPainter.paint(ink, section, frame, seatShare(section, camera.scale));
    for (const section of seen) this.paintLabel(ink, section, frame);
    this.seatPainter.paintMine(ink, frame);
    if (frame.cross) this.paintCross(ink, window);
  }

  inWorld(ink, { camera, window, dpr }, paint) {
    const scale = camera.scale * dpr;
    ink.setTransform(scale, 0, 0, scale, (window.width / 2) * dpr - camera.x * scale, (window.height / 2) * dpr - camera.y * scale);
    paint();
    ink.setTransform(dpr, 0, 0, dpr, 0, 0);
  }

  paintShapes(ink, { camera }, wanted) {
    ink.lineWidth = 1.5 / camera.scale;
    this.shapes.forEach((path, i) => {
      const { kind } = this.shop.chart.shapes[i];
      if (!wanted(kind)) return;
      ink.fillStyle = DARK.has(kind) ? mix(this.theme.shape, this.theme.ink, 0.72) : this.theme.shape;
      ink.strokeStyle = this.theme.shapeLine;
      ink.fill(path);
      ink.stroke(path);
    });
  }

  /** The fuller the tint, the more is free; nothing free is plain grey. */
  tint(section) {
    const tier = this.shop.tierOf(section);
    const free = this.shop.seats.freeIn[section.index];
    const hidden = this.isHidden(section);
    if (!tier || free === 0 || hidden) return mix(this.theme.paper, this.theme.gone, hidden ? 0.35 : 0.75);
    return mix(this.theme.surface, this.theme.tier(tier.colour), 0.26 + 0.6 * Math.sqrt(free / section.count));
  }

  /** Whether the fan has asked to see another price only. */
  isHidden(section) {
    return this.shop.only !== null && this.shop.tierOf(section)?.id !== this.shop.only;
  }

  paintSection(ink, section, scale) {
    const path = this.outlines[section.index];
    const share = seatShare(section, scale);
    const tint = this.tint(section);
    ink.fillStyle = share > 0 ? mix(tint, this.theme.surface, 0.9 * share) : tint;
    ink.fill(path);
    ink.strokeStyle = share > 0 ? mix(this.theme.paper, this.theme.shapeLine, share) : this.theme.paper;
    ink.lineWidth = 1.25 / scale;
    ink.stroke(path);
  }

  paintLabel(ink, section, { camera, window }) {
    const share = seatShare(section, camera.scale);
    if (share >= 1) return;
    const [width, height] = section.room.map((half) => 2 * half * camera.scale);
    const size = Math.min(LABEL_MAX_PX, width / (LETTER * Math.max(3, section.name.length)), height * 0.62);
    if (size < LABEL_MIN_PX) return;
    const [x, y] = toScreen(camera, window, ...section.at);
    const free = this.shop.seats.freeIn[section.index];
    const words = free === 0 ? "none free" : `${free.toLocaleString("en")} free`;
    const small = Math.max(11, size * 0.7);
    const more = height > size * 2.6 && width > words.length * small * LETTER;
    ink.globalAlpha = (1 - share) * (this.isHidden(section) ? HIDDEN_LABEL : 1);
    ink.fillStyle = inkOn(this.tint(section));
    this.write(ink, section.name, x, more ? y - size * 0.52 : y, `700 ${size}px`);
    if (more) this.write(ink, words, x, y + size * 0.62, `500 ${small}px`);
    ink.globalAlpha = 1;
  }

  write(ink, words, x, y, style) {
    ink.textAlign = "center";
    ink.textBaseline = "middle";
    ink.font = `${style} ${this.theme.font}`;
    ink.fillText(words, x, y);
  }

  paintShapeLabels(ink, { camera, window }) {
    for (const { kind, label, at, room } of this.signs) {
      const [width, height] = room.map((half) => 2 * half * camera.scale);
      const upright = height > 2 * width;
      const [long, high] = upright ? [height, width] : [width, height];
      const size = Math.min(SHAPE_LABEL_MAX_PX, long / (LETTER * label.length + 1), high * 0.6);
      if (size < LABEL_MIN_PX) continue;
      ink.save();
      ink.translate(...toScreen(camera, window, ...at));
      if (upright) ink.rotate(-Math.PI / 2);
      ink.fillStyle = DARK.has(kind) ? this.theme.paper : this.theme.soft;
      this.write(ink, label, 0, 0, `650 ${size}px`);
      ink.restore();
    }
  }

  paintCross(ink, { width, height }) {
    ink.strokeStyle = this.theme.ink;
    ink.lineWidth = 2;
    ink.beginPath();
    ink.arc(width / 2, height / 2, 15, 0, 2 * Math.PI);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      ink.moveTo(width / 2 + dx * 15, height / 2 + dy * 15);
      ink.lineTo(width / 2 + dx * 24, height / 2 + dy * 24);
    }
    ink.stroke();
  }
}

function pathOf(outline) {
  const path = new Path2D();
  for (let i = 0; i < outline.length; i += 2) path[i === 0 ? "moveTo" : "lineTo"](outline[i], outline[i + 1]);
  path.closePath();
  return path;
}
