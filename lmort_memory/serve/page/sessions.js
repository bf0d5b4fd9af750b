// Sessions, the one spoken in last first; and one of them, read from the top.

import { button, empty, excerpt, fill, h, head, link, number, plural, to, when } from "./dom.js";
import { askToForget } from "./forget.js";
import { api } from "./http.js";
import { turns } from "./record.js";

const PAGE = 50;
const COLUMNS = [["text", "Begins with"], ["session", "Session"], ["scope", "Scope"],
  ["turns-of", "Turns"], ["when", "Last"]];

export async function show(view, { query, signal }) {
  const offset = Number(query.get("offset")) || 0;
  const found = await api("/api/sessions", { query: { offset, limit: PAGE }, signal });
  const page = (at) => () => (location.hash = `#/sessions?offset=${at}`);
  const newer = button("Newer", page(Math.max(0, offset - PAGE)));
  const older = button("Older", page(found.next));
  newer.disabled = !offset;
  older.disabled = found.next == null;
  fill(view, head("Sessions"), found.sessions.length
    ? h("table", { className: "records" },
      h("thead", {}, h("tr", {}, COLUMNS.map(([name, title]) =>
        h("th", { scope: "col", className: name }, title)))),
      h("tbody", {}, found.sessions.map((one) => h("tr", { onclick: (event) => {
        if (!event.target.closest("a")) location.hash = to("session", one.session, one.scope);
      } },
      h("td", { className: "text" }, link(to("session", one.session, one.scope), excerpt(one.first.text, 140))),
      h("td", { className: "session" }, one.session), h("td", { className: "scope" }, one.scope),
      h("td", { className: "turns-of" }, plural(one.turns, "turn")),
      h("td", { className: "when" }, when(one.last_at))))))
    : empty("No sessions yet", "A ", link("#/chat", "chat"), " or an ", link("#/import", "imported"),
      " conversation appears here."),
  (offset > 0 || found.next != null) && h("nav", { className: "pages", ariaLabel: "Pages" }, newer, older));
}

export async function showOne(view, { rest: [session, scope], signal }) {
  const chosen = { session, scope };
  const place = h("div");
  const earlier = button("Earlier turns", () => load());
  let before = null;
  let shown = [];
  async function load() {
    const found = await api("/api/records", { query: { ...chosen, before, limit: PAGE }, signal });
    shown = [...found.records.toReversed(), ...shown];
    before = found.next;
    earlier.hidden = !before;
    place.replaceChildren(turns(shown));
  }
  await load();
  const counts = await api("/api/records/count", { query: chosen, signal });
  fill(view, 
    head(session, link(`#/memories?${new URLSearchParams(chosen)}`, "As a table"),
      link(`#/chat?${new URLSearchParams(chosen)}`, "Continue"),
      button("Forget…", () => askToForget(chosen, () => (location.hash = "#/sessions")), "danger")),
    h("p", { className: "count" }, `${number(counts.total)} ${counts.total === 1 ? "turn" : "turns"} in ${scope}`),
    shown.length ? [earlier, place] : empty("This session is empty", "Its turns were forgotten."));
}
