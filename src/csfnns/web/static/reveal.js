// The room Reveal: a picture and a key; nothing that comes out is ever opened or run.

import { $, download, dropZone, failure, getUrl, h, jobs, sentences } from "./lib.js";
import { keyPicker } from "./keys.js";

const TEXT = "The text that was hidden";
const UNCHANGED = "Unchanged: it arrived as it was sent.";

let key = null;
let zone;

function useKey(next) {
  key = next;
  const several = key?.role === "sender";
  $("reveal-whose").hidden = !several;
  const answers = h("option", { value: "" }, "Answers to me");
  const names = several ? key.receivers.map((name) => h("option", { value: name }, `What ${name} gets`)) : [];
  $("reveal-receiver").replaceChildren(answers, ...names);
}

async function request() {
  if (!key) throw new Error("There is no key yet. Open the one that goes with the picture.");
  if (!zone.file) {
    zone.element.querySelector("input").focus();
    throw new Error("There is no picture yet. Choose the one that you received.");
  }
  const { id } = await zone.uploaded();
  return { kind: "reveal", key: key.id, upload: id, receiver: $("reveal-receiver").value || null };
}

async function found(result) {
  const { secret, preview } = result.parts;
  const url = await getUrl(secret.url);
  const picture = preview ? await getUrl(preview.url) : result.kind === "picture" ? url : null;
  const changed = result.state === "changed";
  const lines = changed ? result.sentences.toReversed() : [UNCHANGED, ...result.sentences];
  return [
    h("div", { class: `notice ${changed ? "warn" : "good"}` }, sentences(lines)),
    picture && h("img", { class: "found", src: picture, alt: "The picture that was hidden" }),
    result.text != null && h("pre", { tabindex: 0, role: "region", "aria-label": TEXT }, result.text),
    result.kind === "file" && h("p", {}, "A file can do harm, whoever sent it. Open it only if you expect it."),
    download(secret, url, `Save ${result.kind}`),
    h("p", { class: "muted" }, `Message ${result.message}: the sender sees the same name.`),
  ].filter(Boolean);
}

function failed(problem) {
  if (problem.kind !== "NoMessageError") return failure(problem);
  const hint = problem.hint.replace("made with --profile robust", "whose purpose is robust"); // as in Keys
  return h("div", { class: "notice bad" }, sentences(["Not for this key.", problem.message, hint]));
}

export function startReveal() {
  const job = jobs({
    room: "reveal",
    words: "Revealing",
    describe: request,
    empty: "Nothing yet. What comes out appears here, and stays on this computer.",
    show: found,
    fail: failed,
    lost: () => (zone.upload = null),
  });
  const label = "Choose the picture you received";
  zone = dropZone({ label, hint: "or drop it here", accept: "image/*", chosen: job.clear });
  $("reveal-picture").append(zone.element);
  const first = "Open the key that goes with the picture: the file that you got, or a passphrase.";
  keyPicker($("reveal-key"), { first, chosen: useKey });
  return job;
}
