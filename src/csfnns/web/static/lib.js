// What the rooms share: elements, the server, files to choose, jobs.

const TOKEN = "csfnns-token";
const STOPPED = ["The program behind this page has stopped.", "Start it again: csfnns web. It opens a new page."];
const NO_SESSION = [
  "This tab is not signed in.",
  "Use the link that csfnns web prints; it works once. For more tabs, press “Open another tab” in one that works.",
];
const UPLOAD_LIFE = 10 * 60 * 1000; // the server forgets uploads after 15 minutes

export const $ = (id) => document.getElementById(id);

/** Build an element. Functions listen, other values are attributes; false and null are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== false && child != null));
  return element;
}

export const button = (words, click, look = "") => h("button", { type: "button", class: look, click }, words);

/** Something that went wrong, in words for people. */
export class Problem extends Error {
  constructor({ kind, message, hint }, status = 0) {
    super(message);
    Object.assign(this, { kind, hint, status });
  }
}

export const notice = (message, hint, look = "bad") =>
  h("div", { class: `notice ${look}` }, h("p", {}, message), hint && h("p", {}, hint));

export const failure = (problem) => notice(problem.message, problem.hint);

/** An action whose failure is said in a place. */
export const attempt = (place, act) => async () => {
  place.replaceChildren();
  await act().catch((problem) => place.replaceChildren(failure(problem)));
};

function banner(message, hint) {
  const shown = message ? [notice(message, hint)] : [];
  if ($("banner").textContent !== [message, hint].join("")) $("banner").replaceChildren(...shown);
}

function stopped(error) {
  if (error.name === "AbortError") throw error;
  banner(...STOPPED);
  throw new Problem({ kind: "Stopped", message: "The program behind this page does not answer." });
}

/** Exchange the launch code of the address for a token, once. Returns whether this tab has a session. */
export async function signIn() {
  const launch = new URLSearchParams(location.hash.slice(1)).get("launch");
  if (launch) {
    history.replaceState(null, "", "/");
    try {
      const { token } = await getJson("/api/session", { json: { launch } });
      sessionStorage.setItem(TOKEN, token);
    } catch (problem) {
      if (!sessionStorage.getItem(TOKEN)) banner(...(problem.status ? NO_SESSION : STOPPED));
    }
  } else if (!sessionStorage.getItem(TOKEN)) banner(...NO_SESSION);
  return Boolean(sessionStorage.getItem(TOKEN));
}

/** Fetch from the server. Raises Problem, and AbortError where the signal was given up. */
export async function call(path, { method, json, body, headers, signal } = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const sent = json === undefined ? body : JSON.stringify(json);
  const request = { method: method ?? (sent === undefined ? "GET" : "POST"), body: sent, signal };
  request.headers = {
    ...(token && { Authorization: `Bearer ${token}` }),
    ...(json !== undefined && { "Content-Type": "application/json" }),
    ...headers,
  };
  let response;
  try {
    response = await fetch(path, request);
  } catch (error) {
    stopped(error);
  }
  if (response.ok) {
    banner();
    return response;
  }
  if (response.status === 401 && path !== "/api/session") banner(...NO_SESSION);
  const { error } = await response.json().catch(() => ({}));
  throw new Problem(error ?? { message: `The program refused this: ${response.status}.` }, response.status);
}

export const getJson = async (path, options) => (await call(path, options)).json();
/** What an address gives, as a blob's address that only this page can read. */
export const getUrl = async (path, options) => URL.createObjectURL(await (await call(path, options)).blob());

