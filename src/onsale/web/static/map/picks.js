// What the fan has picked but not yet asked to be held. Pure: it knows no page and no network.

export const PICKED = "picked";
export const REMOVED = "removed";
export const TOO_MANY = "too_many";
export const NOT_FREE = "not_free";

export class Picks {
  /** max: seats in one hold; isFree(seat) and priceOf(seat) -> Money or null look into the map. */
  constructor({ max, isFree, priceOf }) {
    Object.assign(this, { max, isFree, priceOf });
    this.seats = new Set();
  }

  get size() {
    return this.seats.size;
  }

  has(seat) {
    return this.seats.has(seat);
  }

  list() {
    return [...this.seats].sort((a, b) => a - b);
  }

  /** Picks a seat or takes it back; the answer says what happened, a refusal changes nothing. */
  toggle(seat) {
    if (this.seats.delete(seat)) return REMOVED;
    if (!this.isFree(seat) || !this.priceOf(seat)) return NOT_FREE;
    if (this.seats.size >= this.max) return TOO_MANY;
    this.seats.add(seat);
    return PICKED;
  }

  /** How many of a range of seat numbers are picked: the places of a standing area. */
  countIn(first, count) {
    let picked = 0;
    for (const seat of this.seats) picked += seat >= first && seat < first + count;
    return picked;
  }

  /**
   * Makes `wanted` places of a standing area picked. All places there are alike, so they are chosen by chance:
   * if every browser took the lowest free number, all would fight for the same place.
   * Answers how many are picked there now; fewer than wanted when the area or the limit has no more.
   */
  setCount(first, count, wanted, chance = Math.random) {
    for (const seat of this.list()) {
      if (this.countIn(first, count) <= wanted) break;
      if (seat >= first && seat < first + count) this.seats.delete(seat);
    }
    const missing = Math.min(wanted - this.countIn(first, count), this.max - this.size);
    const start = Math.floor(chance() * count);
    for (let i = 0, taken = 0; i < count && taken < missing; i += 1) {
      const seat = first + ((start + i) % count);
      if (!this.has(seat) && this.isFree(seat)) taken += this.toggle(seat) === PICKED;
    }
    return this.countIn(first, count);
  }

  /** Drops seats that somebody else has taken; answers those that had been picked. */
  drop(seats) {
    return [...seats].filter((seat) => this.seats.delete(seat));
  }

  clear() {
    this.seats.clear();
  }

  prices() {
    return this.list().map((seat) => this.priceOf(seat));
  }
}
