// Clicking a part: what would be marked is highlighted while the pointer hovers.
import { send } from "./net.js";
import { on, store } from "./store.js";
import { addTool } from "./tools.js";
import { makeMask, redraw, view } from "./view.js";

let asked = -Infinity;
let next = null;

function ask(at) {
  next = at;
  if (performance.now() - asked < 1500) return;
  asked = performance.now();
  next = null;
  send("part.hover", { x: at[0], y: at[1] });
}

const inside = ([x, y]) => x >= 0 && y >= 0 && x <= 1 && y <= 1;

addTool("part", {
  label: "Click a part", key: "p", cursor: "pointer",
  hint: "Click a part. Shift adds another place, Alt leaves out what is like one.",
  hover(event, at) { if (inside(at)) ask(at); else this.leave(); },
  leave() {
    store.hovered = null;
    next = null;
    redraw();
  },
  down(event, at) {
    if (inside(at)) send("part.click", { x: at[0], y: at[1], how: event.shiftKey ? "add" : event.altKey ? "subtract" : "new" });
    store.hovered = null;
  },
});

on("frame:hover", (header, bitmap) => {
  asked = -Infinity;
  if (store.tool !== "part" || !view.pointer) return;
  store.hovered = makeMask(bitmap, [255, 200, 60], 0.34);
  if (next) ask(next);
  redraw();
});
on("error", () => { asked = -Infinity; });

view.painters.push((context, size) => {
  if (store.hovered && store.tool === "part") context.drawImage(store.hovered.tint, view.x, view.y, size, size);
});
