// Talking to onsale: JSON both ways, refusals as Problem, a guest session when one is needed, and one
// Idempotency-Key per intent so that a repeated request never does a thing twice.

/** Tries of one request: a phone that changes cells loses one or two, a server away loses all. */
const TRIES_MAX = 3;
const PAUSE_MS = 400;
const RETRY_AFTER_MAX_MS = 4000;
/** Refusals that a fresh guest session answers: there was none, or it has ended. */
const NO_SESSION = new Set(["session_required", "invalid_session"]);

/** A refusal or failure. `code` is stable; `offline` when no answer came at all; `extra` holds the rest. */
export class Problem extends Error {
  constructor(status, body = {}) {
    super(body.detail || body.title || "Something went wrong.");
    this.status = status;
    this.code = body.code || (status === 0 ? "offline" : "unknown");
    this.title = body.title || "";
    this.extra = body;
  }

  get offline() {
    return this.status === 0;
  }
}

/** A fresh key for one intent ("hold these seats"). Keep it while the same intent is repeated. */
export function newIntent() {
  if (globalThis.crypto.randomUUID) return globalThis.crypto.randomUUID();
  // Browsers hide randomUUID on pages without TLS, as on a phone that looks at a development machine.
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

export class Api {
  constructor({ fetcher = (...given) => fetch(...given), pause = wait, secret = "" } = {}) {
    this.fetcher = fetcher;
    this.pause = pause;
    this.secret = secret;
    this.starting = null;
  }

  get(path) {
    return this.request("GET", path);
  }

  post(path, body = {}, intent = newIntent()) {
    return this.request("POST", path, body, intent);
  }

  delete(path) {
    return this.request("DELETE", path);
  }

  /** -> {status, data}. Throws Problem. Starts a guest session once when the server wants one. */
  async request(method, path, body, intent) {
    try {
      return await this.persist(method, path, body, intent);
    } catch (problem) {
      if (!NO_SESSION.has(problem.code)) throw problem;
      await this.session();
      return this.persist(method, path, body, intent);
    }
  }

  /** A guest session; two requests that need one at once share it. */
  session() {
    this.starting ??= this.persist("POST", "/api/v1/session", {}, newIntent()).finally(() => {
      this.starting = null;
    });
    return this.starting;
  }

  /** Repeats what is safe to repeat: no answer, or 503. A POST is safe because it carries its key. */
  async persist(method, path, body, intent) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.once(method, path, body, intent);
      } catch (problem) {
        const passing = problem.offline || problem.status === 503;
        if (!passing || attempt >= TRIES_MAX) throw problem;
        const asked = Math.min(problem.retryAfterMs || 0, RETRY_AFTER_MAX_MS);
        await this.pause(Math.max(asked, PAUSE_MS * attempt * (0.5 + Math.random())));
      }
    }
  }

  async once(method, path, body, intent) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (intent) headers["Idempotency-Key"] = intent;
    if (this.secret) headers["Onsale-Order-Secret"] = this.secret;
    let answer;
    try {
      answer = await this.fetcher(path, {
        method, headers, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch {
      throw new Problem(0, { title: "No connection", detail: "We could not reach onsale. Please check your connection." });
    }
    return read(answer);
  }
}

async function read(answer) {
  const type = answer.headers.get("Content-Type") || "";
  const data = type.includes("json") ? await answer.json().catch(() => null) : null;
  if (answer.ok) return { status: answer.status, data, date: answer.headers.get("Date") };
  const problem = new Problem(answer.status, data || {});
  problem.retryAfterMs = 1000 * Number(answer.headers.get("Retry-After") || 0);
  throw problem;
}

function wait(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
