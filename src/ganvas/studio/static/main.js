// The page: puts the parts together.
import { byId, fill, toast } from "./dom.js";
import "./part.js";
import "./draw.js";
import { dragSection } from "./drag.js";
import { sketchSection } from "./sketch.js";
import { directionsSection } from "./directions.js";
import { editsSection } from "./edits.js";
import { welcome } from "./help.js";
import "./film.js";
import "./history.js";
import { takeDropped } from "./images.js";
import "./keys.js";
import { chooseTool } from "./tools.js";
import { connect } from "./net.js";
import { regionsSection } from "./regions.js";
import { on, running, store } from "./store.js";
import { startTheme } from "./topbar.js";

let shown = "";
let edits = 0;

// The panel is made anew where what it shows changed, and never under a finger that slides.
function showPanel() {
  const { state, row, tool } = store;
  if (!state || store.sliding) return;
  const { memory, versions, current, undo, redo, heat, ...relevant } = state;
  const wanted = JSON.stringify([relevant, row, tool, running(), store.pairs, store.sketch.drawn, Boolean(store.candidates)]);
  if (wanted === shown) return;
  shown = wanted;
  const focused = focusPath(document.activeElement);
  const middle = { drag: dragSection, sketch: sketchSection }[tool] ?? directionsSection;
  fill(byId("panel"), regionsSection(), middle(), editsSection());
  const { length } = state.operations;
  if (length > edits) byId("panel").querySelector(`[data-edit="${length - 1}"]`)?.scrollIntoView({ block: "nearest" });
  edits = length;
  if (focused) byId("panel").querySelector(focused)?.focus({ preventScroll: true });
}

// How to find the control that had the focus, once the panel is made anew.
function focusPath(element) {
  if (!byId("panel").contains(element)) return null;
  const label = element.getAttribute("aria-label");
  const edit = element.closest("[data-edit]");
  const base = edit ? `[data-edit="${edit.dataset.edit}"] ` : "";
  return element.id ? `#${element.id}` : label ? `${base}[aria-label="${CSS.escape(label)}"]` : null;
}

for (const name of ["state", "row", "mode", "pairs", "jobs"]) on(name, showPanel);
on("error", ({ text }) => toast(text));
on("note", ({ text }) => toast(text, "note"));
document.addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types.includes("Files")) { event.preventDefault(); document.body.classList.add("dropping"); }
});
document.addEventListener("dragleave", (event) => !event.relatedTarget && document.body.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  const [file] = event.dataTransfer?.files ?? [];
  if (file) { event.preventDefault(); takeDropped(file); }
});
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])][0];
  if (file) takeDropped(file);
});
startTheme();
chooseTool("part");
welcome();
connect();
