import assert from "node:assert/strict";
import test from "node:test";
import { CLOSED, FREE, HELD, POLL_MS, Poller, Seats, SOLD, decode, pauseMs } from "../../src/onsale/web/static/map/availability.js";
import { decode as decodeChart } from "../../src/onsale/web/static/map/chart.js";
import { packed, smallChart } from "./charts.mjs";

const chart = decodeChart(smallChart());
const statuses = Array.from({ length: 18 }, (_, seat) => seat % 4);

test("two bits a seat, the lowest two of the first byte first", () => {
  const { version, seats, status } = decode(packed(7, statuses));
  assert.equal(version, 7);
  assert.equal(seats, 18);
  assert.deepEqual([...status], statuses);
  assert.deepEqual([...status.slice(0, 4)], [FREE, HELD, SOLD, CLOSED]);
});

test("an answer that is too short is refused", () => {
  assert.throws(() => decode(new ArrayBuffer(5)), RangeError);
  assert.throws(() => decode(packed(1, statuses).slice(0, 14)), RangeError);
});

test("a newer snapshot tells which seats changed and keeps the free counts", () => {
  const seats = new Seats(chart);
  assert.equal(seats.apply(decode(packed(1, new Array(18).fill(FREE)))).length, 18);
  assert.deepEqual([...seats.freeIn], [5, 3, 10]);
  const next = new Array(18).fill(FREE);
  next[6] = SOLD;
  assert.deepEqual(seats.apply(decode(packed(2, next))), [6]);
  assert.deepEqual([...seats.freeIn], [5, 2, 10]);
});

test("an older snapshot changes nothing", () => {
  const seats = new Seats(chart);
  seats.apply(decode(packed(5, statuses)));
  assert.deepEqual(seats.apply(decode(packed(4, new Array(18).fill(FREE)))), []);
  assert.equal(seats.version, 5);
});

test("the pause is near two seconds, doubles on failures and has an end", () => {
  assert.equal(pauseMs(0, 0.5), POLL_MS);
  assert.ok(pauseMs(0, 0) >= POLL_MS * 0.8 && pauseMs(0, 1) <= POLL_MS * 1.2);
  assert.equal(pauseMs(2, 0.5), POLL_MS * 4);
  assert.ok(pauseMs(30, 1) <= 45_000);
});

test("the pause is never shorter than the server asked for", () => {
  assert.equal(pauseMs(0, 0.5, 9000), 9000);
});

function answers(...list) {
  const asked = [];
  const fetcher = async (url, options) => {
    asked.push(options.headers);
    const next = list.shift();
    if (next instanceof Error) throw next;
    return { ok: next.status === 200, headers: new Headers(next.headers), arrayBuffer: async () => next.body, ...next, headers: new Headers(next.headers) };
  };
  return { asked, fetcher };
}

function poller(fetcher, extra = {}) {
  const planned = [];
  const seen = [];
  const states = [];
  const made = new Poller("/availability", {
    fetcher, chance: () => 0.5, cancel: () => {}, later: (work, ms) => { planned.push({ work, ms }); return planned.length; },
    onSnapshot: (snapshot) => seen.push(snapshot.version), onState: (state) => states.push(state), ...extra,
  });
  return { made, planned, seen, states };
}

test("the second ask carries the tag of the first and 304 brings no snapshot", async () => {
  const { asked, fetcher } = answers({ status: 200, headers: { ETag: '"3"' }, body: packed(3, statuses) }, { status: 304 });
  const { made, planned, seen } = poller(fetcher);
  await made.ask();
  await planned[0].work();
  assert.deepEqual(asked, [{}, { "If-None-Match": '"3"' }]);
  assert.deepEqual(seen, [3]);
  assert.equal(planned[1].ms, POLL_MS);
});

test("failures are told and slow the asking down, the next success ends both", async () => {
  const { fetcher } = answers(new Error("away"), { status: 503, headers: { "Retry-After": "20" } }, { status: 200, headers: {}, body: packed(1, statuses) });
  const { made, planned, states } = poller(fetcher);
  await made.ask();
  await made.ask();
  await made.ask();
  assert.deepEqual(states, ["late", "late", "live"]);
  assert.equal(planned[0].ms, POLL_MS * 2);
  assert.equal(planned[1].ms, 20_000);
  assert.equal(planned[2].ms, POLL_MS);
});

test("a paused poller plans nothing and asks at once when resumed", async () => {
  const { asked, fetcher } = answers({ status: 304 }, { status: 304 });
  const { made, planned } = poller(fetcher);
  made.pause();
  await made.ask();
  assert.equal(planned.length, 0);
  made.resume();
  await made.asking;
  assert.equal(asked.length, 2);
  assert.equal(planned.length, 1);
});
