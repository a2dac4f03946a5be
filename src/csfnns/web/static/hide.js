// The room Hide: a key, a secret for each receiver, a cover, a live preview, and the job.

import { $, about, call, download, dropZone, failure, getJson, getUrl, h, jobs } from "./lib.js";
import { notice, sentences, unbroken } from "./lib.js";
import { keyPicker } from "./keys.js";

const CLARITY = [[36, "clear"], [31, "good"], [26, "fair"], [-Infinity, "poor"]]; // as the command line says it
const TAB = crypto.randomUUID(); // a newer preview of a tab cancels its older ones at the server
const ALBUM = "A picture of your album is drawn when you hide.";
const FRESH = "It goes into one of these, made from your key just now. Each is used once.";

let key = null;
let fields = []; // a secret for each receiver
let quality = null; // dB, or null for what the program chooses
let sent = null; // cover of the latest job
let job;

const receiversOf = (each) => (each?.role === "sender" ? each.receivers : [""]);
const given = () => fields.filter((field) => !field.isEmpty());

// Secrets

/** What one receiver gets: a file or a text. */
function secretField(receiver) {
  const to = receiver ? ` for ${receiver}` : "";
  const zone = dropZone({ label: `Choose a photo or file${to}`, hint: "or drop it here", chosen });
  const text = h("textarea", { "aria-label": `Your text${to}`, placeholder: "Write here", input: typed, hidden: true });
  const radio = { type: "radio", name: `secret-${receiver}` };
  const choice = (words, on) =>
    h("label", { class: "check" }, h("input", { ...radio, checked: !on, change: () => turn(on) }), words);
  const legend = h("legend", { class: receiver ? "" : "unseen" }, receiver ? `For ${receiver}` : "Kind of secret");
  const choices = h("div", { class: "row" }, choice("Photo or file", false), choice("Text", true));
  const field = { receiver, zone, isPicture: false };
  let typing;

  async function chosen(file) {
    field.isPicture = false;
    if (file) {
      await zone.uploaded().then(({ kind }) => (field.isPicture = kind === "picture"), zone.fail);
      if (zone.file !== file) return;
    }
    changed();
  }
  function typed() {
    clearTimeout(typing);
    typing = setTimeout(changed, 250);
  }
  function turn(toText) {
    text.hidden = !toText;
    zone.element.hidden = toText;
    changed();
  }
  return Object.assign(field, {
    element: h("fieldset", { class: "field" }, legend, choices, zone.element, text),
    isEmpty: () => (text.hidden ? !zone.file : !text.value),
    hasPicture: () => text.hidden && field.isPicture,
    focus: () => (text.hidden ? zone.element.querySelector("input") : text).focus(),
    payload: async () => (text.hidden ? { upload: (await zone.uploaded()).id } : { text: text.value }),
  });
}

function useKey(next) {
  const sameReceivers = fields.length && receiversOf(key).join() === receiversOf(next).join();
  key = next;
  if (!sameReceivers) {
    fields = receiversOf(key).map(secretField);
    $("hide-secrets").replaceChildren(...fields.map((field) => field.element));
  }
  $("hide-survive").hidden = key?.profile !== "robust";
  job.clear();
  moreCovers();
}

// Covers

const covers = { asked: null, receiver: "" }; // covers for one receiver differ from those for several

const tile = () => document.querySelector("#hide-covers :checked");
const cover = () => (tile()?.disabled ? null : (tile()?.value ?? null));
const onlyReceiver = () => (given().length === 1 ? given()[0].receiver : "");

