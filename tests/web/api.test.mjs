import assert from "node:assert/strict";
import test from "node:test";
import { Api, Problem, newIntent } from "../../src/onsale/web/static/shared/api.js";

function server(...answers) {
  const asked = [];
  const fetcher = async (path, options) => {
    asked.push({ path, ...options });
    const next = answers.shift();
    if (next instanceof Error) throw next;
    const type = next.status >= 400 ? "application/problem+json" : "application/json";
    return new Response(next.status === 204 ? null : JSON.stringify(next.body ?? {}), { status: next.status, headers: { "Content-Type": type, ...next.headers } });
  };
  return { asked, api: new Api({ fetcher, pause: async () => {} }) };
}

test("a refusal becomes a Problem with its code and extras", async () => {
  const { api } = server({ status: 409, body: { code: "seats_taken", title: "Seats taken", detail: "Too late.", taken: [12] } });
  await assert.rejects(api.post("/holds", { seats: [12] }), (problem) => problem instanceof Problem && problem.code === "seats_taken" && problem.extra.taken[0] === 12);
});

test("a missing session is started once and the request repeated under the same key", async () => {
  const { api, asked } = server({ status: 401, body: { code: "session_required" } }, { status: 201 }, { status: 201, body: { id: "hld_1" } });
  const { data } = await api.post("/holds", { seats: [1] });
  assert.equal(data.id, "hld_1");
  assert.deepEqual(asked.map((each) => each.path), ["/holds", "/api/v1/session", "/holds"]);
  assert.equal(asked[0].headers["Idempotency-Key"], asked[2].headers["Idempotency-Key"]);
});

test("two requests without a session start only one", async () => {
  const refusal = () => ({ status: 401, body: { code: "session_required" } });
  const { api, asked } = server(refusal(), refusal(), { status: 201 }, { status: 200 }, { status: 200 });
  await Promise.all([api.get("/a"), api.get("/b")]);
  assert.equal(asked.filter((each) => each.path === "/api/v1/session").length, 1);
});

test("a session that is refused again is not tried for ever", async () => {
  const refusal = { status: 401, body: { code: "session_required" } };
  const { api, asked } = server(refusal, { status: 201 }, refusal);
  await assert.rejects(api.get("/a"));
  assert.equal(asked.length, 3);
});

test("no answer is tried again under the same key, then told as offline", async () => {
  const { api, asked } = server(new Error("x"), new Error("x"), new Error("x"));
  await assert.rejects(api.post("/holds", {}), (problem) => problem.offline && problem.code === "offline");
  assert.equal(asked.length, 3);
  assert.equal(new Set(asked.map((each) => each.headers["Idempotency-Key"])).size, 1);
});

test("503 is tried again, a refusal is not", async () => {
  const busy = server({ status: 503, headers: { "Retry-After": "1" } }, { status: 200, body: { ok: true } });
  assert.deepEqual((await busy.api.get("/a")).data, { ok: true });
  const refused = server({ status: 402, body: { code: "payment_declined" } });
  await assert.rejects(refused.api.post("/pay"));
  assert.equal(refused.asked.length, 1);
});

test("an answer without a body is fine", async () => {
  const { api } = server({ status: 204 });
  assert.equal((await api.delete("/holds/1")).status, 204);
});

test("the secret of an order travels in its header", async () => {
  let seen;
  const api = new Api({ secret: "s", fetcher: async (_, options) => { seen = options.headers; return new Response("{}", { status: 200 }); } });
  await api.get("/orders/1");
  assert.equal(seen["Onsale-Order-Secret"], "s");
});

test("every intent has its own key", () => {
  assert.notEqual(newIntent(), newIntent());
});

test("a session that has ended is replaced like one that is missing", async () => {
  const { api, asked } = server({ status: 401, body: { code: "invalid_session" } }, { status: 201 }, { status: 200 });
  await api.get("/a");
  assert.deepEqual(asked.map((each) => each.path), ["/a", "/api/v1/session", "/a"]);
});
