import assert from "node:assert/strict";
import test from "node:test";
import { ACCESSIBLE, RESTRICTED, decode, label, middleOf, roomAt, sectionAt, seatNear, sectionWords, tierOfSections, words } from "../../src/onsale/web/static/map/chart.js";
import { smallChart } from "./charts.mjs";

const chart = decode(smallChart());
const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 0.02, `${actual} is not ${expected}`);

test("seats of a straight row stand evenly with both ends taken", () => {
  assert.deepEqual([...chart.x.slice(0, 3)], [50, 100, 150]);
  assert.deepEqual([...chart.y.slice(0, 3)], [150, 150, 150]);
});

test("seats of an arc follow its angles, y growing downwards", () => {
  near(chart.x[5], 600);
  near(chart.y[5], 500);
  near(chart.x[7], 500);
  near(chart.y[7], 600);
});

test("a row of one seat stands at its first end", () => {
  const wire = smallChart();
  wire.sections[0].rows = [{ name: "1", count: 1, from: 1, step: 1, line: [70, 80, 900, 900] }, { name: "2", count: 4, from: 1, step: 1, line: [0, 0, 30, 0] }];
  const other = decode(wire);
  assert.deepEqual([other.x[0], other.y[0]], [70, 80]);
});

test("the printed label counts from `from` in steps of `step`", () => {
  assert.deepEqual(label(chart, 4), { section: "A", row: "2", seat: "4" });
  assert.deepEqual(label(chart, 7), { section: "B", row: "1", seat: "8" });
});

test("a standing place has no row and counts from one", () => {
  assert.deepEqual(label(chart, 8), { section: "Floor", row: null, seat: "1" });
  assert.equal(words(label(chart, 17)), "Floor, place 10");
  assert.equal(words(label(chart, 0)), "A, row 1, seat 1");
});

test("a short section name is said with the word section", () => {
  assert.equal(sectionWords("101"), "Section 101");
  assert.equal(sectionWords("Rear Stalls"), "Rear Stalls");
});

test("marks of a seat add up", () => {
  assert.equal(chart.marks[0], ACCESSIBLE);
  assert.equal(chart.marks[1], ACCESSIBLE | RESTRICTED);
  assert.equal(chart.marks[2], 0);
});

test("the nearest seat within reach is found, and none beyond it", () => {
  assert.equal(seatNear(chart, 104, 152, 30), 1);
  assert.equal(seatNear(chart, 500, 600, 30), 7);
  assert.equal(seatNear(chart, 50, 195, 30), -1);
});

test("standing places are not found by their spot", () => {
  assert.equal(seatNear(chart, 150, 700, 100), -1);
  assert.equal(sectionAt(chart, 150, 700).name, "Floor");
});

test("a point outside every outline is in no section", () => {
  assert.equal(sectionAt(chart, 350, 350), null);
});

test("the room of a seat is the smaller of neighbour and row distance", () => {
  assert.equal(chart.sections[0].pitch, 50);
});

test("a section whose zone no tier prices is not for sale", () => {
  assert.deepEqual([...tierOfSections(chart, [{ zones: [1, 2] }, { zones: [7] }])], [-1, 0, 0]);
});

test("a label's room reaches to the nearest outline on each axis", () => {
  assert.deepEqual(roomAt([0, 0, 100, 0, 100, 40, 0, 40], [30, 10]), [30, 10]);
  assert.deepEqual(middleOf([0, 0, 100, 0, 100, 40, 0, 40]), [50, 20]);
});

test("a chart of another version is refused", () => {
  assert.throws(() => decode({ ...smallChart(), v: 2 }), /version 2/);
});
