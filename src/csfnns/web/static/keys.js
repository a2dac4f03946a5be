// The room Keys, and the open keys that the other rooms choose from.

import { $, about, attempt, button, call, dropZone, failure, getJson, getUrl, h, notice, save } from "./lib.js";

const CURRENT = "csfnns-key";
const SIZES = ["256x256", "512x512", "768x768", "1024x768", "1024x1024", "2048x2048"];
const UNSAVED = "csfnns-unsaved"; // ids of keys that were made here and are nowhere else

const HANDOVER = {
  conversation: () => [
    "One key for two ends",
    "Give the other end a copy of its file, in person or by a way that you trust. Whoever has it reads everything.",
  ],
  sender: ({ receivers }) => [
    `Hides for ${receivers.join(", ")}`,
    "Keep the key file to yourself. Give each receiver the file with their name, in person or by a way that you trust.",
  ],
  receiver: ({ owner }) => [
    `Key of ${owner}`,
    `It reveals what was hidden for ${owner}, and hides answers to the sender. Give it to nobody.`,
  ],
};

const unsaved = () => JSON.parse(sessionStorage.getItem(UNSAVED) ?? "[]");
const isUnsaved = (key) => !key.stored && unsaved().includes(key.id);
const wordsOf = (key) => key.check ?? key.words;
const openRoom = (room) => document.dispatchEvent(new CustomEvent("open-room", { detail: room }));

/** Give the focus of a button that has gone to something that stays; not where the person went on meanwhile. */
const catchFocus = (element) => document.activeElement === document.body && element.focus();

function setUnsaved(id, on) {
  const others = unsaved().filter((each) => each !== id);
  sessionStorage.setItem(UNSAVED, JSON.stringify(on ? [...others, id] : others));
}

/** The open keys. Rooms listen to "change". */
export const keyring = Object.assign(new EventTarget(), {
  open: [],
  stored: [],
  /** The key that is chosen in every room, or null. */
  current: () => keyring.open.find(({ id }) => id === sessionStorage.getItem(CURRENT)) ?? keyring.open[0] ?? null,
  changed: () => keyring.dispatchEvent(new Event("change")),
  async refresh() {
    Object.assign(keyring, await getJson("/api/keys"));
    keyring.changed();
  },
  async use(key) {
    sessionStorage.setItem(CURRENT, key.id);
    await keyring.refresh();
  },
  async make(choice) {
    const key = await getJson("/api/keys/new", { json: choice });
    setUnsaved(key.id, true);
    await keyring.use(key);
    return key;
  },
  async save(key, { receiver, passphrase } = {}) {
    const query = receiver ? `?receiver=${encodeURIComponent(receiver)}` : "";
    await save(`/api/keys/${key.id}/file${query}`, passphrase ? { json: { passphrase } } : {});
    if (!receiver) setUnsaved(key.id, false);
    keyring.changed();
  },
});

export function keyOption(key, selected) {
  const profile = key.profile === "standard" ? "" : `, ${key.profile}`;
  const words = wordsOf(key).split("-").slice(0, 2).join("-");
  return h("option", { value: key.id, selected }, `${key.label} (${words})${profile}, ${key.width}x${key.height}`);
}

/** Choose among the open keys, or get the first. `chosen(key)` hears of each other key, and of null without keys. */
export function keyPicker(place, { first, canMake, chosen }) {
  const select = h("select", { "aria-label": "Key", change: pick });
  const words = h("p", { class: "muted" });
  const unsavedNote = h("div", { role: "status" });
  const problem = h("div", { role: "alert" });
  const manage = button("Manage keys", () => openRoom("keys"), "quiet");
  const some = h("div", { class: "field" }, select, h("div", { class: "title" }, words, manage), unsavedNote);
  const make = canMake && button("Make a key", attempt(problem, makeFirst), "primary");
  const open = button("Open a key", () => openRoom("keys"), canMake ? "" : "primary");
  const none = h("div", { class: "field" }, h("p", { class: "muted" }, first), h("div", { class: "row" }, make, open));
  let last = false; // neither a key nor null: the first answer is heard in any case
  place.append(some, none, problem);
  keyring.addEventListener("change", update);

  function pick() {
    sessionStorage.setItem(CURRENT, select.value);
    keyring.changed();
  }
  async function makeFirst() {
    await keyring.make({ size: "512x512", profile: "standard", receivers: [] });
    catchFocus(select);
  }
  function update() {
    const key = keyring.current();
    some.hidden = !key;
    none.hidden = Boolean(key);
    select.replaceChildren(...keyring.open.map((each) => keyOption(each, each === key)));
    words.replaceChildren(...(key ? ["Its words: ", h("span", { class: "words" }, wordsOf(key))] : []));
    const warned = key && isUnsaved(key) ? key.id : "";
    if (unsavedNote.dataset.key !== warned) unsavedNote.replaceChildren(...(warned ? [warning(key)] : []));
    unsavedNote.dataset.key = warned;
    if ((key?.id ?? null) !== last) chosen(key);
    last = key?.id ?? null;
  }
  function warning(key) {
    const what = key.role === "sender" ? "a file for each receiver" : "a copy for the other end";
    const keep = attempt(problem, () => keyring.save(key).then(() => catchFocus(select)));
    return h("div", { class: "notice warn" },
      h("p", {}, "This key is new and saved nowhere."),
      h("p", {}, `Save it now, and ${what}: without it nobody can reveal what you hide.`),
      h("div", { class: "row" }, button("Save key file", keep)));
  }
}

