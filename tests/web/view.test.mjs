import assert from "node:assert/strict";
import test from "node:test";
import { SCALE_MAX, between, bound, fit, pan, pinch, toScreen, toWorld, visible, zoomAt } from "../../src/onsale/web/static/map/view.js";

const window = { width: 800, height: 600 };
const box = [0, 0, 10000, 5000];
const near = (actual, expected) => actual.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-6, `${actual} is not ${expected}`));

test("the whole box fits with its margin", () => {
  const camera = fit(box, window, 50);
  near(toScreen(camera, window, 0, 2500), [50, 300]);
  near(toScreen(camera, window, 10000, 2500), [750, 300]);
});

test("screen and world are inverse", () => {
  const camera = { x: 1234, y: 567, scale: 0.31 };
  near(toWorld(camera, window, ...toScreen(camera, window, 42, 99)), [42, 99]);
});

test("the point under the finger stays there while zooming", () => {
  const before = fit(box, window);
  const point = toWorld(before, window, 200, 250);
  const after = zoomAt(before, box, window, 200, 250, 3);
  near(toScreen(after, window, ...point), [200, 250]);
});

test("zooming ends at both bounds", () => {
  const camera = fit(box, window);
  assert.equal(zoomAt(camera, box, window, 400, 300, 1e9).scale, SCALE_MAX);
  assert.ok(zoomAt(camera, box, window, 400, 300, 1e-9).scale >= camera.scale * 0.69);
});

test("the venue cannot be lost: the centre stays inside the box", () => {
  const camera = pan(fit(box, window), box, window, 1e7, -1e7);
  near([camera.x, camera.y], [0, 5000]);
});

test("a pinch moves and zooms so that both fingers keep their spots", () => {
  const before = { x: 5000, y: 2500, scale: 0.2 };
  const fingers = [[300, 300], [500, 300]];
  const spots = fingers.map(([px, py]) => toWorld(before, window, px, py));
  const moved = [[260, 320], [560, 320]];
  const after = pinch(before, box, window, fingers, moved);
  spots.forEach((spot, i) => near(toScreen(after, window, ...spot), moved[i]));
});

test("a flight begins and ends where it should and never leaves the two scales", () => {
  const [from, to] = [{ x: 0, y: 0, scale: 0.05 }, { x: 4000, y: 1000, scale: 0.8 }];
  near(Object.values(between(from, to, 0)), Object.values(from));
  near(Object.values(between(from, to, 1)), Object.values(to));
  const middle = between(from, to, 0.5);
  assert.ok(middle.scale > 0.05 && middle.scale < 0.8);
});

test("a flight without zoom moves evenly", () => {
  near(Object.values(between({ x: 0, y: 0, scale: 1 }, { x: 100, y: 50, scale: 1 }, 0.5)), [50, 25, 1]);
});

test("what is visible is the window seen from the camera", () => {
  near(visible({ x: 1000, y: 1000, scale: 0.5 }, window), [200, 400, 1800, 1600]);
});

test("a very small venue may still be shown whole", () => {
  const tiny = [0, 0, 100, 100];
  assert.ok(bound(fit(tiny, window), tiny, window).scale <= SCALE_MAX);
});
