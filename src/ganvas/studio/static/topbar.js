// The bar on top: generator, image, undo, what is shown, export, theme, help.
import { byId, fill, h, icon, iconButton } from "./dom.js";
import { openImages } from "./images.js";
import { openExport } from "./exports.js";
import { openHelp } from "./help.js";
import { send } from "./net.js";
import { on, set, store } from "./store.js";
import { fit, side, view, zoom } from "./view.js";

export function toggleTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
}

export function startTheme() {
  const light = window.matchMedia?.("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = localStorage.getItem("theme") ?? (light ? "light" : "dark");
}

export const toggleHeat = () => send("heat", { on: !store.state?.heat });
export const toggleMask = () => set({ showMask: !store.showMask });
export const before = (shown) => set({ showBefore: shown });

function modelChoice() {
  const { model, models } = store.state;
  return h("select", {
    "aria-label": "Generator", title: "Generator", onchange: (event) => send("open.model", { model: event.target.value }),
  }, models.map((name) => h("option", { value: name, selected: name === model }, name)));
}

function beforeButton() {
  const button = iconButton("before", "Hold to see the image before the edits", null, { key: "\\", "aria-pressed": String(store.showBefore) });
  button.addEventListener("pointerdown", () => before(true));
  for (const name of ["pointerup", "pointerleave"]) button.addEventListener(name, () => before(false));
  button.addEventListener("keydown", (event) => event.key === " " && before(true));
  button.addEventListener("keyup", (event) => event.key === " " && before(false));
  return button;
}

function show() {
  const { state } = store;
  if (!state) return;
  const bar = byId("bar");
  if (bar.contains(document.activeElement) && document.activeElement.tagName === "SELECT") return;
  const label = document.activeElement?.getAttribute?.("aria-label");
  fill(bar,
    h("span", { className: "brand" }, "Ganvas"),
    modelChoice(),
    h("button", { type: "button", className: "plain", title: "Choose another image (I)", id: "choose-image", onclick: openImages },
      h("span", { className: "clip" }, state.base.caption), icon("down")),
    h("span", { className: "sep" }),
    iconButton("undo", "Undo", () => send("undo"), { key: "Ctrl+Z", disabled: !state.undo, id: "undo" }),
    iconButton("redo", "Redo", () => send("redo"), { key: "Ctrl+Shift+Z", disabled: !state.redo, id: "redo" }),
    h("span", { className: "sep" }),
    beforeButton(),
    iconButton("mask", "Show the region", toggleMask, { key: "R", "aria-pressed": String(store.showMask), id: "show-mask" }),
    iconButton("heat", "Show where the image changed", toggleHeat, { key: "C", "aria-pressed": String(state.heat), id: "show-heat" }),
    h("span", { className: "grow" }),
    iconButton("minus", "Smaller", () => zoom(1 / 1.25), { key: "-" }),
    h("button", { type: "button", className: "small number", title: "Fit the image (0)", id: "zoom", onclick: fit }, `${Math.round(view.scale * 100)} %`),
    iconButton("plus", "Larger", () => zoom(1.25), { key: "+" }),
    h("span", { className: "muted number wide" }, `${side()} px`),
    h("span", { className: "sep" }),
    iconButton("theme", "Dark or light", toggleTheme, { id: "theme" }),
    iconButton("help", "Shortcuts and help", openHelp, { key: "?", id: "show-help" }),
    h("button", { type: "button", className: "main", onclick: openExport, id: "open-export" }, "Export"));
  if (label) [...bar.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === label)?.focus();
}

for (const name of ["state", "showMask", "zoom"]) on(name, show);
