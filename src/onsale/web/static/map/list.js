// The same seats without a picture: section, row, seats as real checkboxes. Made for screen readers and
// keyboards, and for everyone who would rather read.
import { format } from "../shared/money.js";
import { element, icon, say, stepper } from "../shared/page.js";
import { sectionWords, words } from "./chart.js";
import { seatMarks } from "./choose.js";
import { TOO_MANY } from "./picks.js";

export class SeatList {
  constructor(box, shop, tell) {
    Object.assign(this, { box, shop, tell, built: false, boxes: new Map() });
    shop.watch((what) => { if (this.built && !box.hidden) this.update(what); });
  }

  /** Built when first wanted: most never open it. */
  open() {
    if (!this.built) this.build();
    this.built = true;
    this.sections();
    this.rows();
  }

  build() {
    this.section = element("select", { class: "input", "data-testid": "list-section" });
    this.row = element("select", { class: "input", "data-testid": "list-row" });
    this.rowField = element("label", { class: "field" }, element("span", {}, "Row"), this.row);
    this.seats = element("fieldset");
    this.section.addEventListener("change", () => this.rows());
    this.row.addEventListener("change", () => this.seatBoxes());
    this.box.replaceChildren(
      element("h3", {}, "Choose from a list"),
      element("p", { class: "small soft" }, "Choose a section and a row, then tick the seats you would like."),
      element("div", { class: "list__choose" }, element("label", { class: "field" }, element("span", {}, "Section"), this.section), this.rowField),
      this.seats,
    );
  }

  update(what) {
    if (what === "only") return this.open();
    for (const [seat, input] of this.boxes) {
      input.checked = this.shop.isMine(seat);
      input.disabled = this.shop.held.has(seat) || (!input.checked && !this.shop.seats.isFree(seat));
    }
    if (what === "seats") this.counts();
  }

  sections() {
    const before = this.section.value;
    const groups = this.shop.tiers.filter((tier) => this.shop.only === null || tier.id === this.shop.only).map((tier) => {
      const own = this.shop.chart.sections.filter((section) => this.shop.tierOf(section) === tier);
      const options = own.map((section) => element("option", { value: section.index }, this.sectionWords(section)));
      return element("optgroup", { label: `${tier.name}, ${format(tier.price)}` }, ...options);
    });
    this.section.replaceChildren(...groups);
    if ([...this.section.options].some((option) => option.value === before)) this.section.value = before;
    else this.section.value = [...this.section.options].find((option) => this.shop.seats.freeIn[option.value] > 0)?.value ?? this.section.value;
  }

  sectionWords(section) {
    const free = this.shop.seats.freeIn[section.index];
    return `${section.name}: ${free ? `${free.toLocaleString("en")} free` : "none free"}`;
  }

  /** Fresh numbers in the words only: rebuilding a list under somebody's finger would lose their place. */
  counts() {
    for (const option of this.section.options) option.textContent = this.sectionWords(this.shop.chart.sections[option.value]);
    for (const option of this.row.options) option.textContent = this.rowWords(this.shop.chart.rows[option.value]);
  }

  rows() {
    const section = this.shop.chart.sections[this.section.value];
    this.rowField.hidden = !section || section.standing;
    if (!section) return this.seats.replaceChildren();
    if (section.standing) return this.standing(section);
    const before = this.row.value;
    const rows = this.shop.chart.rows.slice(...section.rows);
    this.row.replaceChildren(...rows.map((row, i) => element("option", { value: section.rows[0] + i }, this.rowWords(row))));
    const wanted = [...this.row.options].find((option) => option.value === before) || [...this.row.options].find((_, i) => this.freeInRow(rows[i]) > 0);
    if (wanted) this.row.value = wanted.value;
    this.seatBoxes();
  }

  freeInRow(row) {
    let free = 0;
    for (let seat = row.first; seat < row.first + row.count; seat += 1) free += this.shop.seats.isFree(seat);
    return free;
  }

  rowWords(row) {
    const free = this.freeInRow(row);
    return `Row ${row.name}: ${free || "none"} free`;
  }

  seatBoxes() {
    const row = this.shop.chart.rows[this.row.value];
    const section = this.shop.chart.sections[row.section];
    this.boxes.clear();
    const ticks = [];
    for (let seat = row.first; seat < row.first + row.count; seat += 1) ticks.push(this.tick(seat));
    const price = this.shop.priceOf(row.first);
    this.seats.replaceChildren(
      element("legend", {}, `${sectionWords(section.name)}, row ${row.name}${price ? `: ${format(price)} each, all-in` : ""}`),
      element("div", { class: "list__seats" }, ...ticks),
    );
    this.update("picks");
  }

  tick(seat) {
    const input = element("input", { type: "checkbox", "data-seat": seat });
    const marks = seatMarks(this.shop, seat);
    this.boxes.set(seat, input);
    input.addEventListener("change", () => {
      const result = this.shop.picks.toggle(seat);
      if (result === TOO_MANY) this.tell("That is the most at one time", `You can choose up to ${this.shop.picks.max} seats. Untick one to choose another.`);
      else say(`${words(this.shop.place(seat))} ${this.shop.picks.has(seat) ? "picked" : "removed"}.`);
      this.shop.changed("picks");
    });
    const about = marks.length ? element("small", {}, marks.join(", ")) : null;
    return element("label", { class: "tick" }, input, element("span", {}, `Seat ${this.shop.place(seat).seat}`, about));
  }

  standing(section) {
    this.boxes.clear();
    const { picks, seats } = this.shop;
    const had = picks.countIn(section.first, section.count);
    const most = Math.min(picks.max - picks.size + had, had + seats.freeIn[section.index]);
    const field = element("input", { type: "number", min: 0, max: most, value: had, inputmode: "numeric", "aria-label": `How many places in ${section.name}` });
    const root = element("div", { class: "stepper" },
      element("button", { type: "button", "data-step": "-1", "aria-label": "One fewer" }, icon("minus")), field,
      element("button", { type: "button", "data-step": "1", "aria-label": "One more" }, icon("plus")));
    this.seats.replaceChildren(element("legend", {}, `${section.name}, standing: how many places?`), root);
    let ready = false;
    stepper(root, (wanted) => {
      if (!ready) return;
      picks.setCount(section.first, section.count, wanted);
      this.shop.changed("picks");
    });
    ready = true;
  }
}
