import assert from "node:assert/strict";
import test from "node:test";
import { NOT_FREE, PICKED, Picks, REMOVED, TOO_MANY } from "../../src/onsale/web/static/map/picks.js";

const price = { amount: 7000, currency: "EUR" };
function picks({ max = 3, taken = [], unpriced = [] } = {}) {
  return new Picks({ max, isFree: (seat) => !taken.includes(seat), priceOf: (seat) => (unpriced.includes(seat) ? null : price) });
}

test("a seat is picked and taken back", () => {
  const mine = picks();
  assert.equal(mine.toggle(5), PICKED);
  assert.equal(mine.toggle(5), REMOVED);
  assert.equal(mine.size, 0);
});

test("the limit of one hold is kept, and a pick can be exchanged", () => {
  const mine = picks({ max: 2 });
  mine.toggle(1);
  mine.toggle(2);
  assert.equal(mine.toggle(3), TOO_MANY);
  mine.toggle(1);
  assert.equal(mine.toggle(3), PICKED);
  assert.deepEqual(mine.list(), [2, 3]);
});

test("a taken seat and one without a price are refused", () => {
  const mine = picks({ taken: [4], unpriced: [5] });
  assert.equal(mine.toggle(4), NOT_FREE);
  assert.equal(mine.toggle(5), NOT_FREE);
});

test("seats lost to others are dropped, the rest stays", () => {
  const mine = picks();
  [7, 8, 9].forEach((seat) => mine.toggle(seat));
  assert.deepEqual(mine.drop([8, 100]), [8]);
  assert.deepEqual(mine.list(), [7, 9]);
});

test("places of a standing area are raised and lowered to a number", () => {
  const mine = picks({ max: 8 });
  assert.equal(mine.setCount(100, 50, 4, () => 0.5), 4);
  assert.equal(mine.setCount(100, 50, 1), 1);
  assert.equal(mine.setCount(100, 50, 0), 0);
});

test("standing places start at a place given by chance and wrap around", () => {
  const mine = picks({ max: 8 });
  mine.setCount(100, 10, 3, () => 0.85);
  assert.deepEqual(mine.list(), [100, 108, 109]);
});

test("standing places skip what is taken and stop at the limit and at the end of the area", () => {
  assert.equal(picks({ max: 3 }).setCount(0, 50, 10), 3);
  assert.equal(picks({ max: 8, taken: [0, 1, 2] }).setCount(0, 5, 8), 2);
});

test("picks elsewhere count towards the limit of a standing area", () => {
  const mine = picks({ max: 3 });
  mine.toggle(500);
  assert.equal(mine.setCount(0, 50, 3), 2);
  assert.ok(mine.has(500));
});
