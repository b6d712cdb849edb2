// Building and filling parts of a page. Text is always set as text, never as markup.

export const byId = (id) => document.getElementById(id);

/** element("li", {class: "x"}, "text", child, ...) */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const icon = (name) => element("i", { class: `icon icon--${name}`, "aria-hidden": "true" });

/** Says something to a screen reader. Emptied first, so that the same words are said again. */
export function say(words, region = byId("said")) {
  region.textContent = "";
  setTimeout(() => { region.textContent = words; }, 40);
}

/** A button at work: it cannot be pressed twice and shows that something is happening. */
export function busy(button, on) {
  button.disabled = on;
  button.dataset.busy = String(on);
}

/** Plus and minus around a number field, within its min and max; tells `change` on every change. */
export function stepper(root, change = () => {}) {
  const field = root.querySelector("input");
  const buttons = [...root.querySelectorAll("[data-step]")];
  const settle = (wanted) => {
    const low = Number(field.min || 0);
    const high = field.max === "" ? Infinity : Number(field.max);
    const value = Math.min(high, Math.max(low, Math.round(wanted) || low));
    field.value = String(value);
    for (const button of buttons) button.disabled = button.dataset.step < 0 ? value <= low : value >= high;
    change(value);
    return value;
  };
  for (const button of buttons) {
    button.addEventListener("click", () => settle(Number(field.value) + Number(button.dataset.step)));
  }
  field.addEventListener("change", () => settle(Number(field.value)));
  settle(Number(field.value));
  return { set: settle, get value() { return Number(field.value); } };
}

/** The message box of the page (`problem_box` of _pieces.html). */
export class ProblemBox {
  constructor(box = byId("problem")) {
    this.box = box;
    box.querySelector("[data-close]").addEventListener("click", () => this.hide());
  }

  /** actions: [[words, function], ...]; pressing one also closes the box. */
  show(title, detail, actions = []) {
    this.box.querySelector("[data-title]").textContent = title;
    this.box.querySelector("[data-detail]").textContent = detail === title ? "" : detail;
    this.box.querySelector("[data-actions]").replaceChildren(...actions.map(([words, act]) => {
      const button = element("button", { type: "button", class: "btn" }, words);
      button.addEventListener("click", () => { this.hide(); act(); });
      return button;
    }));
    this.box.hidden = false;
  }

  hide() {
    this.box.hidden = true;
  }
}
