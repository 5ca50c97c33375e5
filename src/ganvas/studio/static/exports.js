// Export: the image, the pasted-back photo, the recipe, films, strip and page of the edits, the command line that repeats it.
import { byId, h, openDialog } from "./dom.js";
import { send } from "./net.js";
import { on, store } from "./store.js";

const UNPACK = "python -m zipfile -e edit.recipe.zip .";

export function openExport() {
  const { base, operations, command, mp4 } = store.state;
  const ask = (what) => () => send("export", { what });
  const choice = (label, small, action) => h("button", { type: "button", onclick: action, "data-export": label }, label, h("small", {}, small));
  const film = (format, missing) => h("button", { type: "button", "data-film": format, disabled: Boolean(missing), title: missing || `A film as ${format.toUpperCase()}`, onclick: () => send("video", { format }) }, format.toUpperCase());
  const line = h("div", { className: "command", id: "command", tabIndex: 0 }, `${UNPACK}\n${command}`);
  openDialog(byId("export"), "Export",
    h("div", { className: "choices" },
      choice("Image", "PNG, as large as the generator makes it", ask("image")),
      base.photo ? choice("Photo", "your photo at its own size, with the edits in it", ask("photo")) : null,
      choice("Recipe", "opens again here; ganvas render makes the same pixels", ask("recipe"))),
    operations.length ? h("div", { className: "choices" },
      h("div", { className: "choice" }, "Film", h("small", {}, "from before to after"), h("div", { className: "group" }, film("webp"), film("gif"), film("mp4", mp4 ? "" : 'MP4 needs the package av: pip install "ganvas[video]"'))),
      choice("Strip", "before, three steps, after: one PNG", ask("strip")),
      choice("Page", "HTML in one file: every edit both ways, with its numbers", ask("page"))) : null,
    h("div", {}, h("div", { className: "row" }, h("h3", { className: "grow" }, "The command line that repeats it"),
      h("button", { type: "button", className: "plain small", id: "copy-command", onclick: (event) => copy(line.textContent, event.target) }, "Copy")), line,
    h("p", { className: "muted" }, "In the folder of the exported recipe.")));
}

async function copy(text, button) {
  const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  if (button.isConnected) button.textContent = copied ? "Copied" : "Select the text: this browser does not copy";
}

on("download", ({ url, name }) => {
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
});
