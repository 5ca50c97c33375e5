// The images of some seeds to choose from, in whichever dialog is open, and the way to earlier and later ones.
import { Addresses, h } from "./dom.js";
import { send } from "./net.js";
import { on } from "./store.js";

const COUNT = 14;
const urls = new Addresses();

export const firstOf = (seed) => Math.floor(seed / COUNT) * COUNT;

// `page.first` is the first seed; `attributes` returns those of a seed's button.
export function seedChoice(page, show, attributes) {
  const turn = (by) => () => { page.first = Math.max(0, page.first + by); show(); };
  const card = (seed) => h("button", { type: "button", className: "seed", ...attributes(seed) },
    h("img", { alt: "", src: "data:,", "data-seed-image": seed }), h("span", {}, String(seed)));
  return [
    h("div", { className: "seeds" }, Array.from({ length: COUNT }, (_, i) => card(page.first + i))),
    h("div", { className: "row" }, h("button", { type: "button", className: "plain", disabled: page.first === 0, onclick: turn(-COUNT) }, "Earlier"),
      h("button", { type: "button", className: "plain", onclick: turn(COUNT) }, "Later")),
  ];
}

export function askSeeds({ first, truncation, keep = false }) {
  urls.clear();
  send("neighbors", { first, count: COUNT, truncation, keep });
}

on("frame:neighbor", (header, bitmap, bytes) => {
  const image = document.querySelector(`dialog[open] [data-seed-image="${header.seed}"]`);
  if (image) image.src = urls.show(header.seed, bytes);
});
