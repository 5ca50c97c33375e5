// Drawing regions: box, lasso, brush and eraser. A shape goes to the server in fractions; its mask comes back.
import { clamp, h } from "./dom.js";
import { send } from "./net.js";
import { set, store } from "./store.js";
import { addTool } from "./tools.js";
import { redraw, side, toCanvas, view } from "./view.js";

const JOINS = [["new", "New"], ["add", "Add"], ["subtract", "Subtract"], ["intersect", "Common"]];
let shape = null; // while it is drawn

const join = (event) => (event.shiftKey ? "add" : event.altKey ? "subtract" : store.join);

function joinButtons() {
  return h("div", { className: "group", role: "radiogroup", "aria-label": "How a new shape joins the region" },
    JOINS.map(([name, label]) => h("button", {
      type: "button", role: "radio", "aria-checked": String(store.join === name), className: store.join === name ? "on" : "",
      onclick: () => set({ join: name }),
    }, label)));
}

function brushOptions() {
  const slider = (name, label, least, most) => h("label", {}, label, h("input", {
    type: "range", min: least, max: most, step: 0.005, value: store.brush[name], "aria-label": label,
    oninput: (event) => { store.brush[name] = Number(event.target.value); redraw(); },
  }));
  return [slider("size", "Size", 0.01, 0.3), slider("softness", "Softness", 0, 1)];
}

function finish() {
  const drawn = shape;
  shape = null;
  if (!drawn) return;
  const { how } = drawn;
  const apart = (a, b) => Math.max(Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1]));
  if (drawn.kind === "box") {
    const [[x0, y0], [x1, y1]] = [drawn.from, drawn.to];
    const box = { left: clamp(Math.min(x0, x1)), top: clamp(Math.min(y0, y1)), right: clamp(Math.max(x0, x1)), bottom: clamp(Math.max(y0, y1)) };
    if (box.right - box.left < 0.01 || box.bottom - box.top < 0.01) return;
    send("region.draw", { how, shape: { kind: "box", ...box } });
  } else if (drawn.kind === "lasso" && drawn.points.some((point) => apart(point, drawn.points[0]) > 0.01)) {
    send("region.draw", { how, shape: { kind: "lasso", points: drawn.points } });
  } else if (drawn.kind === "brush") {
    const { size, softness } = store.brush;
    send("region.draw", { how, shape: { kind: "brush", points: thinned(drawn.points), radius: size / 2, softness } });
  }
}

function thinned(points) {
  const kept = [points[0]];
  for (const point of points) {
    if (Math.hypot(point[0] - kept.at(-1)[0], point[1] - kept.at(-1)[1]) > 0.5 / side()) kept.push(point);
  }
  return kept;
}

const shared = { cancel() { shape = null; } };

addTool("box", {
  label: "Box", key: "m", options: () => [joinButtons()], ...shared,
  down(event, at) { shape = { kind: "box", from: at, to: at, how: join(event) }; },
  move(event, at) {
    if (!shape) return;
    shape.to = event.shiftKey && shape.how === "new" ? square(shape.from, at) : at;
  },
  up() { finish(); },
});

function square([x, y], [u, v]) {
  const size = Math.max(Math.abs(u - x), Math.abs(v - y));
  return [x + Math.sign(u - x) * size, y + Math.sign(v - y) * size];
}

addTool("lasso", {
  label: "Lasso", key: "l", options: () => [joinButtons()], ...shared,
  down(event, at) { shape = { kind: "lasso", points: [at.map(clamp)], how: join(event) }; },
  move(event, at) { shape?.points.push(at.map(clamp)); },
  up() { finish(); },
});

function stroke(how) {
  return {
    ...shared, cursor: "none", options: () => [...(how === "add" ? [newRegion()] : []), ...brushOptions()],
    down(event, at) {
      const starts = store.brush.fresh || (store.state?.chosen ?? null) === null;
      shape = { kind: "brush", points: [at.map(clamp)], how: event.altKey ? "subtract" : how === "add" && starts ? "new" : how };
    },
    move(event, at) {
      shape?.points.push(at.map(clamp));
    },
    up() {
      finish();
      if (store.brush.fresh) set({ brush: { ...store.brush, fresh: false } });
    },
  };
}

function newRegion() {
  return h("button", {
    type: "button", className: `small plain ${store.brush.fresh ? "on" : ""}`, title: "The next stroke begins a new region",
    "aria-pressed": String(Boolean(store.brush.fresh)), onclick: () => set({ brush: { ...store.brush, fresh: !store.brush.fresh } }),
  }, "New region");
}

addTool("brush", { label: "Brush", key: "b", ...stroke("add") });
addTool("eraser", { label: "Eraser", key: "e", ...stroke("subtract") });

export function resizeBrush(factor) {
  const name = store.tool === "sketch" ? "sketch" : "brush";
  const size = Math.min(0.4, Math.max(0.008, store[name].size * factor));
  set({ [name]: { ...store[name], size } });
  redraw();
}

function outlineOf(context, color) {
  context.strokeStyle = "rgb(0 0 0 / 70%)";
  context.lineWidth = 3;
  context.stroke();
  context.strokeStyle = color;
  context.lineWidth = 1.4;
  context.stroke();
}

view.painters.push((context, size) => {
  if (shape) paintShape(context, size);
  const brushing = store.tool === "brush" || store.tool === "eraser";
  if (brushing && view.pointer) {
    context.beginPath();
    context.arc(...toCanvas(view.pointer), (store.brush.size / 2) * size, 0, 2 * Math.PI);
    outlineOf(context, "#fff");
  }
});

function paintShape(context, size) {
  const color = shape.how === "subtract" ? "#ff8a80" : "#fff";
  context.beginPath();
  context.lineJoin = context.lineCap = "round";
  if (shape.kind === "box") {
    const [a, b] = [toCanvas(shape.from), toCanvas(shape.to)];
    context.rect(a[0], a[1], b[0] - a[0], b[1] - a[1]);
    outlineOf(context, color);
    return;
  }
  shape.points.forEach((point, i) => (i ? context.lineTo(...toCanvas(point)) : context.moveTo(...toCanvas(point))));
  if (shape.kind === "lasso") outlineOf(context, color);
  else {
    if (shape.points.length === 1) context.lineTo(...toCanvas(shape.points[0]));
    context.strokeStyle = shape.how === "subtract" ? "rgb(255 90 80 / 45%)" : "rgb(91 157 255 / 45%)";
    context.lineWidth = store.brush.size * size;
    context.stroke();
  }
}
