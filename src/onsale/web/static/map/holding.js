// Asking the server to keep seats, and what to tell when it cannot. The server alone says yes.
import { newIntent } from "../shared/api.js";
import { FREE, HELD } from "./availability.js";
import { words } from "./chart.js";

export class Holding {
  constructor(api, shop, problems) {
    Object.assign(this, { api, shop, problems });
    this.path = `/api/v1/events/${shop.event.id}/holds`;
    this.last = { text: "", intent: "" };
  }

  /** A refresh, or coming back after an hour on the train, finds the seats again. */
  async restore() {
    const { data } = await this.api.get(`${this.path}/mine`);
    const live = data.items.find((hold) => hold.status === "held");
    if (live) this.shop.setHold(live);
    return Boolean(live);
  }

  async picks() {
    const seats = this.shop.picks.list();
    return this.ask({ seats }, (problem) => this.refusedPicks(problem, seats.length));
  }

  async best(quantity, tier) {
    const best = tier === null ? { quantity } : { quantity, tier };
    return this.ask({ best }, (problem) => this.refusedBest(problem, quantity, tier));
  }

  /** Answers whether seats are kept now. */
  async ask(body, refused) {
    this.problems.hide();
    this.shop.asking = true;
    try {
      const { data } = await this.api.post(this.path, body, this.intentOf(body));
      this.last = { text: "", intent: "" };
      this.free(this.shop.held);
      this.shop.picks.clear();
      for (const seat of data.seats) this.shop.seats.set(seat.seat_no, HELD);
      this.shop.setHold(data);
      return true;
    } catch (problem) {
      if (!problem.offline) this.last = { text: "", intent: "" };
      if (problem.code === undefined) throw problem;
      this.shop.asking = false;
      refused(problem);
      return false;
    } finally {
      this.shop.asking = false;
    }
  }

  /** The same question, asked again because no answer came, keeps its key: it may have been granted. */
  intentOf(body) {
    const text = JSON.stringify(body);
    if (this.last.text !== text) this.last = { text, intent: newIntent() };
    return this.last.intent;
  }

  refusedPicks(problem, wanted) {
    if (problem.code !== "seats_taken") return this.tell(problem);
    const taken = problem.extra.taken || [];
    for (const seat of taken) if (this.shop.seats.isFree(seat)) this.shop.seats.set(seat, HELD);
    const lost = this.shop.picks.drop(taken);
    this.shop.showLost(lost);
    const names = lost.map((seat) => words(this.shop.place(seat))).join("; ");
    const left = this.shop.picks.size;
    const kept = left === 0 ? "" : ` Your other ${left === 1 ? "pick is" : `${left} picks are`} still chosen.`;
    this.problems.show(
      lost.length === 1 ? "Somebody was a moment faster." : "Somebody was a moment faster with some of them.",
      `Taken: ${names || "seats you picked"}.${kept}`,
      [[wanted === 1 ? "Find me the best seat" : `Find the best ${wanted} together`, () => this.best(wanted, this.shop.only)]],
    );
    this.shop.changed("picks");
  }

  refusedBest(problem, quantity, tier) {
    if (problem.code !== "no_seats_together") return this.tell(problem);
    const ways = [];
    if (tier !== null) ways.push(["Look at every price", () => { this.shop.showOnly(null); this.best(quantity, null); }]);
    if (quantity > 1) ways.push([quantity === 2 ? "Find 1 seat" : `Find ${quantity - 1} together`, () => this.best(quantity - 1, tier)]);
    const what = quantity === 1 ? "no free seat" : `no ${quantity} free seats beside each other`;
    this.problems.show("Not together, just now.", `There are ${what}${tier === null ? "" : " at this price"} at this moment. Seats come back when somebody does not finish paying.`, ways);
  }

  tell(problem) {
    const ways = problem.code === "account_required" ? [["Sign in", () => location.assign("/sign-in")]] : [];
    this.problems.show(problem.title || "That did not work.", problem.message, ways);
  }

  async release() {
    const { held, hold } = this.shop;
    await this.api.delete(`/api/v1/holds/${hold.id}`);
    this.free(held);
    this.shop.setHold(null);
  }

  /** Shows seats as free before the next snapshot says so; it has the last word. */
  free(seats) {
    for (const seat of seats) this.shop.seats.set(seat, FREE);
  }

  async extend() {
    const { data } = await this.api.post(`/api/v1/holds/${this.shop.hold.id}/extension`);
    this.shop.setHold(data);
  }

  /** At zero the server is asked once more: seats that nobody else took may still be ours. */
  async checkEnd() {
    const { data } = await this.api.get(`/api/v1/holds/${this.shop.hold.id}`).catch(() => ({ data: null }));
    if (data && data.status === "held" && Date.parse(data.expires_at) > Date.parse(data.now)) {
      this.shop.setHold(data);
      return;
    }
    this.shop.setHold(null);
    this.problems.show("Your time ran out.", "The seats were let go, and nothing was charged. They may still be free: you can choose again.");
  }

  async order(email) {
    const { data } = await this.api.post("/api/v1/orders", { holds: [this.shop.hold.id], email, phone: null });
    return data;
  }
}
