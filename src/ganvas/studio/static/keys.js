// Shortcuts of the whole page.
import { resizeBrush } from "./draw.js";
import { openHelp } from "./help.js";
import { openImages } from "./images.js";
import { send } from "./net.js";
import { store } from "./store.js";
import { chooseTool, holdTool, releaseTool, tools } from "./tools.js";
import { before, toggleHeat, toggleMask } from "./topbar.js";
import { fit, zoom } from "./view.js";

const PLAIN = {
  "?": openHelp, i: openImages, r: toggleMask, c: toggleHeat, 0: fit, "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8),
  "[": () => resizeBrush(1 / 1.2), "]": () => resizeBrush(1.2), "\\": () => before(true), " ": () => holdTool("hand"),
  Delete: () => store.state?.chosen !== null && send("region.delete", { number: store.state.chosen }),
};
const WITH_CONTROL = { z: (event) => send(event.shiftKey ? "redo" : "undo"), y: () => send("redo"), s: () => send("export", { what: "recipe" }) };

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input[type=text], input[type=number], textarea, select");
  if (typing || document.querySelector("dialog[open]") || !store.state) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (WITH_CONTROL[key]) { event.preventDefault(); WITH_CONTROL[key](event); }
    return;
  }
  if (key === " " && event.target.matches("button, summary, input")) return;
  if (key === "Escape") return send("stop");
  const tool = [...tools].find(([, one]) => one.key === key);
  if (PLAIN[key]) { event.preventDefault(); if (!event.repeat || "[]+-=".includes(key)) PLAIN[key](); } else if (tool) chooseTool(tool[0]);
});
document.addEventListener("keyup", (event) => {
  if (event.key === "\\") before(false);
  if (event.key === " ") releaseTool();
});
window.addEventListener("blur", () => { before(false); releaseTool(); });
