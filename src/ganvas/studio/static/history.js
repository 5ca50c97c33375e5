// The strip of versions, with the branches kept, and what the engine is doing.
import { Addresses, byId, fill, h, iconButton } from "./dom.js";
import { send } from "./net.js";
import { emit, on, running, store } from "./store.js";

const urls = new Addresses();
export const thumbnailOf = (number) => urls.get(number) ?? "data:,";

function show() {
  const { versions, current } = store.state;
  const line = lineOf(versions, current);
  const shown = versions.filter((one) => one.edit);
  const near = nearest(versions, current);
  fill(byId("history"), shown.map((one, i) => h("button", {
    type: "button", role: "option", "data-version": one.number, title: one.title, "aria-label": `${one.title}, version ${one.number + 1}`,
    "aria-selected": String(one.number === near), onclick: () => send("go", { version: one.number }),
    className: `version ${one.number === near ? "now" : ""} ${line.has(one.number) ? "line" : ""} ${i && nearest(versions, one.parent) !== shown[i - 1].number ? "branch" : ""}`,
  }, urls.has(one.number) ? h("img", { src: urls.get(one.number), alt: "", draggable: false }) : null)),
    shown.length > 1 ? h("button", { type: "button", className: "plain small film", id: "open-film", title: "Make a film from step to step", onclick: () => emit("film") }, "Film") : null);
  byId("history").querySelector(".now")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// The newest version with another image on the way back: regions alone have no picture in the strip.
function nearest(versions, number) {
  let at = versions.find((one) => one.number === number);
  while (at && !at.edit) at = versions.find((one) => one.number === at.parent);
  return at?.number;
}

// The versions that undoing and redoing go through.
function lineOf(versions, current) {
  const parents = new Map(versions.map((one) => [one.number, one.parent]));
  const line = new Set();
  for (let at = current; at !== null && at !== undefined; at = parents.get(at)) line.add(at);
  return line;
}

on("frame:thumb", (header, bitmap, bytes) => {
  urls.show(header.version, bytes);
  if (store.state) show();
});
on("state", () => {
  const numbers = new Set(store.state.versions.map((one) => one.number));
  for (const number of [...urls.keys()]) if (!numbers.has(number)) urls.delete(number);
  show();
});

const time = (seconds) => (seconds === null || seconds === undefined ? "" : seconds < 90 ? `${Math.max(1, Math.round(seconds))} s left` : `${Math.round(seconds / 60)} min left`);

function showStatus() {
  const { jobs, ahead } = store.jobs;
  const status = byId("status");
  if (!store.connected) return fill(status, h("span", {}, "Connection lost. It comes back by itself, with your work."));
  const job = jobs[0];
  if (!job) return fill(status, h("span", { className: "clip" }, store.state?.paused ? "A drag is paused" : memory()));
  return fill(status,
    h("div", { className: "row" }, h("span", { className: "grow clip" }, ahead ? `${job.label} (${ahead} ahead)` : job.label, jobs.length > 1 ? `, ${jobs.length - 1} more` : ""),
      h("span", { className: "number" }, time(job.left)),
      running() ? iconButton("close", "Stop", () => send("stop"), { className: "square small", id: "stop" }) : null),
    h("div", { className: "progress", role: "progressbar", "aria-valuenow": job.done, "aria-valuemax": job.total || 1 }, bar(job)));
}

function bar(job) {
  const inner = h("div");
  inner.style.width = `${job.total ? (100 * job.done) / job.total : 3}%`;
  return inner;
}

function memory() {
  const bytes = store.state?.memory;
  return bytes ? `Ready · ${(bytes.process / 2 ** 30).toFixed(1)} GiB in use` : "Ready";
}

for (const name of ["jobs", "connected", "state"]) on(name, showStatus);
