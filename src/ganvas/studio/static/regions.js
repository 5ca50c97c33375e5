// The panel's regions: a list, the named ones of the generator, and what can be done with the chosen one.
import { h, iconButton } from "./dom.js";
import { send } from "./net.js";
import { store } from "./store.js";

const words = (name) => name.replace("part:", "").replaceAll("_", " ");

export function regionsSection() {
  const { areas, chosen, named } = store.state;
  const taken = new Set(areas.map((area) => area.name));
  const label = (name) => (name.startsWith("part:") && named.includes(name.replace("part:", "")) ? `${words(name)} (found)` : words(name));
  const chips = named.filter((name) => !taken.has(label(name)));
  return h("section", { className: "section", id: "regions", "aria-label": "Regions" },
    h("header", {}, h("h2", {}, "Regions"), ...(chosen === null ? [] : tools())),
    areas.length ? h("div", { className: "list" }, areas.map((area) => item(area, area.number === chosen)))
      : h("p", { className: "hint" }, "Mark a part: pick one here, or draw on the image."),
    chips.length ? h("div", { className: "chips", id: "named" }, chips.map((name) => h("button", {
      type: "button", className: "chip", title: `Mark ${words(name)}`, onclick: () => send("region.draw", { how: "new", name: label(name), shape: { kind: "text", text: name } }),
    }, label(name)))) : null);
}

function tools() {
  const act = (name, content) => () => send(`region.${name}`, content);
  return [
    h("button", { type: "button", className: "small", title: "Shrink the region", onclick: act("grow", { radius: -0.015 }) }, "Shrink"),
    h("button", { type: "button", className: "small", title: "Grow the region", onclick: act("grow", { radius: 0.015 }) }, "Grow"),
    h("button", { type: "button", className: "small", title: "Soften the region's edge", onclick: act("feather", { radius: 0.03 }) }, "Feather"),
    iconButton("invert", "Invert the region", act("invert", {}), { className: "square small" }),
  ];
}

function item(area, chosen) {
  const choose = () => send("region.choose", { number: chosen ? null : area.number });
  const name = h("button", { type: "button", className: "name clip", onclick: choose, ondblclick: () => rename(name, area), title: "Choose; double-click to rename", "aria-pressed": String(chosen) }, words(area.name));
  return h("div", { className: `item ${chosen ? "on" : ""}`, "data-area": area.number }, name,
    h("div", { className: "acts" },
      h("button", { type: "button", className: "small", title: "Rename", onclick: () => rename(name, area) }, "Rename"),
      iconButton("trash", `Delete ${words(area.name)}`, () => send("region.delete", { number: area.number }), { className: "square small" })));
}

function rename(button, area) {
  const done = () => input.isConnected && input.value.trim() && send("region.rename", { number: area.number, name: input.value });
  const input = h("input", {
    type: "text", value: area.name, maxLength: 60, className: "grow", "aria-label": "Name of the region", onblur: done,
    onkeydown: (event) => { if (event.key === "Enter") input.blur(); if (event.key === "Escape") { input.value = area.name; input.blur(); } event.stopPropagation(); },
  });
  button.replaceWith(input);
  input.select();
}
