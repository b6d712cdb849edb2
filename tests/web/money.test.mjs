import assert from "node:assert/strict";
import test from "node:test";
import { format, minorDigits, sum } from "../../src/onsale/web/static/shared/money.js";

test("money is shown with the digits of its currency", () => {
  assert.equal(format({ amount: 21000, currency: "EUR" }), "€210.00");
  assert.equal(format({ amount: 1234567, currency: "EUR" }), "€12,345.67");
  assert.equal(format({ amount: 5000, currency: "JPY" }), "¥5,000");
  assert.equal(minorDigits("KWD"), 3);
});

test("a sum is whole minor units of one currency", () => {
  assert.deepEqual(sum([{ amount: 10, currency: "EUR" }, { amount: 20, currency: "EUR" }]), { amount: 30, currency: "EUR" });
  assert.equal(sum([]), null);
  assert.throws(() => sum([{ amount: 1, currency: "EUR" }, { amount: 1, currency: "USD" }]), /USD/);
});
