// The frame: the address names what is shown, each view is a module, and the token is asked for once.

import { busy, field, h, say, trouble } from "./dom.js";
import { api, token } from "./http.js";
import * as chat from "./chat.js";
import * as imports from "./imports.js";
import * as map from "./map.js";
import * as memories from "./memories.js";
import * as record from "./record.js";
import * as sessions from "./sessions.js";
import * as status from "./status.js";

const VIEWS = {
  memories: memories.show,
  record: record.show,
  sessions: sessions.show,
  session: sessions.showOne,
  chat: chat.show,
  import: imports.show,
  map: map.show,
  status: status.show,
};
const TABS = { record: "memories", session: "sessions" };

const view = document.getElementById("view");
let leaving = new AbortController();

function address() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").map(decodeURIComponent);
  return { name: name in VIEWS ? name : "memories", rest, query: new URLSearchParams(query) };
}

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { name, rest, query } = address();
  for (const tab of document.querySelectorAll("nav a")) {
    if (tab.hash === `#/${TABS[name] ?? name}`) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.getElementById("dialog").close();
  const slow = setTimeout(() => view.replaceChildren(h("p", { className: "wait" }, "Loading…")), 400);
  try {
    await VIEWS[name](view, { rest, query, signal });
    if (signal.aborted) return;
    clearTimeout(slow);
    say(document.title);
    if (!view.contains(document.activeElement)) view.querySelector("h1")?.focus({ preventScroll: true });
  } catch (error) {
    if (signal.aborted) return;
    clearTimeout(slow);
    if (error.status === 401) askForToken();
    else view.replaceChildren(trouble(error, show));
  } finally {
    clearTimeout(slow);
  }
}

function askForToken() {
  const given = h("input", { type: "password", autocomplete: "off", required: true, name: "token" });
  const place = h("div");
  const enter = h("button", { className: "primary" }, "Unlock");
  const form = h("form", { className: "card narrow", onsubmit: (event) => {
    event.preventDefault();
    busy(enter, place, async () => {
      token.set(given.value.trim());
      await api("/api/status");
      show();
    });
  } },
  h("h1", {}, "This memory is locked"),
  h("p", {}, "Paste the token that ", h("code", {}, "lmort-mem serve --show-token"),
    " prints. It is kept until this tab is closed."),
  field("Token", given), place, h("div", { className: "actions" }, enter));
  view.replaceChildren(form);
  given.focus();
}

addEventListener("hashchange", takeToken);
addEventListener("unauthorized", askForToken);
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, textarea, select, dialog")) return;
  const search = document.querySelector("input[type=search]");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});

// `lmort-mem serve` prints an address that ends in #token=…; it must not stay in the history.
function takeToken() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (found) {
    token.set(decodeURIComponent(found[1]));
    history.replaceState(null, "", "#/memories");
  }
  if (location.hash !== "#view") show();
}

takeToken();
