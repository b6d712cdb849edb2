// What the page knows: the event, its chart, who is where, what is picked and held. Views subscribe to it and
// draw; controllers change it. There is no second copy of any of this.
import { label, tierOfSections } from "./chart.js";
import { Seats } from "./availability.js";
import { Picks } from "./picks.js";

/** Lost picks stay crossed out this long: enough to see them, not enough to be in the way. */
const LOST_SHOWN_MS = 8000;

export class Shop {
  constructor(event, chart) {
    this.event = event;
    this.chart = chart;
    this.tiers = event.tiers;
    this.tierOfSection = tierOfSections(chart, event.tiers);
    this.seats = new Seats(chart);
    this.picks = new Picks({ max: event.sale.seats_per_hold, isFree: (seat) => this.seats.isFree(seat), priceOf: (seat) => this.priceOf(seat) });
    this.hold = null;
    this.held = new Set();
    this.lost = new Set();
    this.only = null;
    this.asking = false;
    this.watchers = [];
  }

  /** watcher(what): "seats", "picks", "hold" or "only". */
  watch(watcher) {
    this.watchers.push(watcher);
  }

  changed(what) {
    for (const watcher of this.watchers) watcher(what);
  }

  /** The tier of a seat's section, or null where nothing is for sale. */
  tierOf(section) {
    return this.tiers[this.tierOfSection[section.index]] || null;
  }

  priceOf(seat) {
    const tier = this.tierOf(this.sectionOf(seat));
    return tier ? tier.price : null;
  }

  sectionOf(seat) {
    return this.chart.sections[this.chart.sectionOf[seat]];
  }

  place(seat) {
    return label(this.chart, seat);
  }

  isMine(seat) {
    return this.held.has(seat) || this.picks.has(seat);
  }

  freeOfTier(tier) {
    let free = 0;
    this.chart.sections.forEach((section, i) => { if (this.tierOf(section) === tier) free += this.seats.freeIn[i]; });
    return free;
  }

  /** Shows one tier alone, or all with null. */
  showOnly(tierId) {
    this.only = tierId;
    this.changed("only");
  }

  /** Picks that are no longer free, crossed out and dropped. While our own hold is being asked for, a snapshot
   *  may show our picks as held by us: then nothing is lost. */
  dropTaken() {
    const lost = this.asking ? [] : this.picks.drop(this.picks.list().filter((seat) => !this.seats.isFree(seat)));
    this.showLost(lost);
    return lost;
  }

  showLost(lost) {
    if (lost.length === 0) return;
    for (const seat of lost) this.lost.add(seat);
    setTimeout(() => {
      for (const seat of lost) this.lost.delete(seat);
      this.changed("seats");
    }, LOST_SHOWN_MS);
  }

  setHold(hold) {
    this.hold = hold;
    this.held = new Set(hold ? hold.seats.map((seat) => seat.seat_no) : []);
    this.picks.drop(this.held);
    this.changed("hold");
  }
}
