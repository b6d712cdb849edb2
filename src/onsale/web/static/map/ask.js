// A standing area has no seats to tap: it asks how many places.
import { format } from "../shared/money.js";
import { say, stepper } from "../shared/page.js";

export class Ask {
  constructor(box, shop) {
    this.box = box;
    this.shop = shop;
    this.stepper = stepper(box.querySelector("[data-stepper]"));
    this.field = box.querySelector("input");
    box.querySelector("[data-yes]").addEventListener("click", () => this.choose());
    box.querySelector("[data-no]").addEventListener("click", () => this.close());
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      if (event.key === "Enter" && event.target === this.field) this.choose();
    });
  }

  open(section) {
    const { picks, seats } = this.shop;
    const had = picks.countIn(section.first, section.count);
    this.section = section;
    this.before = document.activeElement;
    const most = Math.min(picks.max - picks.size + had, had + seats.freeIn[section.index]);
    this.box.querySelector("#ask-title").textContent = `${section.name}, standing`;
    this.box.querySelector("[data-about]").textContent = most > 0
      ? `${format(this.shop.tierOf(section).price)} each, all-in. ${seats.freeIn[section.index].toLocaleString("en")} places free. How many?`
      : "No places can be chosen here just now.";
    this.field.max = String(most);
    this.stepper.set(had || Math.min(1, most));
    this.box.hidden = false;
    this.field.focus({ preventScroll: true });
  }

  close() {
    this.box.hidden = true;
    this.before?.focus({ preventScroll: true });
  }

  choose() {
    const { first, count, name } = this.section;
    const got = this.shop.picks.setCount(first, count, this.stepper.value);
    say(got === 1 ? `One place in ${name} picked.` : `${got} places in ${name} picked.`);
    this.close();
    this.shop.changed("picks");
  }
}
