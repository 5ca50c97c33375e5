// Shortcuts, and the three sentences of a first visit.
import { byId, fill, h, openDialog } from "./dom.js";

const KEYS = [["M  L  B  E", "box, lasso, brush, eraser"], ["P", "click a part"], ["D  S  H", "drag points, sketch, move the view"], ["[  ]", "smaller, larger brush"],
  ["Shift, Alt while drawing", "add to the region, take from it"], ["R", "show the region"], ["C", "show where the image changed"],
  ["\\ (hold)", "the image before the edits"], ["Ctrl Z, Ctrl Shift Z", "undo, redo, without end"], ["+  −  0", "zoom, fit"],
  ["Space (hold)", "move the view"], ["I", "choose an image"], ["Ctrl S", "save the recipe"], ["Esc", "stop a drag, close"], ["?", "this list"]];

export function openHelp() {
  openDialog(byId("help"), "Shortcuts", h("div", { className: "keys" }, KEYS.map(([keys, text]) => [h("span", {}, keys.split("  ").map((key) => [h("kbd", {}, key), " "]).flat()), h("span", {}, text)]).flat()),
    h("p", { className: "muted" }, "Edits are confined: outside the region and its rim not one pixel changes. The lock of an edit lets it go."));
}

export function welcome() {
  if (localStorage.getItem("welcomed")) return;
  const box = byId("welcome");
  const close = () => { localStorage.setItem("welcomed", "yes"); box.hidden = true; };
  fill(box, h("ol", {}, h("li", {}, "Mark a part: click it, draw around it, or pick one on the right."), h("li", {}, "Choose one of the directions that appear for it."), h("li", {}, "Slide until you like it.")),
    h("button", { type: "button", className: "main", onclick: close }, "Begin"));
  box.hidden = false;
}
