// The tools on the left and what the pointer does with each of them. A tool may have `down`, `move`, `up`, `hover`.
import { byId, fill, h, icon } from "./dom.js";
import { emit, on, set, store } from "./store.js";
import { pan, redraw, toImage, view, zoom } from "./view.js";

export const tools = new Map();
const canvas = byId("view");
const pointers = new Map();
let active = null;
let held = null; // the tool before a held key chose another

export function addTool(name, { label, key, ...tool }) {
  tools.set(name, { label, key, ...tool });
}

export function chooseTool(name) {
  set({ tool: name });
  redraw();
}

export function holdTool(name) {
  held ??= store.tool;
  set({ tool: name });
}

export function releaseTool() {
  if (held) set({ tool: held });
  held = null;
}

function showTools() {
  const order = ["part", "box", "lasso", "brush", "eraser", "drag", "sketch", "hand"];
  const buttons = order.map((name) => [name, tools.get(name)]).map(([name, tool]) => [
    tool.before ? h("div", { className: "sep" }) : null,
    h("button", {
      type: "button", title: `${tool.label} (${tool.key.toUpperCase()})`, "aria-label": tool.label, "data-tool": name,
      "aria-pressed": String(store.tool === name), onclick: () => chooseTool(name),
    }, icon(name)),
  ]);
  fill(byId("tools"), ...buttons);
  fill(byId("options"), ...(tools.get(store.tool)?.options?.() ?? []),
    tools.get(store.tool)?.hint ? h("span", { className: "muted" }, tools.get(store.tool).hint) : null);
  canvas.style.cursor = tools.get(store.tool)?.cursor ?? "crosshair";
}

const current = (event) => (event.button === 1 || pointers.size > 1 ? tools.get("hand") : tools.get(store.tool));

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  canvas.focus({ preventScroll: true });
  pointers.set(event.pointerId, event);
  if (pointers.size === 2) active?.cancel?.();
  active = current(event);
  active?.down?.(event, toImage(event));
});
canvas.addEventListener("pointermove", (event) => {
  view.pointer = toImage(event);
  if (pointers.size === 2 && pointers.has(event.pointerId)) pinch(event);
  else if (active && pointers.has(event.pointerId)) active.move?.(event, toImage(event));
  else tools.get(store.tool)?.hover?.(event, toImage(event));
  if (pointers.has(event.pointerId)) pointers.set(event.pointerId, event);
  redraw();
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    if (pointers.delete(event.pointerId) && pointers.size === 0) {
      (name === "pointerup" ? active?.up : active?.cancel)?.call(active, event, toImage(event));
      active = null;
    }
    redraw();
  });
}
canvas.addEventListener("pointerleave", () => {
  view.pointer = null;
  tools.get(store.tool)?.leave?.();
  redraw();
});
canvas.addEventListener("contextmenu", (event) => event.preventDefault());

function pinch(event) {
  const before = [...pointers.values()];
  const other = before.find((one) => one.pointerId !== event.pointerId);
  const old = pointers.get(event.pointerId);
  const apart = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  const bounds = canvas.getBoundingClientRect();
  zoom(apart(event, other) / Math.max(1, apart(old, other)), (event.clientX + other.clientX) / 2 - bounds.left,
    (event.clientY + other.clientY) / 2 - bounds.top);
  pan((event.clientX - old.clientX) / 2, (event.clientY - old.clientY) / 2);
}

addTool("hand", {
  label: "Move the view", key: "h", cursor: "grab", before: true,
  down(event) { this.last = [event.clientX, event.clientY]; },
  move(event) {
    pan(event.clientX - this.last[0], event.clientY - this.last[1]);
    this.last = [event.clientX, event.clientY];
  },
});
on("tool", () => {
  showTools();
  emit("mode");
});
for (const name of ["join", "brush"]) on(name, showTools);