async function moreCovers() {
  covers.asked?.abort();
  const mine = (covers.asked = new AbortController());
  covers.receiver = onlyReceiver();
  const isAlbum = key?.generator === "folder";
  $("hide-more").hidden = !key || isAlbum;
  $("hide-cover-hint").textContent = isAlbum ? ALBUM : key ? FRESH : "They appear here once there is a key.";
  const tiles = Array.from({ length: isAlbum ? 0 : 8 }, () => h("div", { class: "tile" }));
  $("hide-covers").replaceChildren(...tiles);
  refresh({ restart: true });
  if (!key || isAlbum) return;
  try {
    const json = { key: key.id, count: 8, receivers: covers.receiver ? [covers.receiver] : [] };
    const made = await getJson("/api/covers", { json, signal: mine.signal });
    const images = made.covers.map(({ id }, index) => {
      const radio = { type: "radio", name: "cover", value: id, "aria-label": `Cover ${index + 1}` };
      const image = h("img", { alt: "" });
      const pick = h("input", { ...radio, checked: index === 0, change: () => changed() });
      tiles[index].replaceWith(h("label", { class: "tile" }, image, pick));
      return image;
    });
    refresh({ restart: true });
    await Promise.all(images.map(async (image, index) => {
      image.src = await getUrl(`/api/covers/${made.covers[index].id}`, { signal: mine.signal });
      await image.decode();
      URL.revokeObjectURL(image.src);
      if (whyNone() !== null) refresh({ restart: true });
    }));
  } catch (problem) {
    if (problem.name !== "AbortError") $("hide-covers").replaceChildren(failure(problem));
  }
}

/** After a message, its cover is shown still, but another is taken for the next. */
function nextCover() {
  const fresh = document.querySelector("#hide-covers input:enabled");
  if (!fresh) return moreCovers();
  fresh.checked = true;
  return refresh({ restart: true });
}

// Preview

const preview = { running: null, again: false, retried: false };

/** Why there is no preview, or null where there is one. */
function whyNone() {
  if (!key || !cover()) return "";
  if (!given().length) return "Choose what to hide, and see here how it will look.";
  if (key.profile !== "standard") return "With this key there is no preview: hiding takes a while.";
  const usual = ["", "trellis"].includes($("hide-method").value) && $("hide-format").value !== "jpg";
  return usual ? null : "There is no preview of this method: it is measured when you hide.";
}

/** Somebody changed what is hidden, where, or how. */
function changed({ restart = true } = {}) {
  job.clear();
  if (onlyReceiver() !== covers.receiver) moreCovers();
  else if (tile()?.disabled) nextCover();
  else refresh({ restart });
}

/** Bring the preview up to date; while one is made, the next waits for it unless that would show something else. */
function refresh({ restart }) {
  const none = whyNone();
  $("hide-quality").hidden = given().length > 0 && (none !== null || !given()[0].hasPicture());
  $("quality").disabled = $("quality-auto").disabled = none !== null;
  if (restart) preview.running?.abort();
  if (none === null && preview.running && !preview.running.signal.aborted) preview.again = true;
  else if (none === null) show();
  else showNone(none);
}

function showNone(words) {
  preview.again = false;
  for (const canvas of document.querySelectorAll("#hide-preview canvas")) canvas.width = canvas.height = 1;
  const image = tile()?.previousElementSibling;
  if (image) drawOn("stego", image.naturalWidth, image.naturalHeight, (paper) => paper.drawImage(image, 0, 0));
  $("preview-words").textContent = words;
  $("preview-arrives").parentElement.classList.remove("gone");
  $("hide-preview").classList.remove("stale");
}

async function show() {
  const mine = (preview.running = new AbortController());
  preview.again = false;
  const [field] = given();
  $("hide-preview").classList.add("stale");
  try {
    const payload = await field.payload();
    const resize = Number($("hide-resize").value) || null;
    const json = { key: key.id, cover: cover(), ...payload, quality: field.hasPicture() ? quality : null, resize };
    const response = await call("/api/preview", { json, headers: { "X-Tab": TAB }, signal: mine.signal });
    const words = unbroken(draw(await response.arrayBuffer()));
    $("preview-words").textContent = fields.length > 1 ? `For ${field.receiver}: ${words}` : words;
    preview.retried = false;
  } catch (problem) {
    if (mine.signal.aborted) return;
    if (problem.status === 404 && !preview.retried) {
      preview.retried = true;
      lost();
    } else showNone([problem.message, problem.hint].filter(Boolean).join(" "));
  }
  if (preview.running !== mine || mine.signal.aborted) return;
  preview.running = null;
  $("hide-preview").classList.remove("stale");
  if (preview.again) refresh({ restart: false });
}

function drawOn(name, width, height, paint) {
  const canvas = $(`preview-${name}`);
  Object.assign(canvas, { width: Math.max(1, width), height: Math.max(1, height) });
  if (width) paint(canvas.getContext("2d"));
}

