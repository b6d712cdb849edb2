// The seats of one section in one frame, and one's own seats on top of everything.
import { FREE, HELD } from "./availability.js";
import { touches } from "./chart.js";
import { drawMine, freeKind, sharedKinds, Sprites } from "./sprites.js";
import { inkOn } from "./theme.js";

const NUMBERS_FROM_PX = 25;
const ROW_NAMES_FROM_PX = 14;
/** How far within the window the name of a row is kept whose end lies outside. */
const PINNED_PX = 14;
/** The badge of a standing area stands below its name and free places. */
const AREA_BADGE_PX = 44;
/** Tables and boxes have rows of a few seats close together; their names need more room. */
const SHORT_ROW = 5;
const SHORT_ROW_NAMES_FROM_PX = 34;
/** One's own seats are never drawn smaller than this, so that they are seen from far away. */
const MINE_MIN_PX = 6.5;

export class SeatPainter {
  constructor(shop, theme) {
    this.shop = shop;
    this.theme = theme;
    this.sprites = new Sprites(shop.tiers, theme);
    this.kinds = sharedKinds(shop.tiers.length);
    this.inks = shop.tiers.map((tier) => inkOn(theme.tier(tier.colour)));
  }

  paint(ink, section, frame, share) {
    if (share === 0) return;
    const { camera, dpr, view } = frame;
    const margin = section.radius;
    const rows = this.shop.chart.rows;
    const sheet = this.sprites.sheet(section.radius * camera.scale * dpr);
    const pitch = section.pitch * camera.scale;
    ink.globalAlpha = share;
    for (let r = section.rows[0]; r < section.rows[1]; r += 1) {
      const row = rows[r];
      if (!touches(row.box, view[0], view[1], view[2], view[3], margin)) continue;
      this.stampRow(ink, section, row, frame, sheet);
      if (pitch >= NUMBERS_FROM_PX) this.numberRow(ink, section, row, frame);
      if (pitch >= (row.count < SHORT_ROW ? SHORT_ROW_NAMES_FROM_PX : ROW_NAMES_FROM_PX)) this.nameRow(ink, section, row, frame);
    }
    ink.globalAlpha = 1;
  }

  /** The inner loop of the map: no object is made here. */
  stampRow(ink, section, row, { camera, window, dpr }, sheet) {
    const { x, y, marks } = this.shop.chart;
    const status = this.shop.seats.status;
    const tier = this.shop.tierOfSection[section.index];
    const hidden = this.shop.only !== null && this.shop.tiers[tier]?.id !== this.shop.only;
    const { image, cell } = sheet;
    const size = cell / dpr;
    const scale = camera.scale;
    const left = window.width / 2 - camera.x * scale - size / 2;
    const top = window.height / 2 - camera.y * scale - size / 2;
    const end = row.first + row.count;
    for (let seat = row.first; seat < end; seat += 1) {
      const px = x[seat] * scale + left;
      const py = y[seat] * scale + top;
      if (px < -size || py < -size || px > window.width || py > window.height) continue;
      const free = status[seat] === FREE && tier >= 0;
      const kind = free ? (hidden ? this.kinds.dim : freeKind(tier, marks[seat])) : status[seat] === HELD ? this.kinds.held : this.kinds.gone;
      ink.drawImage(image, kind * cell, 0, cell, cell, px, py, size, size);
    }
  }

  numberRow(ink, section, row, { camera, window }) {
    const tier = this.shop.tierOfSection[section.index];
    const { x, y, marks } = this.shop.chart;
    const size = section.radius * camera.scale * 0.82;
    ink.font = `650 ${size}px ${this.theme.font}`;
    ink.textAlign = "center";
    ink.textBaseline = "middle";
    ink.fillStyle = this.inks[tier] || this.theme.ink;
    for (let i = 0; i < row.count; i += 1) {
      const seat = row.first + i;
      // A bite (restricted view) or a wheelchair says something more important than the number.
      if (this.shop.seats.status[seat] !== FREE || marks[seat]) continue;
      const px = (x[seat] - camera.x) * camera.scale + window.width / 2;
      const py = (y[seat] - camera.y) * camera.scale + window.height / 2;
      if (px > 0 && py > 0 && px < window.width && py < window.height) ink.fillText(String(row.from + row.step * i), px, py + size * 0.06);
    }
  }