/** Let the browser save bytes of the server under the name that it gives. */
export async function save(path, options) {
  const response = await call(path, options);
  const name = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("Content-Disposition"))?.[1] ?? "csfnns.key";
  const url = URL.createObjectURL(await response.blob());
  h("a", { href: url, download: decodeURIComponent(name) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export function size(bytes) {
  const count = (unit) => Math.round(bytes / unit).toLocaleString("en");
  if (bytes < 10_000) return `${count(1)}\u00a0${bytes === 1 ? "byte" : "bytes"}`;
  return bytes < 10e6 ? `${count(1000)}\u00a0kB` : `${count(1e6)}\u00a0MB`;
}

/** What the server can do; filled at the start. */
export const about = { limits: { body: 64 * 2 ** 20 }, channels: [], profiles: [], results: [] };

let zones = 0;

/** A place for one file: a labelled file input that accepts drops. `chosen(file)` gets null when it is removed. */
export function dropZone({ label, hint, accept, chosen }) {
  const id = `zone-${++zones}`;
  const input = h("input", { type: "file", accept, "aria-label": label, "aria-describedby": id });
  const thumb = h("img", { alt: "", hidden: true, error: () => (thumb.hidden = true) });
  const name = h("strong", {}, label);
  const detail = h("span", { class: "muted" }, hint);
  const words = h("span", { class: "drop-words", id }, name, detail);
  const target = h("label", { class: "drop" }, input, thumb, words);
  const remove = button("Remove", () => take(null), "quiet remove");
  const problem = h("div", { role: "status" });
  const element = h("div", { class: "zone" }, target, remove, problem);
  const zone = { element, file: null, upload: null, clear: () => show(null) };
  remove.hidden = true;

  function show(file) {
    if (thumb.src) URL.revokeObjectURL(thumb.src);
    Object.assign(zone, { file, upload: null });
    input.value = "";
    thumb.hidden = !file?.type.startsWith("image/");
    if (thumb.hidden) thumb.removeAttribute("src");
    else thumb.src = URL.createObjectURL(file);
    name.textContent = file ? `${file.name}, ${size(file.size)}` : label;
    detail.textContent = file ? "" : hint;
    element.classList.toggle("full", Boolean(file));
    remove.hidden = !file;
    remove.setAttribute("aria-label", `Remove ${file?.name ?? ""}`);
    problem.replaceChildren();
  }
  function take(file) {
    if (file && file.size > about.limits.body) {
      const most = `At most ${size(about.limits.body)} can be read here.`;
      return problem.replaceChildren(notice(`${file.name} has ${size(file.size)}.`, most));
    }
    show(file);
    if (!file) input.focus();
    chosen(file);
  }
  zone.fail = (error) => problem.replaceChildren(failure(error));
  /** Id of the file at the server, which gets it when it is first needed, and again before it is forgotten. */
  zone.uploaded = async () => {
    if (!zone.upload || Date.now() - zone.upload.time > UPLOAD_LIFE) {
      const headers = { "X-Name": encodeURIComponent(zone.file.name), "Content-Type": "application/octet-stream" };
      const sending = getJson("/api/uploads", { body: zone.file, headers });
      zone.upload = { time: Date.now(), sending };
      sending.catch(() => (zone.upload = null));
    }
    return zone.upload.sending;
  };
  input.addEventListener("change", () => input.files.length && take(input.files[0]));
  target.addEventListener("dragover", () => target.classList.add("over"));
  for (const over of ["dragleave", "drop"]) target.addEventListener(over, () => target.classList.remove("over"));
  target.addEventListener("drop", (event) => event.dataTransfer.files.length && take(event.dataTransfer.files[0]));
  return zone;
}

// A file that misses its place must not replace the page.
for (const event of ["dragover", "drop"]) document.addEventListener(event, (each) => each.preventDefault());

async function* follow(id) {
  const response = await call(`/api/jobs/${id}/events`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read().catch(stopped);
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.trim()) yield JSON.parse(line);
  }
}

/**
 * Jobs of one room: its button starts what `describe()` gives. Then a bar, a button that cancels, and the outcome show.
 * `show(result)` gives elements. The id of the latest job is kept in the tab, so a reload finds it again.
 */
export function jobs({ room, words, describe, show, empty, lost, fail = failure }) {
  const place = $(`${room}-job`);
  const start = $(`${room}-go`);
  const bar = h("progress", { "aria-label": words });
  const status = h("span", { role: "status" });
  const stop = button("Cancel", cancel, "quiet");
  const progress = h("div", { class: "progress", hidden: true }, bar, h("div", { class: "title" }, status, stop));
  const outcome = h("div", { class: "outcome", "aria-live": "polite" });
  let running = null;
  const slot = `csfnns-job-${room}`;
  const nothing = () => outcome.replaceChildren(...(empty ? [h("p", { class: "muted" }, empty)] : []));
  const clear = () => running || nothing();
  const resume = () => sessionStorage.getItem(slot) && run(null);
  place.append(progress, outcome);
  clear();
  start.addEventListener("click", () => run(describe));
  document.addEventListener("keydown", (event) => event.key === "Escape" && place.offsetParent && cancel());

  function say(text) {
    if (status.textContent !== text) status.textContent = text;
  }
  function busy(on) {
    progress.hidden = !on;
    start.setAttribute("aria-disabled", String(on));
    say(on ? `${words}…` : "");
    bar.removeAttribute("value");
  }
  function cancel() {
    if (!running) return;
    say("Cancelling…");
    if (running.id) call(`/api/jobs/${running.id}`, { method: "DELETE" }).catch(() => {});
    else running.cancelled = true;
  }
  async function watch(id) {
    for await (const event of follow(id)) {
      if (event.state === "waiting") say(`Waiting: ${event.position} before it.`);
      else if (event.state === "running") {
        say(`${words}…`);
        if (event.total) Object.assign(bar, { max: event.total, value: event.done });
      } else return event;
    }
    throw new Problem({ kind: "Stopped", message: "The program stopped before the work was done." });
  }
  /** Start what `make` describes, or go on with the latest job; then show what becomes of it. */
  async function run(make) {
    if (running) return;
    const mine = (running = { id: make ? null : sessionStorage.getItem(slot) });
    outcome.replaceChildren();
    busy(true);
    try {
      const body = await make?.();
      if (body && !mine.cancelled) mine.id = (await getJson("/api/jobs", { json: body })).job;
      if (mine.id) sessionStorage.setItem(slot, mine.id);
      if (mine.cancelled && mine.id) cancel();
      const { state, result, error } = mine.id ? await watch(mine.id) : { state: "cancelled" };
      if (state === "failed") throw new Problem(error);
      const ended = state === "done" ? await show(result) : [notice("Cancelled. Nothing was kept.", null, "")];
      outcome.replaceChildren(...ended);
    } catch (problem) {
      const isForgotten = problem.status === 404;
      if (isForgotten) sessionStorage.removeItem(slot);
      if (isForgotten && make) lost();
      if (isForgotten && !make) nothing();
      else outcome.replaceChildren(fail(problem));
    }
    running = null;
    busy(false);
  }
  return { resume, clear, show: (...nodes) => running || outcome.replaceChildren(...nodes) };
}

/** A number and its unit stay on one line. */
export const unbroken = (text) => text.replace(/(\d) (?=dB|%|kB|MB|bytes?\b)/g, "$1\u00a0");
export const sentences = (lines) => lines.map((line) => h("p", {}, unbroken(line)));

export const download = (part, url, words) =>
  h("div", { class: "row" },
    h("a", { class: "button primary", href: url, download: part.name }, words),
    h("span", { class: "muted" }, `${part.name}, ${size(part.bytes)}`));
