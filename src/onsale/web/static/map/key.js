// The key of signs on the map, drawn by the same hand as the map itself.
import { ACCESSIBLE, RESTRICTED } from "./chart.js";
import { element } from "../shared/page.js";
import { drawFree, drawGone, drawHeld, drawMine } from "./sprites.js";

const SIZE_PX = 18;
const RADIUS_PX = 7;

export function drawKey(box, shop, theme) {
  const colour = theme.tier(shop.tiers[0]?.colour || "#888888");
  const has = (mark) => shop.chart.marks.some((marks) => marks & mark);
  const signs = [
    ["Yours", (ink) => drawMine(ink, RADIUS_PX, theme)],
    ["Being decided", (ink) => drawHeld(ink, RADIUS_PX, theme)],
    ["Taken", (ink) => drawGone(ink, RADIUS_PX, theme)],
    has(ACCESSIBLE) ? ["Wheelchair", (ink) => drawFree(ink, RADIUS_PX, colour, ACCESSIBLE, theme)] : null,
    has(RESTRICTED) ? ["Restricted view", (ink) => drawFree(ink, RADIUS_PX, colour, RESTRICTED, theme)] : null,
  ].filter(Boolean);
  box.replaceChildren(...signs.map(([words, paint]) => element("span", {}, sign(paint), words)));
}

function sign(paint) {
  const dpr = Math.max(2, globalThis.devicePixelRatio || 1);
  const canvas = element("canvas", { width: SIZE_PX * dpr, height: SIZE_PX * dpr });
  const ink = canvas.getContext("2d");
  ink.scale(dpr, dpr);
  ink.translate(SIZE_PX / 2, SIZE_PX / 2);
  paint(ink);
  return canvas;
}
