// The canvas: the image with zoom and pan, and what lies on it: mask, heat, strokes, points, drawing.
import { byId } from "./dom.js";
import { emit, on, store } from "./store.js";
import { grayOf, heatmap, outline, tinted } from "./contour.js";

const canvas = byId("view");
const context = canvas.getContext("2d");
export const view = { scale: 1, x: 0, y: 0, fitted: true, painters: [], pointer: null };
let asked = false;

export const side = () => store.state?.resolution ?? 128;

export function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}

export function fit() {
  const { width, height } = canvas.getBoundingClientRect();
  const margin = 26;
  const top = 50;
  view.scale = Math.max(0.1, Math.min(width - 2 * margin, height - top - margin) / side());
  view.x = (width - view.scale * side()) / 2;
  view.y = top + (height - top - margin - view.scale * side()) / 2;
  view.fitted = true;
  emit("zoom");
  redraw();
}

export function zoom(factor, cx, cy) {
  const bounds = canvas.getBoundingClientRect();
  const [px, py] = [cx ?? bounds.width / 2, cy ?? bounds.height / 2];
  const scale = Math.min(80, Math.max(0.05, view.scale * factor));
  view.x = px - ((px - view.x) * scale) / view.scale;
  view.y = py - ((py - view.y) * scale) / view.scale;
  view.scale = scale;
  view.fitted = false;
  emit("zoom");
  redraw();
}

export function pan(dx, dy) {
  view.x += dx;
  view.y += dy;
  view.fitted = false;
  redraw();
}

// From the page to fractions of the image, and back to the canvas.
export function toImage(event) {
  const bounds = canvas.getBoundingClientRect();
  const size = view.scale * side();
  return [(event.clientX - bounds.left - view.x) / size, (event.clientY - bounds.top - view.y) / size];
}

export const toCanvas = ([x, y]) => [view.x + x * view.scale * side(), view.y + y * view.scale * side()];

function draw() {
  asked = false;
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const size = view.scale * side();
  const { image, before, mask, heat } = store.images;
  const shown = store.showBefore ? before ?? image : image;
  context.imageSmoothingEnabled = view.scale < 12;
  context.imageSmoothingQuality = "high";
  if (shown) context.drawImage(shown, view.x, view.y, size, size);
  if (store.state?.heat && heat && !store.showBefore) context.drawImage(heat, view.x, view.y, size, size);
  if (store.showMask && mask && !store.showBefore && !store.sliding) drawMask(mask, size);
  for (const painter of view.painters) painter(context, size);
}

function drawMask(mask, size) {
  if (store.tool === "brush" || store.tool === "eraser") context.drawImage(mask.tint, view.x, view.y, size, size);
  const path = new Path2D();
  path.addPath(mask.path, new DOMMatrix([size, 0, 0, size, view.x, view.y]));
  context.lineJoin = "round";
  for (const [color, width] of [["rgb(0 0 0 / 65%)", 3], ["#fff", 1.4]]) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke(path);
  }
}

on("frame:image", (header, bitmap) => {
  store.images.image = bitmap;
  store.images.version = header.version;
  store.images.moving = header.moving;
  store.numbers = header.numbers;
  store.likeness = null;
  emit("numbers");
  redraw();
});
on("frame:before", (header, bitmap) => {
  store.images.before = bitmap;
  redraw();
});
on("frame:mask", (header, bitmap) => {
  store.images.mask = bitmap && makeMask(bitmap);
  redraw();
});
on("frame:heat", (header, bitmap) => {
  store.images.heat = bitmap && heatmap(grayOf(bitmap));
  redraw();
});

export function makeMask(bitmap, color = [91, 157, 255], strength = 0.26) {
  const gray = grayOf(bitmap);
  return { gray, tint: tinted(gray, color, strength), path: outline(gray) };
}

for (const name of ["showMask", "showBefore"]) on(name, redraw);
on("state", () => {
  if (view.side !== side()) {
    view.side = side();
    fit();
  }
  redraw();
});
new ResizeObserver(() => (view.fitted ? fit() : redraw())).observe(byId("stage"));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const bounds = canvas.getBoundingClientRect();
  if (event.ctrlKey || !event.shiftKey) {
    zoom(Math.exp(-event.deltaY * 0.0016), event.clientX - bounds.left, event.clientY - bounds.top);
  } else pan(-event.deltaX - event.deltaY, 0);
}, { passive: false });
