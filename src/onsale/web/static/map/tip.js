// The small dark label beside the pointer: where a seat is, what it costs, what is special about it.
import { format } from "../shared/money.js";
import { element } from "../shared/page.js";
import { sectionWords } from "./chart.js";
import { seatMarks, seatState } from "./choose.js";

const GAP_PX = 16;

export class Tip {
  constructor(box, shop) {
    this.box = box;
    this.shop = shop;
  }

  showSeat(seat, px, py) {
    const { section, row, seat: number } = this.shop.place(seat);
    const tier = this.shop.tierOf(this.shop.sectionOf(seat));
    const state = seatState(this.shop, seat);
    const lines = [tier && state !== "taken" ? `${tier.name}, ${format(tier.price)} all-in` : null, state === "free" ? null : sentence(state), ...seatMarks(this.shop, seat).map(sentence)];
    this.show(`${section} · Row ${row} · Seat ${number}`, lines, px, py);
  }

  showSection(section, px, py) {
    const tier = this.shop.tierOf(section);
    const free = this.shop.seats.freeIn[section.index];
    const what = section.standing ? "places" : "seats";
    const lines = [tier ? `${tier.name}, ${format(tier.price)} all-in` : "Not for sale", tier ? (free ? `${free.toLocaleString("en")} ${what} free` : `No ${what} free just now`) : null];
    this.show(section.standing ? `${section.name}, standing` : sectionWords(section.name), lines, px, py);
  }

  show(title, lines, px, py) {
    this.box.replaceChildren(element("b", {}, title), ...lines.filter(Boolean).map((line) => element("div", {}, line)));
    this.box.hidden = false;
    const { width, height } = this.box.getBoundingClientRect();
    const room = this.box.parentElement.getBoundingClientRect();
    const x = Math.max(8, Math.min(room.width - width - 8, px - width / 2));
    const above = py - height - GAP_PX;
    const y = above > 8 ? above : py + GAP_PX;
    this.box.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }

  hide() {
    this.box.hidden = true;
  }
}

const sentence = (words) => words[0].toUpperCase() + words.slice(1);
