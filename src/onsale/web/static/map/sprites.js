// Seats as small pictures, drawn once per size and then stamped: stamping tens of thousands from one sheet is
// what keeps the map smooth. Each state differs in shape, not in colour alone.
import { ACCESSIBLE, RESTRICTED } from "./chart.js";
import { inkOn, mix } from "./theme.js";

/** Sheets kept; zooming passes through many sizes and each is cheap to draw again. */
const SHEETS_MAX = 12;
const KINDS_PER_TIER = 4;

/** Where on a sheet a kind stands: four marks per tier, then the ones all tiers share. */
export const freeKind = (tier, marks) => tier * KINDS_PER_TIER + marks;
export const sharedKinds = (tiers) => ({ held: tiers * KINDS_PER_TIER, gone: tiers * KINDS_PER_TIER + 1, dim: tiers * KINDS_PER_TIER + 2 });

export class Sprites {
  constructor(tiers, theme) {
    this.tiers = tiers;
    this.theme = theme;
    this.sheets = new Map();
  }

  /** A sheet for seats of `radius` device pixels: {image, cell, half}. Sizes step by half a pixel. */
  sheet(radius) {
    const size = Math.max(1, Math.round(radius * 2) / 2);
    let sheet = this.sheets.get(size);
    if (!sheet) {
      if (this.sheets.size >= SHEETS_MAX) this.sheets.delete(this.sheets.keys().next().value);
      sheet = this.draw(size);
      this.sheets.set(size, sheet);
    }
    return sheet;
  }

  draw(radius) {
    const cell = Math.ceil(radius * 2 + 4);
    const image = document.createElement("canvas");
    const shared = sharedKinds(this.tiers.length);
    image.width = cell * (shared.dim + 1);
    image.height = cell;
    const ink = image.getContext("2d");
    const at = (kind, paint) => {
      ink.save();
      ink.translate((kind + 0.5) * cell, cell / 2);
      paint();
      ink.restore();
    };
    this.tiers.forEach((tier, i) => {
      for (let marks = 0; marks < KINDS_PER_TIER; marks += 1) at(freeKind(i, marks), () => drawFree(ink, radius, this.theme.tier(tier.colour), marks, this.theme));
    });
    at(shared.held, () => drawHeld(ink, radius, this.theme));
    at(shared.gone, () => drawGone(ink, radius, this.theme));
    at(shared.dim, () => drawDim(ink, radius, this.theme));
    return { image, cell, half: cell / 2 };
  }
}

function disc(ink, radius) {
  ink.beginPath();
  ink.arc(0, 0, radius, 0, 2 * Math.PI);
}

export function drawFree(ink, radius, colour, marks, theme) {
  ink.fillStyle = colour;
  if (marks & ACCESSIBLE) {
    ink.beginPath();
    ink.roundRect(-radius, -radius, 2 * radius, 2 * radius, radius * 0.35);
    ink.fill();
    if (radius >= 4) drawWheelchair(ink, radius, inkOn(colour));
  } else {
    disc(ink, radius);
    ink.fill();
  }
  if (marks & RESTRICTED && radius >= 2) {
    // A bite out of the side towards the reader: part of the view is missing.
    ink.globalCompositeOperation = "destination-out";
    ink.beginPath();
    ink.arc(0, radius * 1.15, radius * 0.72, 0, 2 * Math.PI);
    ink.fill();
    ink.globalCompositeOperation = "source-over";
    ink.strokeStyle = mix(colour, theme.ink, 0.35);
    ink.lineWidth = Math.max(1, radius * 0.14);
    ink.beginPath();
    ink.arc(0, radius * 1.15, radius * 0.72, Math.PI * 1.18, Math.PI * 1.82);
    ink.stroke();
  }
}

function drawWheelchair(ink, radius, colour) {
  const unit = radius / 10;
  ink.strokeStyle = colour;
  ink.fillStyle = colour;
  ink.lineWidth = Math.max(1, unit * 1.7);
  ink.lineCap = "round";
  ink.beginPath();
  ink.arc(-0.4 * unit, 2.2 * unit, 4.4 * unit, -0.1, Math.PI * 1.35);
  ink.moveTo(-1.4 * unit, -3.8 * unit);
  ink.lineTo(-1.2 * unit, 1.2 * unit);
  ink.lineTo(3 * unit, 1.2 * unit);
  ink.lineTo(5 * unit, 5.4 * unit);
  ink.stroke();
  ink.beginPath();
  ink.arc(-1.5 * unit, -6 * unit, 1.6 * unit, 0, 2 * Math.PI);
  ink.fill();
}

/** Somebody is deciding about it right now: an open ring with a slash, for it may come back. */
export function drawHeld(ink, radius, theme) {
  ink.strokeStyle = theme.heldBy;
  ink.lineWidth = Math.max(1, radius * 0.2);
  const inner = radius - ink.lineWidth / 2;
  disc(ink, inner);
  ink.stroke();
  if (radius < 3) return;
  const reach = inner * Math.SQRT1_2;
  ink.beginPath();
  ink.moveTo(-reach, reach);
  ink.lineTo(reach, -reach);
  ink.stroke();
}

export function drawGone(ink, radius, theme) {
  ink.fillStyle = theme.gone;
  disc(ink, Math.max(0.8, radius * 0.62));
  ink.fill();
}

function drawDim(ink, radius, theme) {
  ink.fillStyle = mix(theme.gone, theme.paper, 0.45);
  disc(ink, Math.max(0.8, radius * 0.8));
  ink.fill();
}

/** One's own: larger, outlined and ticked, so that no tier's colour can be mistaken for it. */
export function drawMine(ink, radius, theme) {
  ink.fillStyle = theme.mine;
  ink.strokeStyle = theme.ink;
  ink.lineWidth = Math.max(1.75, radius * 0.17);
  disc(ink, radius);
  ink.fill();
  ink.stroke();
  ink.strokeStyle = theme.mineInk;
  ink.lineWidth = Math.max(1.75, radius * 0.22);
  ink.lineCap = "round";
  ink.lineJoin = "round";
  ink.beginPath();
  ink.moveTo(-radius * 0.42, radius * 0.02);
  ink.lineTo(-radius * 0.1, radius * 0.34);
  ink.lineTo(radius * 0.44, -radius * 0.32);
  ink.stroke();
}
