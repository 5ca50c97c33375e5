// The panel's edits: the operations of the recipe in order, each with eye, strength, place, and the numbers of the change.
import { byId, h, iconButton } from "./dom.js";
import { send, sendLast, sendLive } from "./net.js";
import { openOther } from "./other.js";
import { openTrials } from "./trials.js";
import { emit, on, store } from "./store.js";

let dragged = null;

export function editsSection() {
  const { operations } = store.state;
  return h("section", { className: "section", id: "edits", "aria-label": "Edits" },
    h("header", {}, h("h2", {}, "Edits"), h("span", { className: "muted" }, operations.length ? String(operations.length) : ""),
      operations.length ? h("button", { type: "button", className: "small", id: "open-trials", title: "Try these edits on other images", onclick: openTrials }, "On others") : null,
      h("button", { type: "button", className: "small", id: "open-other", title: "Take something of another image", onclick: openOther }, "From another")),
    operations.length ? h("div", { className: "numbers", id: "numbers" }, numbers()) : null,
    operations.length ? h("div", { className: "stack" }, operations.map(edit).reverse())
      : h("p", { className: "hint" }, "Choose a direction above, and slide. The newest edit lies on top."));
}

function numbers() {
  return ["inside", "outside", "seam"].map((name) => {
    const value = store.numbers[name];
    const title = { inside: "Root mean square change inside the region; black to white is 2", outside: "The same outside: 0 where the edits are confined", seam: "Gradient of the change across the rim over that of the image" }[name];
    return number(name, title, value);
  }).concat(store.state.measured ? likeness() : []);
}

const number = (name, title, value) => h("div", { title }, h("span", {}, name), h("b", { "data-number": name }, value === undefined ? "–" : value === 0 ? "0" : value.toPrecision(2)));

function likeness() {
  const { name, value } = store.likeness ?? {};
  const face = !name || name.includes("face");
  const title = face ? "Distance of the faces' descriptors: 0 is the same image, from 0.6 it is somebody else" : `${name}: 0 is the same image`;
  return number(face ? "identity" : "unlike", title, value);
}

function edit(operation, index) {
  const act = (name, content = {}) => () => send(`edit.${name}`, { index, ...content });
  const { enabled, inside } = operation;
  const box = h("div", { className: `edit ${enabled ? "" : "off"}`, draggable: true, "data-edit": index },
    h("div", { className: "top" },
      iconButton(enabled ? "eye" : "eye-off", enabled ? "Switch off" : "Switch on", act("enable", { on: !enabled }), { className: "square small", "aria-pressed": null }),
      h("div", { className: "title" }, h("div", { className: "clip" }, operation.label), h("div", { className: "where clip" }, inside ? `inside ${inside}` : "whole image")),
      h("div", { className: "buttons" }, iconButton(inside ? "lock" : "unlock", inside ? "Confined; click to let it change the whole image" : "Free; click to keep it inside the region", act("confine", { on: !inside }), { className: "square small" }),
      iconButton("up", "Move up", act("move", { to: index + 1 }), { className: "square small", disabled: index === store.state.operations.length - 1 }),
      iconButton("down", "Move down", act("move", { to: index - 1 }), { className: "square small", disabled: index === 0 }),
      iconButton("copy", "Duplicate", act("duplicate"), { className: "square small" }),
      iconButton("trash", "Delete", act("delete"), { className: "square small" }))),
    "amount" in operation ? slider(operation, index) : null);
  sortable(box, index);
  return box;
}

function slider(operation, index) {
  const { amount, most, unit } = operation;
  const shown = unit === "share" ? (value) => (100 * value).toFixed(0) : (value) => value.toFixed(1);
  const value = h("input", { type: "text", className: "value number", value: shown(amount), "aria-label": "Strength", inputMode: "decimal",
    onkeydown: (event) => { event.stopPropagation(); if (event.key === "Enter") value.blur(); },
    onchange: () => { const typed = Number(value.value) / (unit === "share" ? 100 : 1); if (Number.isFinite(typed)) sendLast("edit.amount", { index, amount: typed }); } });
  const range = h("input", { type: "range", min: unit === "share" ? 0 : -most, max: most, step: most / 160, value: amount, "aria-label": `Strength of ${operation.label}`,
    oninput: () => { store.sliding = true; value.value = shown(Number(range.value)); sendLive("edit.amount", { index, amount: Number(range.value) }); },
    onchange: () => { store.sliding = false; sendLast("edit.amount", { index, amount: Number(range.value) }); },
    ondblclick: () => sendLast("edit.amount", { index, amount: 0 }), onpointerdown: (event) => event.stopPropagation() });
  range.draggable = true;
  range.addEventListener("dragstart", (event) => { event.preventDefault(); event.stopPropagation(); });
  return h("div", {}, h("div", { className: "slide" }, range, value, h("span", { className: "muted" }, unit === "share" ? "%" : unit)),
    operation.method ? strong(operation, index) : null);
}

const WAYS = [["straight", "Straight", "Along the direction as it was found"],
  ["corrected", "Corrected", "Takes back on the way what changes outside the region: about twenty seconds once, then it slides"],
  ["followed", "Followed", "Finds the direction anew at every step: seconds for each step"]];

function strong({ method }, index) {
  const button = ([name, label, title]) => h("button", { type: "button", role: "radio", title, "data-way": name, "aria-checked": String(name === method), className: name === method ? "on" : "", onclick: () => name !== method && send("edit.method", { index, method: name }) }, label);
  return h("details", { className: "more", open: method !== "straight" || store.strongOpen === index, ontoggle: (event) => { if (event.target.open) store.strongOpen = index; else if (store.strongOpen === index) store.strongOpen = null; } },
    h("summary", {}, "More"),
    h("div", { className: "group", role: "radiogroup", "aria-label": "How a strong edit goes" }, WAYS.map(button)));
}

function sortable(box, index) {
  box.addEventListener("dragstart", () => { dragged = index; });
  box.addEventListener("dragover", (event) => { if (dragged !== null) { event.preventDefault(); box.classList.add("over"); } });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("over");
    if (dragged !== null && dragged !== index) send("edit.move", { index: dragged, to: index });
    dragged = null;
  });
}

on("likeness", (found) => {
  store.likeness = found;
  emit("numbers");
});
on("numbers", () => {
  const box = byId("numbers");
  if (box) box.replaceChildren(...numbers());
});
