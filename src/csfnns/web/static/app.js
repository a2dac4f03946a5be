// Signs in, then opens the rooms and moves between them.

import { $, about, failure, getJson, signIn } from "./lib.js";
import { keyring, startKeys } from "./keys.js";
import { startHide } from "./hide.js";
import { startReveal } from "./reveal.js";
import { startInspect } from "./inspect.js";

const ROOMS = ["hide", "reveal", "keys", "inspect"];

/** Show a room; the address remembers it for a reload. */
function open(room, { focus = false } = {}) {
  for (const each of ROOMS) {
    const tab = $(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === room));
    tab.tabIndex = each === room ? 0 : -1;
    $(`room-${each}`).hidden = each !== room;
    if (each === room && focus) tab.focus();
  }
  scrollTo(0, 0);
  history.replaceState(null, "", `#${room}`);
}

function startTabs() {
  for (const [index, room] of ROOMS.entries()) {
    const moves = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: -1 };
    $(`tab-${room}`).addEventListener("click", () => open(room));
    $(`tab-${room}`).addEventListener("keydown", ({ key }) => {
      if (key in moves) open(ROOMS.at(moves[key] % ROOMS.length), { focus: true });
    });
  }
  document.addEventListener("open-room", ({ detail }) => open(detail, { focus: true }));
  const wanted = location.hash.slice(1);
  open(ROOMS.includes(wanted) ? wanted : "hide");
}

async function anotherTab() {
  const { link } = await getJson("/api/launch", { method: "POST" });
  window.open(link, "_blank", "noopener");
}

async function start() {
  const signedIn = await signIn();
  startTabs();
  if (!signedIn) return;
  Object.assign(about, await getJson("/api/about"));
  startKeys();
  const rooms = [startHide(), startReveal(), startInspect()];
  await keyring.refresh();
  document.body.classList.remove("closed");
  $("another-tab").addEventListener("click", () => anotherTab().catch(() => {}));
  for (const room of rooms) room.resume();
}

start().catch((problem) => $("banner").replaceChildren(failure(problem)));