/** Draw what the server sent: the length of a description, the description, then pixels. Returns the words for it. */
function draw(bytes) {
  const length = new DataView(bytes).getUint32(0);
  const found = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  let start = 4 + length;
  for (const [name, { width, height }] of [["stego", found], ["difference", found], ["arrives", found.arrives]]) {
    const pixels = new Uint8ClampedArray(bytes, start, 4 * width * height);
    drawOn(name, width, height, (paper) => paper.putImageData(new ImageData(pixels, width, height), 0, 0));
    start += pixels.length;
  }
  $("preview-arrives").parentElement.classList.toggle("gone", !found.arrives.width);
  return found.sentence;
}

function setQuality(value) {
  quality = value;
  const words = value === null ? "Automatic" : `${value}\u00a0dB, ${CLARITY.find(([least]) => value >= least)[1]}`;
  $("quality-words").textContent = words;
  $("quality").setAttribute("aria-valuetext", words);
  $("quality-auto").classList.toggle("gone", value === null);
}

// The job

async function request() {
  const filled = given();
  if (!key) {
    $("hide-key").querySelector(".primary").focus();
    throw new Error("There is no key yet. Make one, or open one.");
  }
  if (!filled.length) {
    fields[0].focus();
    throw new Error("There is nothing to hide yet. Choose a photo or file, or write a text.");
  }
  if (tile()?.disabled || onlyReceiver() !== covers.receiver) await (tile()?.disabled ? nextCover() : moreCovers());
  const payloads = await Promise.all(filled.map(async (field) => [field.receiver, await field.payload()]));
  const survive = [...$("hide-channels").querySelectorAll(":checked")].map((each) => each.value);
  sent = cover();
  return {
    kind: "hide",
    key: key.id,
    cover: sent,
    payloads: Object.fromEntries(payloads),
    quality: $("hide-quality").hidden ? null : quality,
    format: $("hide-format").value,
    method: $("hide-method").value || null,
    survive: key.profile === "robust" ? survive : [],
    resize: Number($("hide-resize").value) || null,
    dated: !$("hide-undated").checked,
  };
}

async function ready(result) {
  const used = document.querySelector(`#hide-covers [value="${sent}"]`);
  if (used) Object.assign(used, { disabled: true, ariaLabel: "Cover that was used" });
  const { stego } = result.parts;
  const url = await getUrl(stego.url);
  return [
    h("div", { class: "notice good" }, sentences(result.sentences)),
    ...(result.warnings ?? []).map((warning) => notice(warning, null, "warn")),
    h("img", { class: "found", src: url, alt: "The picture to send" }),
    download(stego, url, "Save picture"),
  ];
}

/** The server has forgotten something: give it again. */
function lost() {
  for (const field of fields) field.zone.upload = null;
  moreCovers();
}

export function startHide() {
  job = jobs({ room: "hide", words: "Hiding", describe: request, show: ready, lost });
  const channel = ({ name, help }) =>
    h("label", { class: "check" }, h("input", { type: "checkbox", value: name, change: () => changed() }),
      h("span", { class: "capital" }, name.includes(":") ? `${help} (${name})` : help));
  const ways = about.channels.toSorted((a, b) => a.name.includes(":") - b.name.includes(":")); // services first
  $("hide-channels").append(...ways.map(channel));
  $("hide-more").addEventListener("click", moreCovers);
  $("quality").addEventListener("input", ({ target }) => {
    setQuality(Number(target.value));
    changed({ restart: false });
  });
  $("quality").addEventListener("change", () => preview.again && changed());
  $("quality-auto").addEventListener("click", () => {
    setQuality(null);
    $("quality").focus();
    changed();
  });
  for (const id of ["hide-format", "hide-method", "hide-resize"]) $(id).addEventListener("change", () => changed());
  $("hide-preview").addEventListener("contextmenu", (event) => event.preventDefault()); // a preview is not to be saved
  setQuality(null);
  keyPicker($("hide-key"), {
    first: "You need a key, and so does the other end. Make one and give them a copy, or open the one that you got.",
    canMake: true,
    chosen: useKey,
  });
  return job;
}
