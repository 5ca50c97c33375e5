// The WebSocket: messages out, JSON and image frames in. A lost connection comes back by itself, to the same session.
import { emit, set, store } from "./store.js";

let socket = null;
let wait = 300;
const queue = [];
const live = { message: null, outstanding: -Infinity };
const newest = new Map();

export function connect() {
  const known = sessionStorage.getItem("session") ?? "";
  socket = new WebSocket(`ws://${location.host}/ws?session=${known}`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    wait = 300;
    set({ connected: true });
    for (const message of queue.splice(0)) socket.send(JSON.stringify(message));
  };
  socket.onmessage = ({ data }) => (typeof data === "string" ? readText(data) : readFrame(data));
  socket.onclose = () => {
    set({ connected: false });
    live.outstanding = -Infinity;
    setTimeout(connect, wait);
    wait = Math.min(wait * 1.7, 4000);
  };
}

export function send(action, content = {}) {
  const message = { do: action, ...content };
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  else if (queue.length < 50) queue.push(message);
}

// At most one request is out at a time; of those that come meanwhile, the newest is sent next.
export function sendLive(action, content) {
  live.message = [action, content];
  if (performance.now() - live.outstanding > 1500) nextLive();
}

export function sendLast(action, content) {
  live.message = null;
  send(action, { ...content, live: false });
}

function nextLive() {
  live.outstanding = -Infinity;
  if (!live.message) return;
  const [action, content] = live.message;
  live.message = null;
  live.outstanding = performance.now();
  send(action, { ...content, live: true });
}

function readText(text) {
  const { type, ...content } = JSON.parse(text);
  if (type === "state") {
    sessionStorage.setItem("session", content.session);
    set({ state: content });
  } else if (type === "row") set({ row: content.row });
  else if (type === "jobs") set({ jobs: content });
  else if (type === "recoverable") set({ recoverable: content.sessions });
  else emit(type, content);
}

async function readFrame(data) {
  const length = new DataView(data).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const bytes = new Uint8Array(data, 4 + length);
  const order = (newest.get(header.key) ?? 0) + 1;
  newest.set(header.key, order);
  const bitmap = bytes.length ? await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none" }) : null;
  if (newest.get(header.key) !== order) return; // a newer one is there, or on its way
  if (header.type === "image") nextLive();
  emit(`frame:${header.type}`, header, bitmap, bytes);
}

export async function upload(kind, file, options = {}) {
  const query = new URLSearchParams({ name: file.name ?? "pasted.png", options: JSON.stringify(options) });
  const answer = await fetch(`/upload/${kind}/${store.state.session}?${query}`, { method: "POST", body: file });
  if (!answer.ok) emit("error", { text: (await answer.json().catch(() => ({}))).error ?? "The file was refused." });
  return answer.ok;
}
