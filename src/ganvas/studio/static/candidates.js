// The images that were found for a drawing, to pick one of: live while they are searched for, then the best first.
import { Addresses, byId, h, openDialog } from "./dom.js";
import { send } from "./net.js";
import { emit, on, running, store } from "./store.js";

const urls = new Addresses();

// `count` images are being searched for; without it, those that were found are shown again.
export function openCandidates(count = null) {
  if (count !== null) {
    urls.clear();
    store.candidates = null;
    store.sought = count;
  }
  show();
}

const fact = (value) => (value === null || value === undefined ? "" : value.toPrecision(2));

function show() {
  const found = store.candidates;
  const pick = (index) => () => {
    send("sketch.pick", { index });
    byId("candidates").close();
  };
  const cards = Array.from({ length: found?.length ?? store.sought }, (_, number) => h("button", {
    type: "button", className: "candidate", "data-candidate": number, disabled: !found, "aria-label": `Candidate ${number + 1}`, onclick: pick(number),
  }, h("img", { alt: "", src: urls.get(number) ?? "data:,", "data-candidate-image": number }), h("span", {}, found ? caption(found[number], number) : "searching")));
  openDialog(byId("candidates"), "Images that show the drawing",
    found ? h("p", { className: "muted" }, "Pick one to go on with. The search chose the most real of those that match well.")
      : h("div", { className: "row" }, h("span", { className: "muted grow number", id: "candidates-said" }, said()),
        h("button", { type: "button", className: "plain small", id: "candidates-stop", onclick: () => send("stop") }, "Stop and keep these")),
    h("div", { className: "candidates" }, cards));
}

function said() {
  const job = store.jobs.jobs.find((one) => one.channel === "task");
  const left = job?.left ? `, ${Math.max(1, Math.round(job.left))} s left` : "";
  return job?.total ? `${job.label}: ${Math.round((100 * job.done) / job.total)} %${left}` : "Each begins at another image.";
}

function caption({ start, loss, real }, number) {
  const parts = [`from ${start}`, `loss ${fact(loss)}`, real === null ? "" : `real ${fact(real)}`];
  return h("span", {}, number === 0 ? h("b", {}, "chosen · ") : null, parts.filter(Boolean).join(" · "));
}

on("frame:candidate", (header, bitmap, bytes) => {
  const url = urls.show(header.number, bytes);
  const image = document.querySelector(`[data-candidate-image="${header.number}"]`);
  if (image) image.src = url;
});
let begun = false; // whether the search that is waited for runs
on("jobs", () => {
  const dialog = byId("candidates");
  if (!dialog.open || store.candidates) return;
  byId("candidates-said").textContent = said();
  if (begun && !running()) setTimeout(() => !store.candidates && !running() && dialog.close(), 500); // it failed, or was stopped at once
  begun = running();
});
on("candidates", ({ found }) => {
  store.candidates = found;
  if (byId("candidates").open) show();
  emit("pairs");
});
