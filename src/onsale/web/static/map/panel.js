// The bar of picks, the prices and the form for the best seats together.
import { format, sum } from "../shared/money.js";
import { busy, element, icon, stepper } from "../shared/page.js";

export class PicksBar {
  constructor(box, shop, holding) {
    Object.assign(this, { box, shop });
    this.button = box.querySelector("[data-hold]");
    this.button.addEventListener("click", async () => {
      busy(this.button, true);
      await holding.picks().finally(() => busy(this.button, false));
    });
    shop.watch((what) => { if (what !== "only") this.show(); });
  }

  show() {
    const { picks, hold } = this.shop;
    this.box.hidden = picks.size === 0;
    if (picks.size === 0) return;
    const many = picks.size === 1 ? "1 seat" : `${picks.size} seats`;
    this.box.querySelector("[data-sum]").textContent = `${many} · ${format(sum(picks.prices()))}`;
    this.box.querySelector("[data-about]").textContent = hold ? "all-in, instead of the seats you hold" : "all-in, nothing added later";
    this.button.textContent = hold ? "Hold these instead" : picks.size === 1 ? "Hold seat" : "Hold seats";
    this.box.querySelector("[data-seats]").replaceChildren(...picks.list().map((seat) => this.chip(seat)));
  }

  chip(seat) {
    const { section, row, seat: number } = this.shop.place(seat);
    const words = row ? `${section} · Row ${row} · ${number}` : `${section}, standing`;
    const button = element("button", { type: "button", "aria-label": `Remove ${words}` }, words, icon("cross"));
    button.addEventListener("click", () => {
      this.shop.picks.toggle(seat);
      this.shop.changed("picks");
    });
    return button;
  }
}

/** The legend is also a filter: one price at a time, or all. */
export class Tiers {
  constructor(box, shop) {
    this.shop = shop;
    this.buttons = [...box.querySelectorAll("[data-tier]")];
    for (const button of this.buttons) {
      const id = Number(button.dataset.tier);
      button.addEventListener("click", () => shop.showOnly(shop.only === id ? null : id));
    }
    shop.watch((what) => { if (what === "only" || what === "seats") this.show(); });
  }

  show() {
    for (const button of this.buttons) {
      const tier = this.shop.tiers.find((each) => each.id === Number(button.dataset.tier));
      const free = this.shop.freeOfTier(tier);
      button.setAttribute("aria-pressed", String(this.shop.only === tier.id));
      button.querySelector("[data-free]").textContent = free ? `${free.toLocaleString("en")} free` : "none free just now";
    }
  }
}

export class BestForm {
  constructor(form, shop, holding) {
    this.shop = shop;
    this.words = form.querySelector("[data-words]");
    this.stepper = stepper(form.querySelector("[data-stepper]"), (quantity) => this.show(quantity));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("[type=submit]");
      busy(button, true);
      await holding.best(this.stepper.value, shop.only).finally(() => busy(button, false));
    });
    shop.watch((what) => { if (what === "only") this.show(this.stepper.value); });
  }

  show(quantity) {
    const tier = this.shop.tiers.find((each) => each.id === this.shop.only);
    const what = quantity === 1 ? "Find the best seat" : `Find the best ${quantity} seats`;
    this.words.textContent = tier ? `${what}: ${tier.name}` : what;
  }
}
