// The room Inspect: what an observer sees in a picture, and figures of experiments.

import { $, about, button, dropZone, failure, getJson, getUrl, h, jobs, sentences } from "./lib.js";
import { keyOption, keyring } from "./keys.js";

const CAPTIONS = {
  residual: "Residual: what a picture’s neighbours do not predict",
  energy: "Energy: where that is large",
  difference: "Difference between the two, ×10",
};
const COLOURS = ["#d23f3f", "#2f9e57", "#4a7de0"];
const number = (value, digits = 3) => (value == null ? "–" : value.toFixed(digits));

let picture;
let reference;

async function request() {
  if (!picture.file) {
    picture.element.querySelector("input").focus();
    throw new Error("There is no picture yet. Choose one.");
  }
  const id = async (zone) => (zone.file ? (await zone.uploaded()).id : null);
  const [upload, second] = await Promise.all([id(picture), id(reference)]);
  return { kind: "inspect", upload, reference: second, key: $("inspect-key").value || null };
}

async function found(result) {
  const parts = await Promise.all(Object.entries(result.parts).map(async ([name, part]) => {
    const caption = CAPTIONS[name] ?? name;
    return h("figure", {}, h("img", { src: await getUrl(part.url), alt: caption }), h("figcaption", {}, caption));
  }));
  return [
    h("div", { class: "notice" }, sentences(result.sentences)),
    h("div", { class: "trio" }, parts),
    h("figure", {}, histogram(result.histogram), h("figcaption", {}, "Histogram: how often each level occurs")),
    ...scores(result.scores),
  ].filter(Boolean);
}

function histogram(counts) {
  const name = "Histogram of the levels in red, green and blue";
  const canvas = h("canvas", { class: "histogram", width: 1024, height: 256, role: "img", "aria-label": name });
  const paper = canvas.getContext("2d");
  const most = Math.max(1, ...counts.flatMap((channel) => channel.slice(1, 255)));
  counts.forEach((channel, index) => {
    paper.beginPath();
    channel.forEach((count, level) => paper.lineTo(level * 4 + 2, 250 - 240 * Math.min(1, count / most)));
    paper.strokeStyle = COLOURS[index];
    paper.lineWidth = 3;
    paper.stroke();
  });
  return canvas;
}

function scores(all) {
  const rows = all.filter((row) => row.score != null || !row.reason);
  const withCover = rows.some((row) => row.cover_score != null);
  const cells = (row) => [number(row.score), withCover && number(row.cover_score), number(row.threshold), row.verdict];
  const heads = ["Detector", "This picture", withCover && "Plain cover", "Suspects above", "Verdict"].filter(Boolean);
  const line = (row) => h("tr", {},
    h("th", { scope: "row" }, row.detector, [row.help, row.false_alarms].map((each) => each && h("small", {}, each))),
    cells(row).filter(Boolean).map((each) => h("td", {}, each)));
  const table = h("table", {},
    h("thead", {}, h("tr", {}, heads.map((each) => h("th", { scope: "col" }, each)))),
    h("tbody", {}, rows.map(line)));
  const absent = all.filter((row) => !rows.includes(row));
  const why = absent.map(({ detector, reason }) => h("li", {}, `${detector}: ${reason}`));
  return [
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Scores of the detectors" }, table),
    why.length > 0 && h("details", {}, h("summary", {}, "Not available here"), h("ul", { class: "muted" }, why)),
  ];
}

async function openFolder({ id }, job) {
  const folder = await getJson(`/api/results-folders/${id}`);
  const shown = folder.figures.map(({ title, svg, sentence }) => {
    // As an image, a drawing can neither run anything nor ask for anything.
    const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
    return h("figure", {}, h("h4", {}, title), h("img", { src: url, alt: title }), h("figcaption", {}, sentence));
  });
  job.show(h("h4", {}, folder.name), ...shown);
}

export function startInspect() {
  const job = jobs({
    room: "inspect",
    words: "Inspecting",
    describe: request,
    empty: "Nothing yet. Choose a picture and press Inspect.",
    show: found,
    lost: () => (picture.upload = reference.upload = null),
  });
  const zone = (label, hint) => dropZone({ label, hint, accept: "image/*", chosen: job.clear });
  picture = zone("Choose a picture to inspect", "or drop it here");
  reference = zone("Choose one to compare it with", "if you have it, such as the cover");
  $("inspect-picture").append(picture.element);
  $("inspect-reference").append(reference.element);
  $("inspect-folders").hidden = !about.results.length;
  const open = (folder) => openFolder(folder, job).catch((problem) => job.show(failure(problem)));
  $("folder-list").append(...about.results.map((folder) => button(folder.name, () => open(folder))));
  keyring.addEventListener("change", () => {
    const chosen = $("inspect-key").value;
    const options = keyring.open.map((key) => keyOption(key, key.id === chosen));
    $("inspect-key").replaceChildren(h("option", { value: "" }, "No key"), ...options);
  });
  return job;
}