  /** The name of a row stands before its first seat and after its last. */
  nameRow(ink, section, row, { camera, window }) {
    const { x, y } = this.shop.chart;
    const first = row.first;
    const last = row.first + row.count - 1;
    const step = Math.hypot(x[first + 1] - x[first], y[first + 1] - y[first]) || 1;
    ink.font = `650 ${Math.min(14, section.radius * camera.scale * 1.1)}px ${this.theme.font}`;
    ink.textAlign = "center";
    ink.textBaseline = "middle";
    ink.fillStyle = this.theme.soft;
    for (const [end, next] of row.count > 1 ? [[first, first + 1], [last, last - 1]] : []) {
      const out = (section.pitch * 0.95) / step;
      const px = (x[end] + (x[end] - x[next]) * out - camera.x) * camera.scale + window.width / 2;
      const py = (y[end] + (y[end] - y[next]) * out - camera.y) * camera.scale + window.height / 2;
      if (within(px, py, window)) ink.fillText(row.name, px, py);
      else if (section.pitch * camera.scale >= NUMBERS_FROM_PX) this.pinRow(ink, row, end, next - end, camera, window);
    }
  }

  /** The end of the row is out of the window: its name stands at the window's edge instead, between two seats. */
  pinRow(ink, row, end, step, camera, window) {
    const { x, y } = this.shop.chart;
    for (let i = 0; i + 1 < row.count; i += 1) {
      const [a, b] = [end + i * step, end + (i + 1) * step];
      const px = ((x[a] + x[b]) / 2 - camera.x) * camera.scale + window.width / 2;
      const py = ((y[a] + y[b]) / 2 - camera.y) * camera.scale + window.height / 2;
      if (!within(px, py, window, PINNED_PX)) continue;
      ink.save();
      ink.fillStyle = this.theme.surface;
      ink.beginPath();
      ink.roundRect(px - 11, py - 8, 22, 16, 8);
      ink.fill();
      ink.fillStyle = this.theme.ink;
      ink.font = `700 12px ${this.theme.font}`;
      ink.fillText(row.name, px, py + 0.5);
      ink.restore();
      return;
    }
  }

  paintMine(ink, { camera, window }) {
    for (const seat of this.shop.lost) this.stampLost(ink, seat, camera, window);
    const areas = new Map();
    for (const seat of [...this.shop.held, ...this.shop.picks.seats]) {
      const section = this.shop.sectionOf(seat);
      if (section.standing) areas.set(section, (areas.get(section) || 0) + 1);
      else this.atSeat(ink, seat, camera, window, (radius) => drawMine(ink, Math.max(MINE_MIN_PX, radius * 1.16), this.theme));
    }
    for (const [section, count] of areas) this.paintArea(ink, section, count, camera, window);
  }

  atSeat(ink, seat, camera, window, paint) {
    const { x, y } = this.shop.chart;
    ink.save();
    ink.translate((x[seat] - camera.x) * camera.scale + window.width / 2, (y[seat] - camera.y) * camera.scale + window.height / 2);
    paint(this.shop.sectionOf(seat).radius * camera.scale);
    ink.restore();
  }

  /** A pick that somebody else got: crossed out for a while, so that the eye finds what changed. */
  stampLost(ink, seat, camera, window) {
    this.atSeat(ink, seat, camera, window, (radius) => {
      const reach = Math.max(5, radius);
      ink.strokeStyle = this.theme.bad;
      ink.lineWidth = Math.max(2.5, reach * 0.3);
      ink.beginPath();
      ink.moveTo(-reach, -reach);
      ink.lineTo(reach, reach);
      ink.moveTo(reach, -reach);
      ink.lineTo(-reach, reach);
      ink.stroke();
    });
  }

  paintArea(ink, section, count, camera, window) {
    const px = (section.at[0] - camera.x) * camera.scale + window.width / 2;
    const py = (section.at[1] - camera.y) * camera.scale + window.height / 2 + AREA_BADGE_PX;
    const words = `${count} yours`;
    ink.font = `700 14px ${this.theme.font}`;
    const width = ink.measureText(words).width + 44;
    ink.fillStyle = this.theme.mine;
    ink.strokeStyle = this.theme.ink;
    ink.lineWidth = 2;
    ink.beginPath();
    ink.roundRect(px - width / 2, py - 15, width, 30, 15);
    ink.fill();
    ink.stroke();
    ink.fillStyle = this.theme.mineInk;
    ink.textAlign = "left";
    ink.textBaseline = "middle";
    ink.fillText(words, px - width / 2 + 32, py + 0.5);
    ink.save();
    ink.translate(px - width / 2 + 17, py);
    drawMine(ink, 8, { ...this.theme, ink: this.theme.mine });
    ink.restore();
  }
}

function within(px, py, window, margin = 0) {
  return px >= margin && py >= margin && px <= window.width - margin && py <= window.height - margin;
}