// The list of open keys

const cards = new Map(); // id → card of a key, brought up to date in its place, so that saving moves no focus

function keyCard(key) {
  const [role, handover] = HANDOVER[key.role](key);
  const cover = h("img", { alt: "Check cover: the same picture at both ends" });
  const title = h("h4");
  const saved = h("p", { class: "muted" });
  const problem = h("div", { role: "alert" });
  const passphrase = h("input", { type: "password", autocomplete: "new-password" });
  const stem = /^(.*)\.key$/.exec(key.label)?.[1] ?? key.words;
  const name = h("input", { type: "text", value: stem, autocomplete: "off" });
  getUrl(`/api/keys/${key.id}/cover`).then((url) => (cover.src = url), () => {});

  async function keep() {
    const json = { name: name.value, passphrase: passphrase.value || null };
    await getJson(`/api/keys/${key.id}/store`, { json });
    setUnsaved(key.id, false);
    await keyring.refresh();
    say(notice(`Kept on this computer as ${name.value}. Only you can read the file.`, null, "good"));
  }
  async function forget() {
    const question = "This key is saved nowhere. Nobody can then reveal what was hidden with it. Forget it?";
    if (isUnsaved(key) && !confirm(question)) return;
    await call(`/api/keys/${key.id}`, { method: "DELETE" });
    setUnsaved(key.id, false);
    await keyring.refresh();
    catchFocus($("open-keys-title"));
  }
  const act = (words, does, look) => button(words, attempt(problem, does), look);
  const receivers = key.role === "sender" ? key.receivers : [];
  const element = h("li", { class: "card" },
    h("div", { class: "key" }, cover, h("div", {},
      title,
      h("p", {}, role),
      h("p", { class: "muted" }, `${key.width}x${key.height}, ${key.profile}`),
      saved)),
    h("p", {}, h("span", { class: "words" }, wordsOf(key)), h("br"),
      h("span", { class: "muted" }, "Read these words to each other: the same words mean the same key.")),
    h("p", { class: "muted" }, handover),
    h("div", { class: "row" },
      act("Save key file", () => keyring.save(key, { passphrase: passphrase.value })),
      receivers.map((receiver) => act(`Save for ${receiver}`, () => keyring.save(key, { receiver }))),
      act("Forget", forget, "quiet")),
    h("details", {}, h("summary", {}, "Protect it, or keep it on this computer"),
      h("form", { class: "grid", submit: attempt(problem, keep) },
        h("label", {}, "Passphrase for its file (optional)", passphrase),
        h("label", {}, "Name on this computer", name),
        h("button", {}, "Keep on this computer"))),
    problem);
  const update = (now) => {
    key = now;
    title.textContent = key.label;
    saved.textContent = key.stored ? `Kept here as ${key.stored}` : isUnsaved(key) ? "Saved nowhere yet" : "";
    saved.classList.toggle("alarm", isUnsaved(key));
  };
  return { element, update };
}

function showKeys() {
  const list = $("key-list");
  const shown = keyring.open.map((key) => {
    if (!cards.has(key.id)) cards.set(key.id, keyCard(key));
    const card = cards.get(key.id);
    card.update(key);
    return card.element;
  });
  if (!shown.length) shown.push(h("li", { class: "card muted" }, "No key is open. Make or open one."));
  if (shown.length !== list.children.length || shown.some((each, index) => each !== list.children[index]))
    list.replaceChildren(...shown);
  const stored = keyring.stored.map(({ name }) => button(`Open ${name}`, () => {
    const path = `/api/keys/stored/${encodeURIComponent(name)}/open`;
    openWith(name, (passphrase) => getJson(path, { json: { passphrase } }));
  }));
  const title = h("p", { class: "muted" }, "Kept on this computer:");
  $("stored-keys").replaceChildren(...(stored.length ? [title, h("div", { class: "row" }, stored)] : []));
}

