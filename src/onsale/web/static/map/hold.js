// The panel of seats that are kept: how long, how much, and the way to payment.
import { Countdown } from "../shared/countdown.js";
import { format } from "../shared/money.js";
import { busy, byId, element, say } from "../shared/page.js";
import { sectionWords } from "./chart.js";

/** An address worth trying; the server and the mail itself decide about the rest. */
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

export class HoldPanel {
  constructor(box, shop, holding, problems) {
    Object.assign(this, { box, shop, holding, problems });
    this.find = (what) => box.querySelector(what);
    this.countdown = new Countdown(this.find(".timer"), this.find("#hold-timer-said"), {
      onUrgent: () => this.offerTime(), onEnd: () => holding.checkEnd(),
    });
    this.find("[data-order]").addEventListener("submit", (event) => this.submit(event));
    this.find("[data-release]").addEventListener("click", (event) => this.release(event.target));
    this.find("[data-longer]").addEventListener("click", (event) => this.longer(event.target));
    this.find("[data-fold]").addEventListener("click", () => this.fold(this.box.dataset.folded !== "true"));
    shop.watch((what) => { if (what === "hold") this.show(); });
  }

  show() {
    const { hold } = this.shop;
    this.countdown.stop();
    const appeared = this.box.hidden && hold !== null;
    this.box.hidden = hold === null;
    if (hold === null) return;
    this.find("#hold-title").textContent = hold.seats.length === 1 ? "This seat is yours for now" : `These ${hold.seats.length} seats are yours for now`;
    this.find("[data-seats]").replaceChildren(...hold.seats.map((seat) => this.line(seat)));
    this.find("[data-total]").textContent = format(hold.total);
    this.find("[data-longer]").hidden = true;
    this.countdown.start(hold.expires_at, hold.now, 1000 * this.shop.event.sale.hold_s);
    if (!appeared) return;
    this.fold(false);
    this.box.focus({ preventScroll: true });
    this.box.scrollIntoView({ block: "nearest" });
    say(`${hold.seats.length} seats are kept for you. Total ${format(hold.total)}, all-in.`);
  }

  line(seat) {
    const where = sectionWords(seat.section);
    const exact = seat.row ? `Row ${seat.row}, seat ${seat.seat}` : `Place ${seat.seat}`;
    return element("li", {}, element("span", {}, where, element("small", {}, exact)), element("span", {}, format(seat.price)));
  }

  /** On a phone the sheet folds down to its clock, to give the map back. */
  fold(folded) {
    this.box.dataset.folded = String(folded);
    const button = this.find("[data-fold]");
    button.textContent = folded ? "Continue" : "Show map";
    button.setAttribute("aria-expanded", String(!folded));
    if (folded) byId("map").scrollIntoView({ block: "start" });
  }

  offerTime() {
    const { hold } = this.shop;
    this.find("[data-longer]").hidden = !hold.max_until || Date.parse(hold.max_until) <= Date.parse(hold.expires_at);
  }

  async longer(button) {
    await this.during(button, () => this.holding.extend(), "More time is not possible for these seats.");
  }

  async release(button) {
    await this.during(button, () => this.holding.release(), "We could not let go of the seats. They are let go by themselves when the time ends.");
    if (!this.shop.hold) say("The seats are free again.");
  }

  async submit(event) {
    event.preventDefault();
    const email = this.find("#email").value.trim();
    const wrong = EMAIL.test(email) ? "" : email ? "This does not look like an e-mail address yet." : "Please give an e-mail address: your tickets are sent there.";
    this.find("#email").setAttribute("aria-invalid", String(wrong !== ""));
    this.find("[data-wrong]").textContent = wrong;
    this.find("[data-wrong]").hidden = wrong === "";
    if (wrong) {
      this.find("#email").focus();
      return;
    }
    await this.during(event.target.querySelector("[type=submit]"), async () => {
      const order = await this.holding.order(email);
      const key = order.secret ? `?secret=${encodeURIComponent(order.secret)}` : "";
      location.assign(`/orders/${encodeURIComponent(order.id)}${key}`);
      // The button stays busy until the next page is there.
      await new Promise(() => {});
    }, "We could not begin the payment.");
  }

  async during(button, work, otherwise) {
    this.problems.hide();
    busy(button, true);
    try {
      await work();
    } catch (problem) {
      this.problems.show(problem.title || otherwise, problem.message);
    } finally {
      busy(button, false);
    }
  }
}
