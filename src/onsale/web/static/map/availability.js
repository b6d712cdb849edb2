// Which seats are free: decoding the binary answer, keeping the newest, and asking again at a pace that is
// kind to the server and stops while nobody looks.

export const FREE = 0;
export const HELD = 1;
export const SOLD = 2;
export const CLOSED = 3;

/** Seconds matter on a hot map, but ten million viewers ask: two is the pace the server is built for. */
export const POLL_MS = 2000;
const POLL_JITTER = 0.2;
const BACKOFF_MAX_MS = 30_000;
const HEAD_BYTES = 12;

/** The four statuses packed in each possible byte, so that unpacking is a look-up. */
const UNPACKED = Uint8Array.from({ length: 1024 }, (_, i) => ((i >> 2) >> (2 * (i & 3))) & 3);

/** ArrayBuffer -> {version, seats, status: Uint8Array}. Throws RangeError when the bytes do not fit the head. */
export function decode(buffer) {
  if (buffer.byteLength < HEAD_BYTES) throw new RangeError("availability is too short");
  const head = new DataView(buffer);
  const version = Number(head.getBigUint64(0));
  const seats = head.getUint32(8);
  const packed = new Uint8Array(buffer, HEAD_BYTES);
  if (packed.length < Math.ceil(seats / 4)) throw new RangeError(`availability of ${seats} seats has only ${packed.length} bytes`);
  const status = new Uint8Array(seats);
  for (let seat = 0; seat < seats; seat += 1) status[seat] = UNPACKED[(packed[seat >> 2] << 2) | (seat & 3)];
  return { version, seats, status };
}

/** The status of every seat as last heard; it only moves forward. */
export class Seats {
  constructor(chart) {
    this.chart = chart;
    this.version = -1;
    this.status = new Uint8Array(chart.seats).fill(CLOSED);
    this.freeIn = new Uint32Array(chart.sections.length);
  }

  /** Takes a snapshot in; answers the seats that changed (empty when it was older than what we know). */
  apply(snapshot) {
    if (snapshot.version < this.version || snapshot.seats !== this.chart.seats) return [];
    const changed = [];
    for (let seat = 0; seat < snapshot.seats; seat += 1) {
      if (snapshot.status[seat] !== this.status[seat]) changed.push(seat);
    }
    this.version = snapshot.version;
    for (const seat of changed) this.set(seat, snapshot.status[seat]);
    return changed;
  }

  /** One seat, as told by an answer to this browser, before the next snapshot says so too. */
  set(seat, status) {
    const section = this.chart.sectionOf[seat];
    this.freeIn[section] += (status === FREE) - (this.status[seat] === FREE);
    this.status[seat] = status;
  }

  isFree(seat) {
    return this.status[seat] === FREE;
  }
}

/** The pause after `failures` failed asks in a row; `chance` is 0..1. `askedMs` is the server's own wish. */
export function pauseMs(failures, chance, askedMs = 0) {
  const base = Math.min(BACKOFF_MAX_MS, POLL_MS * 2 ** failures);
  const spread = failures === 0 ? POLL_JITTER : 0.5;
  return Math.max(askedMs, base * (1 + spread * (2 * chance - 1)));
}

/** Asks for availability again and again. Everything from outside is passed in, so that a test can run it. */
export class Poller {
  constructor(url, { fetcher, later = setTimeout, cancel = clearTimeout, chance = Math.random, onSnapshot, onState = () => {} }) {
    Object.assign(this, { url, fetcher, later, cancel, chance, onSnapshot, onState });
    this.etag = null;
    this.failures = 0;
    this.timer = null;
    this.asking = null;
    this.paused = false;
  }

  pause() {
    this.paused = true;
    this.cancel(this.timer);
    this.timer = null;
  }

  resume() {
    if (!this.paused) return;
    this.paused = false;
    this.ask();
  }

  /** Asks now, unless an answer is on its way; then the next ask is planned. */
  ask() {
    this.asking ??= this.askOnce().finally(() => { this.asking = null; });
    return this.asking;
  }

  async askOnce() {
    this.cancel(this.timer);
    let askedMs = 0;
    try {
      const answer = await this.fetcher(this.url, { headers: this.etag ? { "If-None-Match": this.etag } : {}, credentials: "same-origin", cache: "no-store" });
      askedMs = 1000 * Number(answer.headers.get("Retry-After") || 0);
      if (answer.status !== 304) await this.take(answer);
      this.failures = 0;
      this.onState("live");
    } catch (error) {
      this.failures += 1;
      this.onState("late", error);
    }
    if (!this.paused) this.timer = this.later(() => this.ask(), pauseMs(this.failures, this.chance(), askedMs));
  }

  async take(answer) {
    if (!answer.ok) throw new Error(`availability answered ${answer.status}`);
    const snapshot = decode(await answer.arrayBuffer());
    this.etag = answer.headers.get("ETag");
    this.onSnapshot(snapshot);
  }
}
