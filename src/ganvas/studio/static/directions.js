// The panel's directions of the chosen region: small images that play on hover, and what is searched for.
import { h, iconButton } from "./dom.js";
import { send } from "./net.js";
import { compareMethods } from "./compare.js";
import { openSaved } from "./saved.js";
import { on, store } from "./store.js";

let playing = null;

export function directionsSection() {
  return h("section", { className: "section", id: "directions", "aria-label": "Directions" },
    h("header", {}, h("h2", {}, "Directions"), store.row?.source ? source(store.row.source) : null, h("span", { className: "muted number", id: "search-state" }, searchText())),
    body(), more());
}

// What the directions come from, where it is not the search of the page, and the way back to that.
function source(name) {
  const { space, layers, weight } = store.state.search;
  return h("span", { className: "row tight", id: "row-source" }, h("span", { className: "muted clip" }, `from ${name}`),
    iconButton("close", "Back to the directions found here", () => send("search.set", { space, layers, weight }), { className: "square small" }));
}

function searchText() {
  const job = store.jobs.jobs.find((one) => one.channel === "jacobian");
  if (job?.total) return `${Math.round((100 * job.done) / job.total)} %`;
  return job ? "waiting" : "";
}

function body() {
  if (store.state.chosen === null) return h("p", { className: "hint" }, "Choose a region to see what can change in it.");
  const row = store.row;
  if (!row && store.state.search.asks && !store.jobs.jobs.some((one) => one.channel === "jacobian")) {
    return h("div", {}, h("p", { className: "hint" }, "Images of this size take a while to look into: minutes to an hour, once for each image."),
      h("button", { type: "button", className: "plain", id: "start-search", onclick: () => send("search.start") }, "Find its directions"));
  }
  if (!row) {
    return h("div", {}, h("p", { className: "hint" }, "Looking at how this image can change. Once for each image; then every region answers at once."),
      h("div", { className: "strips waiting" }, [0, 1, 2, 3, 4, 5].map(() => h("div", { className: "strip" }))));
  }
  return h("div", { className: "strips", id: "strips" }, row.directions.map(strip));
}

function strip(direction) {
  const canvas = h("canvas", { width: 96, height: 96 });
  const paint = (step) => paintStep(canvas, direction.index, step);
  const add = (sign) => () => send("edit.direction", { index: direction.index, amount: sign * direction.shown });
  const name = `direction ${direction.index + 1}`;
  const box = h("div", { className: "strip", "data-direction": direction.index, title: `Predicted change inside to outside: ${format(direction.ratio)}` }, canvas,
    h("span", { className: "badge" }, String(direction.index + 1)),
    h("div", { className: "signs" },
      h("button", { type: "button", "aria-label": `Less of ${name}`, onclick: add(-1), onpointerenter: () => paint(0), onfocus: () => paint(0) }, "−"),
      h("button", { type: "button", "aria-label": `More of ${name}`, onclick: add(1), onpointerenter: () => paint(4), onfocus: () => paint(4) }, "+")));
  box.addEventListener("pointerenter", (event) => event.target === box && play(box, paint));
  box.addEventListener("pointerleave", () => rest(paint));
  canvas.addEventListener("click", add(1));
  box.paint = paint;
  paint(4);
  return box;
}

function paintStep(canvas, index, step) {
  const sheet = store.strips;
  if (!sheet) return;
  const { side } = sheet.header;
  canvas.getContext("2d").drawImage(sheet.bitmap, step * side, index * side, side, side, 0, 0, 96, 96);
}

function play(box, paint) {
  clearInterval(playing);
  const order = [0, 1, 2, 3, 4, 3, 2, 1];
  let at = 4;
  playing = setInterval(() => {
    if (!box.isConnected) return clearInterval(playing);
    if (!box.querySelector(".signs:hover")) paint(order[(at = (at + 1) % order.length)]);
    return null;
  }, 170);
}

function rest(paint) {
  clearInterval(playing);
  paint(4);
}

const format = (ratio) => (ratio >= 100 ? ratio.toFixed(0) : ratio?.toPrecision(3) ?? "unknown");

function more() {
  const { search, layers, spaces } = store.state;
  const change = (changes) => send("search.set", { space: search.space, layers: search.layers, weight: search.weight, ...changes });
  return h("details", { className: "more", id: "more", open: store.moreOpen, ontoggle: (event) => { store.moreOpen = event.target.open; } },
    h("summary", {}, "More"),
    h("div", { className: "grid" },
      h("label", { htmlFor: "space" }, "Space"),
      h("select", { id: "space", onchange: (event) => change({ space: event.target.value || null, layers: event.target.value === "z" ? null : search.layers }) },
        h("option", { value: "", selected: !search.space }, "by default"), spaces.map((space) => h("option", { value: space, selected: space === search.space }, space))),
      h("label", { htmlFor: "weight", title: "0 counts the rest of the image not at all" }, "Local to global"),
      h("input", { id: "weight", type: "range", min: 0, max: 1, step: 0.05, value: 1 - search.weight, title: "How much the rest of the image may change along", onchange: (event) => change({ weight: 1 - Number(event.target.value) }) }),
      layers ? h("span", {}, "Layers") : null, layers ? h("span", { className: "muted" }, search.layers ?? "all") : null,
      layers ? layerStrip(search, layers, change) : null,
      h("button", { type: "button", className: "plain small", id: "compare-methods", disabled: store.state.chosen === null, onclick: compareMethods }, "Compare methods"),
      h("button", { type: "button", className: "plain small", id: "open-directions", onclick: openSaved }, "Save and load")));
}

function layerStrip(search, layers, change) {
  const [first, last] = search.layers ? [Number.parseInt(search.layers, 10), Number.parseInt(search.layers.split("-").at(-1), 10)] : [0, layers - 1];
  const pick = (layer) => (event) => {
    const range = event.shiftKey ? [Math.min(first, layer), Math.max(first, layer)] : [layer, layer];
    change({ layers: range[0] === 0 && range[1] === layers - 1 ? null : `${range[0]}-${range[1]}` });
  };
  return h("div", { className: "layers", role: "group", "aria-label": "Layers; with Shift up to a layer" },
    Array.from({ length: layers }, (_, layer) => h("button", {
      type: "button", title: `Layer ${layer}; Shift: up to here`, "aria-pressed": String(layer >= first && layer <= last), onclick: pick(layer),
    }, String(layer))));
}

on("frame:strips", (header, bitmap) => {
  store.strips = { header, bitmap };
  for (const box of document.querySelectorAll(".strip")) box.paint?.(4);
});
on("jobs", () => {
  const text = document.getElementById("search-state");
  if (text) text.textContent = searchText();
});
