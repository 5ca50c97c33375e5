// Export: the image, the pasted-back photo, the recipe, a film of the edits, the command line that repeats it.
import { byId, h, openDialog, toast } from "./dom.js";
import { send } from "./net.js";
import { on, store } from "./store.js";

const BUNDLED = ["faces", "cats", "faces-dcgan", "cats-dcgan"];

function command(name) {
  const { model } = store.state;
  return `ganvas render ${name}.recipe${BUNDLED.includes(model) ? "" : ` --model ${model}`} --out ${name}.png`;
}

export function openExport() {
  const ask = (what, options = {}) => () => send("export", { what, ...options });
  const choice = (label, small, action) => h("button", { type: "button", onclick: action, "data-export": label }, label, h("small", {}, small));
  const { base, operations } = store.state;
  const line = h("div", { className: "command", id: "command", tabIndex: 0 }, command("edit"));
  openDialog(byId("export"), "Export",
    h("div", { className: "choices" },
      choice("Image", "PNG, as large as the generator makes it", ask("image")),
      base.photo ? choice("Photo", "your photo at its own size, with the edits in it", ask("photo")) : null,
      choice("Recipe", "opens again here; ganvas render makes the same pixels", ask("recipe")),
      operations.length ? choice("Film", "from before to after, WebP", () => send("video", { format: "webp" })) : null,
      operations.length ? choice("Strip", "before and after beside each other", ask("strip")) : null),
    h("div", {}, h("h3", {}, "The command line that repeats it"), line,
      h("div", { className: "row" }, h("button", { type: "button", className: "plain small", onclick: () => copy(line.textContent) }, "Copy"), h("span", { className: "muted" }, "beside the two unpacked files of the recipe"))));
}

async function copy(text) {
  await navigator.clipboard?.writeText(text).then(() => toast("Copied.", "note"), () => toast("The browser does not allow copying; select the text.", "note"));
}

on("download", ({ url, name }) => {
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
});
