// Dragging: pairs of handle and target, which can be moved and deleted; the search runs on the server, with live frames.
import { clamp, h, iconButton, toast } from "./dom.js";
import { send } from "./net.js";
import { emit, on, running, store } from "./store.js";
import { addTool } from "./tools.js";
import { redraw, toCanvas, view } from "./view.js";

const settings = { method: "draggan", confined: false, movable: false, steps: 300 };
let held = null; // [pair, "handle" or "target"] under the pointer

const near = (at, point) => Math.hypot(...toCanvas(at).map((value, i) => value - toCanvas(point)[i])) < 11;

function find(at) {
  for (const pair of store.pairs) {
    for (const end of ["target", "handle"]) if (near(at, pair[end])) return [pair, end];
  }
  return null;
}

addTool("drag", {
  label: "Drag points", key: "d", before: true, cursor: "crosshair",
  down(event, at) {
    held = find(at);
    if (!held) {
      const point = at.map(clamp);
      held = [{ handle: point, target: point }, "target"];
      store.pairs.push(held[0]);
    }
    emit("pairs");
  },
  move(event, at) { if (held) { held[0][held[1]] = at.map(clamp); redraw(); } },
  up() { held = null; emit("pairs"); },
  cancel() { held = null; },
});

function start() {
  if (!store.pairs.length) return toast("Set a point first: press on what should move, and pull it to where it should be.", "note");
  store.moving = null;
  return send("drag.start", { ...settings, pairs: store.pairs.map(({ handle, target }) => [handle, target]) });
}

export function dragSection() {
  const remove = (pair) => () => { store.pairs = store.pairs.filter((one) => one !== pair); emit("pairs"); redraw(); };
  const check = (name, label, title) => h("label", { className: "check", title }, h("input", { type: "checkbox", id: `drag-${name}`, checked: settings[name], disabled: store.state.chosen === null, onchange: (event) => { settings[name] = event.target.checked; } }), label);
  const place = (point) => point.map((value) => (100 * value).toFixed(0)).join(", ");
  return h("section", { className: "section", id: "drag", "aria-label": "Drag" },
    h("header", {}, h("h2", {}, "Drag"),
      h("select", { "aria-label": "Method", onchange: (event) => { settings.method = event.target.value; } },
        ["draggan", "freedrag"].map((name) => h("option", { value: name, selected: name === settings.method }, name === "draggan" ? "DragGAN" : "FreeDrag")))),
    store.pairs.length ? h("div", { className: "list" }, store.pairs.map((pair, i) => h("div", { className: "pair" }, h("span", { className: "dot handle" }), h("span", { className: "number grow" }, `${i + 1}.  ${place(pair.handle)}  →  ${place(pair.target)}`), h("span", { className: "dot target" }),
      iconButton("trash", `Delete pair ${i + 1}`, remove(pair), { className: "square small" }))))
      : h("p", { className: "hint" }, "Press on what should move, and pull it to where it should be. A point that stays is a pin."),
    h("div", { className: "row" }, check("confined", "inside the region only", "Nothing outside the chosen region changes"), check("movable", "region may move", "The method's own mask: what lies outside the region is held")),
    h("label", { className: "row tight muted" }, "at most", h("input", { type: "number", min: 1, max: 2000, value: settings.steps, "aria-label": "Steps at most", onchange: (event) => { settings.steps = Number(event.target.value); } }), "steps"),
    h("div", { className: "row gap-top" }, running() || store.state.paused ? dragging() : [
      h("button", { type: "button", className: "main", id: "drag-start", disabled: !store.pairs.length, onclick: start }, "Drag"),
      h("button", { type: "button", className: "plain", disabled: !store.pairs.length, onclick: () => { store.pairs = []; store.moving = null; emit("pairs"); redraw(); } }, "Clear"),
    ]));
}

// While a drag runs, and while it waits.
function dragging() {
  const { paused } = store.state;
  return [h("button", { type: "button", className: "main", id: paused ? "drag-resume" : "drag-pause", onclick: () => send(paused ? "drag.resume" : "drag.pause") }, paused ? "Continue" : "Pause"),
    h("button", { type: "button", className: "plain", id: "drag-stop", title: "Stop and keep what there is", onclick: () => send("stop") }, "Stop")];
}

on("handles", ({ points }) => { store.moving = points; redraw(); }); // where they are now, while a drag runs
let last = null; // the pairs before and after the last drag, which undoing and redoing go between
on("dragged", ({ reason, steps, handles }) => {
  const before = store.pairs;
  store.pairs = store.pairs.map((pair, i) => ({ handle: handles[i] ?? store.moving?.[i] ?? pair.handle, target: pair.target }));
  last = { before, after: store.pairs, version: store.state.current };
  store.moving = null;
  toast(`Drag ${reason} after ${steps} steps. Drag again to go on, or undo.`, "note");
  emit("pairs");
  redraw();
});

on("state", () => {
  if (!last) return;
  const [other, wanted] = store.state.current === last.version ? [last.before, last.after] : [last.after, last.before];
  if (store.pairs !== other) return;
  store.pairs = wanted;
  emit("pairs");
  redraw();
});

view.painters.push((context) => {
  if (store.tool !== "drag") return;
  store.pairs.forEach((pair, i) => {
    const [handle, target] = [toCanvas(store.moving?.[i] ?? pair.handle), toCanvas(pair.target)];
    for (const [color, width] of [["rgb(0 0 0 / 60%)", 3.5], ["#fff", 1.6]]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(...handle);
      context.lineTo(...target);
      context.stroke();
    }
    for (const [point, color] of [[handle, "#e5484d"], [target, "#3b82f6"]]) {
      context.beginPath();
      context.arc(...point, 6, 0, 2 * Math.PI);
      context.fillStyle = color;
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = "#fff";
      context.stroke();
    }
  });
});