// Making and opening

function say(...nodes) {
  $("keys-message").replaceChildren(...nodes);
  if (nodes.length) $("keys-message").scrollIntoView({ block: "nearest" });
}

/** Open a key, and ask for a passphrase where it needs one. `open(passphrase)` gives its description. */
async function openWith(name, open, passphrase = null) {
  const form = $("unlock-key");
  form.hidden = true;
  say();
  try {
    await keyring.use(await open(passphrase));
    say(notice(`${name} is open.`, null, "good"));
  } catch (error) {
    if (error.kind !== "PassphraseNeeded") say(failure(error));
    if (error.kind !== "PassphraseNeeded" && passphrase === null) return;
    form.hidden = false;
    form.onsubmit = () => openWith(name, open, $("unlock-passphrase").value);
    $("unlock-name").textContent = name;
    $("unlock-passphrase").value = "";
    $("unlock-passphrase").focus();
  }
}

const onSubmit = (form, act) => $(form).addEventListener("submit", attempt($("keys-message"), act));

function startNew() {
  const profile = $("new-profile");
  const help = () => about.profiles.find(({ name }) => name === profile.value)?.help;
  const explain = () => ($("new-profile-hint").textContent = help());
  const option = ({ name, available }) =>
    h("option", { value: name, disabled: !available }, available ? name : `${name} (not installed)`);
  for (const select of [profile, $("phrase-profile")]) select.append(...about.profiles.map(option));
  for (const select of [$("new-size"), $("phrase-size")])
    select.append(...SIZES.map((size) => h("option", { selected: size === "512x512" }, size)));
  profile.addEventListener("change", explain);
  explain();
  onSubmit("new-key", async () => {
    const receivers = $("new-receivers").value.split(/[\s,]+/).filter(Boolean);
    const key = await keyring.make({ size: $("new-size").value, profile: profile.value, receivers });
    $("new-receivers").value = "";
    say(notice(`${key.label} is made. Save it now.`, null, "good"));
  });
}

function startPhrase() {
  const phrase = $("phrase");
  let asked = 0;
  const show = (shown) => (phrase.type = shown ? "text" : "password");
  async function rate() {
    const mine = ++asked;
    $("weak").hidden = true;
    $("phrase-strength").textContent = "";
    await new Promise((done) => setTimeout(done, 300));
    if (mine !== asked || !phrase.value) return;
    const { verdict, hint } = await getJson("/api/keys/phrase/strength", { json: { passphrase: phrase.value } });
    if (mine === asked) $("phrase-strength").textContent = `This passphrase is ${verdict}. ${hint}`;
  }
  phrase.addEventListener("input", () => rate().catch(() => {}));
  $("phrase-show").addEventListener("change", ({ target }) => show(target.checked));
  $("phrase-new").addEventListener("click", async () => {
    phrase.value = (await getJson("/api/keys/phrase/new", { json: { words: 6 } })).phrase;
    show(($("phrase-show").checked = true));
    $("phrase-strength").textContent = "Write it down, and tell it to the other end.";
  });
  onSubmit("phrase-key", async () => {
    const choice = { size: $("phrase-size").value, profile: $("phrase-profile").value };
    const json = { passphrase: phrase.value, ...choice, allow_weak: $("phrase-weak").checked };
    try {
      await keyring.use(await getJson("/api/keys/phrase", { json }));
    } catch (error) {
      $("weak").hidden = error.kind !== "WeakPassphraseError";
      throw error;
    }
    phrase.value = $("phrase-strength").textContent = "";
    say(notice("The key of your passphrase is open. Compare its words with the other end.", null, "good"));
  });
}

export function startKeys() {
  document.addEventListener("submit", (event) => event.preventDefault());
  const zone = dropZone({ label: "Choose a key file", hint: "or drop it here", chosen: async (file) => {
    if (!file) return;
    const text = await file.text();
    const json = { text, name: file.name };
    await openWith(file.name, (passphrase) => getJson("/api/keys/open", { json: { ...json, passphrase } }));
    zone.clear();
  } });
  $("open-key").append(zone.element);
  startNew();
  startPhrase();
  keyring.addEventListener("change", showKeys);
  addEventListener("focus", () => keyring.refresh().catch(() => {})); // another tab may have opened or closed some
}
