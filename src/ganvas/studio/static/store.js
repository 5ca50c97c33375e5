// What the page knows: the server's state, the newest images, and what is chosen on the page alone.
const listeners = new Map();

export const store = {
  state: null, row: null, jobs: { jobs: [], ahead: 0 }, connected: false, recoverable: [], numbers: {},
  images: {}, strips: null,
  tool: "box", join: "new", brush: { size: 0.06, softness: 0.3 }, showMask: true, showBefore: false,
  pairs: [], moving: null, hovered: null, sliding: false, sketch: { color: "#b5651d", alpha: 1, size: 0.03, drawn: false, fidelity: 0.5 },
};

// Whether something runs that a person waits for.
export const running = () => store.jobs.jobs.some((job) => job.channel === "task");

export function on(name, listener) {
  if (!listeners.has(name)) listeners.set(name, []);
  listeners.get(name).push(listener);
}

export function emit(name, ...values) {
  for (const listener of listeners.get(name) ?? []) listener(...values);
}

export function set(changes) {
  Object.assign(store, changes);
  for (const key of Object.keys(changes)) emit(key);
}

window.__studio = store;
