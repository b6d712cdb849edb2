// The camera: which part of the venue is looked at. Pure arithmetic; a camera is {x, y, scale} with the
// centre in cm and scale in screen px per cm, a window is {width, height} in px.

/** Nearest look: a seat of half a metre is 60 px wide, more shows nothing new. */
export const SCALE_MAX = 1.2;
/** How much smaller than "all of it fits" one may zoom out. */
const SCALE_MIN_SHARE = 0.7;

export function toScreen(camera, window, x, y) {
  return [(x - camera.x) * camera.scale + window.width / 2, (y - camera.y) * camera.scale + window.height / 2];
}

export function toWorld(camera, window, px, py) {
  return [(px - window.width / 2) / camera.scale + camera.x, (py - window.height / 2) / camera.scale + camera.y];
}

/** The part of the world in the window: [x0, y0, x1, y1]. */
export function visible(camera, window) {
  const halfX = window.width / 2 / camera.scale;
  const halfY = window.height / 2 / camera.scale;
  return [camera.x - halfX, camera.y - halfY, camera.x + halfX, camera.y + halfY];
}

/** The camera that shows a box whole, with `margin` px around it. */
export function fit(box, window, margin = 24) {
  const width = Math.max(1, box[2] - box[0]);
  const height = Math.max(1, box[3] - box[1]);
  const scale = Math.min((window.width - 2 * margin) / width, (window.height - 2 * margin) / height);
  return { x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2, scale: Math.max(1e-6, Math.min(SCALE_MAX, scale)) };
}

/** Keeps the camera within sensible scales and its centre within the venue. */
export function bound(camera, box, window) {
  const whole = fit(box, window).scale;
  const scale = Math.min(Math.max(SCALE_MAX, whole), Math.max(whole * SCALE_MIN_SHARE, camera.scale));
  return { x: Math.min(box[2], Math.max(box[0], camera.x)), y: Math.min(box[3], Math.max(box[1], camera.y)), scale };
}

/** Zooms by a factor so that the point under (px, py) stays where it is. */
export function zoomAt(camera, box, window, px, py, factor) {
  const [x, y] = toWorld(camera, window, px, py);
  const { scale } = bound({ ...camera, scale: camera.scale * factor }, box, window);
  const moved = { x: x - (px - window.width / 2) / scale, y: y - (py - window.height / 2) / scale, scale };
  return bound(moved, box, window);
}

/** Moves the picture by (dx, dy) px. */
export function pan(camera, box, window, dx, dy) {
  return bound({ x: camera.x - dx / camera.scale, y: camera.y - dy / camera.scale, scale: camera.scale }, box, window);
}

/** Two fingers: what lay under the first pair of points lies under the second. Points are [x, y] px. */
export function pinch(camera, box, window, before, after) {
  const apart = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);
  const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const [fromX, fromY] = middle(before);
  const [toX, toY] = middle(after);
  const moved = pan(camera, box, window, toX - fromX, toY - fromY);
  return zoomAt(moved, box, window, toX, toY, apart(after) / Math.max(1, apart(before)));
}

/** Between two cameras at t in 0..1: zooming is even to the eye when the logarithm of the scale is. */
export function between(from, to, t) {
  const eased = t < 0.5 ? 4 * t ** 3 : 1 - (-2 * t + 2) ** 3 / 2;
  const scale = Math.exp(Math.log(from.scale) + (Math.log(to.scale) - Math.log(from.scale)) * eased);
  // The centre follows the scale, so that the target does not fly through the picture.
  const ratio = to.scale / from.scale;
  const share = Math.abs(ratio - 1) < 1e-3 ? eased : (1 - from.scale / scale) / (1 - 1 / ratio);
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share, scale };
}

const ARROWS = ["→", "↘", "↓", "↙", "←", "↖", "↑", "↗"];

/** Where everybody looks, when it is out of sight: "Stage ↗". Empty while it is in the window. */
export function focusWords(chart, { camera, window }) {
  const [px, py] = toScreen(camera, window, ...chart.focus);
  if (px > 0 && py > 0 && px < window.width && py < window.height) return "";
  const turn = Math.atan2(py - window.height / 2, px - window.width / 2) / (Math.PI / 4);
  const shape = chart.shapes.find((each) => each.kind === "stage") || chart.shapes.find((each) => each.kind === "pitch");
  return `${shape?.label || "Stage"} ${ARROWS[(Math.round(turn) + 8) % 8]}`;
}
