// Sketching: a brush with color and opacity over the image, and the search for an image that matches.
import { clamp, h, toast } from "./dom.js";
import { send } from "./net.js";
import { emit, on, running, set, store } from "./store.js";
import { openCandidates } from "./candidates.js";
import { addTool } from "./tools.js";
import { redraw, toCanvas, view } from "./view.js";

const SIDE = 512;
const layer = new OffscreenCanvas(SIDE, SIDE);
const pen = layer.getContext("2d");
const strokes = [];
let stroke = null;
const settings = { confined: false, steps: 80, count: 4 };

function paint() {
  pen.clearRect(0, 0, SIDE, SIDE);
  for (const one of [...strokes, ...(stroke ? [stroke] : [])]) {
    pen.globalAlpha = one.alpha;
    pen.globalCompositeOperation = one.erase ? "destination-out" : "source-over";
    pen.strokeStyle = one.color;
    pen.lineWidth = one.size * SIDE;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    one.points.forEach(([x, y], i) => (i ? pen.lineTo(x * SIDE, y * SIDE) : pen.moveTo(x * SIDE, y * SIDE)));
    if (one.points.length === 1) pen.lineTo(one.points[0][0] * SIDE + 0.01, one.points[0][1] * SIDE);
    pen.stroke();
  }
  pen.globalAlpha = 1;
  pen.globalCompositeOperation = "source-over";
  redraw();
}

function pick([x, y]) {
  const image = store.images.image;
  const one = new OffscreenCanvas(1, 1).getContext("2d");
  one.drawImage(image, -Math.floor(x * image.width), -Math.floor(y * image.height));
  const [r, g, b] = one.getImageData(0, 0, 1, 1).data;
  set({ sketch: { ...store.sketch, color: `#${[r, g, b].map((v) => v.toString(16).padStart(2, "0")).join("")}` } });
}

addTool("sketch", {
  label: "Sketch", key: "s", cursor: "crosshair",
  options: () => [
    h("label", {}, "Color", h("input", { type: "color", value: store.sketch.color, "aria-label": "Color; Alt and a click pick one from the image", title: "Alt and a click pick a color from the image", oninput: (event) => { store.sketch.color = event.target.value; } })),
    slider("size", "Size", 0.008, 0.2), slider("alpha", "Opacity", 0.1, 1),
  ],
  down(event, at) {
    if (event.altKey) return pick(at);
    const { color, alpha, size } = store.sketch;
    stroke = { color, alpha, size, erase: event.shiftKey, points: [at.map(clamp)] };
    return paint();
  },
  move(event, at) { if (stroke) { stroke.points.push(at.map(clamp)); paint(); } },
  up() {
    if (!stroke) return;
    strokes.push(stroke);
    stroke = null;
    store.sketch.drawn = true;
    paint();
    emit("pairs");
  },
  cancel() { stroke = null; paint(); },
});

function slider(name, label, least, most) {
  return h("label", {}, label, h("input", { type: "range", min: least, max: most, step: 0.002, value: store.sketch[name], "aria-label": label, oninput: (event) => { store.sketch[name] = Number(event.target.value); redraw(); } }));
}

function clear() {
  strokes.length = 0;
  store.sketch.drawn = false;
  paint();
  emit("pairs");
}

async function start(action, more = {}) {
  const blob = await layer.convertToBlob({ type: "image/png" });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  send(action, { image: btoa(text), fidelity: store.sketch.fidelity, ...settings, ...more });
}

function match() {
  start("sketch.start");
  toast("The image follows your drawing; Stop drops it.", "note");
}

function search() {
  openCandidates(settings.count);
  start("sketch.candidates", { count: settings.count });
}

export function sketchSection() {
  return h("section", { className: "section", id: "sketch", "aria-label": "Sketch" },
    h("header", {}, h("h2", {}, "Sketch")),
    store.sketch.drawn ? null : h("p", { className: "hint" }, "Draw on the image what should be there. Shift erases, Alt picks a color."),
    h("label", { className: "row", title: "How much the drawing counts against what the generator finds likely" }, h("span", {}, "Fidelity"), h("input", { type: "range", min: 0.05, max: 1, step: 0.05, value: store.sketch.fidelity, id: "fidelity", oninput: (event) => { store.sketch.fidelity = Number(event.target.value); } })),
    h("label", { className: "check gap-top" }, h("input", { type: "checkbox", checked: settings.confined, disabled: store.state.chosen === null, onchange: (event) => { settings.confined = event.target.checked; } }), "inside the region only"),
    h("div", { className: "row gap-top" },
      running() ? h("button", { type: "button", className: "main", onclick: () => send("stop") }, "Stop")
        : h("button", { type: "button", className: "main", id: "sketch-start", disabled: !store.sketch.drawn, onclick: match }, "Match the sketch"),
      h("button", { type: "button", className: "plain", disabled: !store.sketch.drawn, onclick: () => { strokes.pop(); store.sketch.drawn = strokes.length > 0; paint(); emit("pairs"); } }, "Take back"),
      h("button", { type: "button", className: "plain", disabled: !store.sketch.drawn, onclick: clear }, "Clear")),
    h("div", { className: "row gap-top" },
      h("button", { type: "button", className: "plain", id: "sketch-candidates", disabled: !store.sketch.drawn || running(), title: "New images that show the drawing, to pick from", onclick: search }, "Other images like it"),
      h("input", { type: "number", min: 2, max: 8, value: settings.count, "aria-label": "How many candidates", title: "How many", onchange: (event) => { settings.count = Math.min(8, Math.max(2, Math.round(Number(event.target.value)) || 4)); event.target.value = settings.count; } }),
      store.candidates ? h("button", { type: "button", className: "plain", id: "show-candidates", onclick: () => openCandidates() }, "Show") : null));
}

on("state", () => { if (store.tool !== "sketch") redraw(); });
view.painters.push((context, size) => {
  if (store.tool !== "sketch") return;
  if (!running() && !store.showBefore) context.drawImage(layer, view.x, view.y, size, size);
  if (view.pointer) {
    context.beginPath();
    context.arc(...toCanvas(view.pointer), (store.sketch.size / 2) * size, 0, 2 * Math.PI);
    context.strokeStyle = "#fff";
    context.lineWidth = 1.5;
    context.stroke();
  }
});
