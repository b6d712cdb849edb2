// Countdowns against the clock of the server: the clock of a phone may be minutes off, and a wrong
// "2:00 left" is a broken promise.

/** Below this the words change and the page says so aloud: a minute is enough to finish typing. */
export const URGENT_MS = 60_000;

/** Moments (ms left) that are read out; reading every second would drown a screen reader. */
export const SAID_AT_MS = [240_000, 180_000, 120_000, 60_000, 30_000, 10_000];

/** The server's clock minus ours in ms, from a `now` it just sent. Its travel time is not corrected: it
 *  makes us a little early, which is the kind side. Unreadable text gives 0. */
export function skew(serverNow, localMs) {
  const at = Date.parse(serverNow);
  return Number.isFinite(at) ? at - localMs : 0;
}

/** Milliseconds left until `deadline` (ISO text or ms), never negative. */
export function remaining(deadline, localMs, skewMs = 0) {
  const at = typeof deadline === "number" ? deadline : Date.parse(deadline);
  return Math.max(0, at - (localMs + skewMs));
}

/** 247000 -> "4:07". Rounded up, so that "0:00" is shown only when it is over. */
export function clock(ms) {
  const seconds = Math.ceil(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** What is read out: whole minutes while there are any, then seconds. */
export function spoken(ms) {
  const seconds = Math.ceil(ms / 1000);
  if (seconds <= 0) return "The time has run out.";
  if (seconds < 60) return `${seconds} seconds left.`;
  const minutes = Math.round(seconds / 60);
  return minutes === 1 ? "One minute left." : `${minutes} minutes left.`;
}

/** The moment of SAID_AT_MS that was crossed between two looks at the clock, or null. */
export function crossed(beforeMs, afterMs) {
  for (const mark of SAID_AT_MS) if (beforeMs > mark && afterMs <= mark) return mark;
  return null;
}

/** {days, hours, minutes, seconds} of a length of time, for an opening that may be far away. */
export function parts(ms) {
  const seconds = Math.ceil(ms / 1000);
  return {
    days: Math.floor(seconds / 86400),
    hours: Math.floor(seconds / 3600) % 24,
    minutes: Math.floor(seconds / 60) % 60,
    seconds: seconds % 60,
  };
}

/** Runs one timer of the page (the `timer` macro of _pieces.html). */
export class Countdown {
  constructor(element, said, { onUrgent = () => {}, onEnd = () => {} } = {}) {
    this.element = element;
    this.said = said;
    this.onUrgent = onUrgent;
    this.onEnd = onEnd;
    this.words = element.querySelector("[data-words]").textContent;
    this.timer = null;
  }

  /** Counts down to `deadline`; `now` is the server's clock of this very moment, `wholeMs` what a full bar means. */
  start(deadline, now, wholeMs = 0) {
    this.stop();
    this.skewMs = skew(now, Date.now());
    this.deadline = Date.parse(deadline);
    this.left = remaining(this.deadline, Date.now(), this.skewMs);
    this.whole = Math.max(this.left, wholeMs, 1);
    this.urgentSaid = false;
    this.timer = setInterval(() => this.tick(), 250);
    this.tick();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
  }

  tick() {
    const before = this.left;
    this.left = remaining(this.deadline, Date.now(), this.skewMs);
    this.show();
    if (crossed(before, this.left) !== null) this.said.textContent = spoken(this.left);
    if (this.left <= URGENT_MS && !this.urgentSaid) {
      this.urgentSaid = true;
      this.onUrgent();
    }
    if (this.left === 0) {
      this.stop();
      this.onEnd();
    }
  }

  show() {
    const urgent = this.left <= URGENT_MS;
    this.element.dataset.urgent = String(urgent);
    this.element.querySelector("[data-clock]").textContent = clock(this.left);
    this.element.querySelector("[data-words]").textContent = urgent ? "left: less than a minute" : this.words;
    this.element.querySelector("[data-bar]").style.transform = `scaleX(${Math.min(1, this.left / this.whole)})`;
  }
}
