import assert from "node:assert/strict";
import test from "node:test";
import { clock, crossed, parts, remaining, skew, spoken } from "../../src/onsale/web/static/shared/countdown.js";

test("a phone whose clock is three minutes fast still counts to the server's deadline", () => {
  const local = Date.parse("2027-01-01T12:03:00Z");
  const ahead = skew("2027-01-01T12:00:00Z", local);
  assert.equal(ahead, -180_000);
  assert.equal(remaining("2027-01-01T12:05:00Z", local, ahead), 300_000);
});

test("an unreadable clock of the server is ignored", () => {
  assert.equal(skew("", 5), 0);
});

test("time left is never negative", () => {
  assert.equal(remaining(1000, 5000), 0);
});

test("the clock shows zero only when it is over", () => {
  assert.equal(clock(247_000), "4:07");
  assert.equal(clock(1), "0:01");
  assert.equal(clock(0), "0:00");
});

test("what is said is words, not figures", () => {
  assert.equal(spoken(300_000), "5 minutes left.");
  assert.equal(spoken(60_000), "One minute left.");
  assert.equal(spoken(9_500), "10 seconds left.");
  assert.equal(spoken(0), "The time has run out.");
});

test("each moment is said once, when it is crossed", () => {
  assert.equal(crossed(60_200, 59_950), 60_000);
  assert.equal(crossed(59_950, 59_700), null);
  assert.equal(crossed(300_000, 290_000), null);
});

test("a far opening is told in days, hours, minutes and seconds", () => {
  assert.deepEqual(parts(((2 * 24 + 3) * 3600 + 4 * 60 + 5) * 1000), { days: 2, hours: 3, minutes: 4, seconds: 5 });
});
