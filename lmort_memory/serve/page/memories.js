// What is remembered, as a table: newest first and page by page, or the best for a question.

import { button, busy, closeDialog, empty, excerpt, field, fill, h, head, link, number, openDialog, plural,
  say, to, trouble, when } from "./dom.js";
import { asQuery, conditions, filterFields, NAMES } from "./filters.js";
import { askToForget } from "./forget.js";
import { api, withQuery } from "./http.js";

const PAGE = 50;
const COLUMNS = [["pick", "Select"], ["text", "Memory"], ["role", "Role"], ["scope", "Scope"],
  ["session", "Session"], ["when", "When"]];
const FORGETTABLE = ["scope", "session", "source", "where"];

export async function show(view, { query, signal }) {
  const { counts, fields } = await filterFields(query, signal);
  if (!counts.total) {
    fill(view, head("Memories", button("Add", addOne, "primary")),
      empty("Nothing is remembered yet", link("#/chat", "Chat"), " a little, ",
        link("#/import", "import"), " notes or exported chats, or write something down."));
    return;
  }
  const list = new List(query, signal);
  const search = h("input", { type: "search", name: "q", value: query.get("q") ?? "",
    placeholder: "Search by meaning or by words", autocomplete: "off", ariaLabel: "Search memories" });
  const used = () => NAMES.filter((name) => query.get(name)).length;
  const summary = h("summary", {}, "Filters");
  const details = h("details", { open: used() > 0 }, summary, fields,
    button("Clear filters", () => {
      for (const input of fields.querySelectorAll("input, select")) input.value = "";
      changed();
    }, "quiet"));
  const label = () => (summary.textContent = used() ? `Filters (${used()})` : "Filters");
  let waiting;
  const changed = () => {
    for (const [name, value] of new FormData(form)) {
      if (String(value).trim()) query.set(name, value);
      else query.delete(name);
    }
    label();
    history.replaceState(null, "", withQuery("#/memories", Object.fromEntries(query)));
    clearTimeout(waiting);
    waiting = setTimeout(() => list.first(), 180);
  };
  const form = h("form", { role: "search", className: "search", oninput: changed,
    onsubmit: (event) => event.preventDefault() }, search, details);
  label();
  fill(view, 
    head("Memories", list.forget, button("Add", addOne, "primary")),
    form, list.place);
  await list.first();
}

class List {
  constructor(query, signal) {
    this.query = query;
    this.signal = signal;
    this.chosen = new Set();
    this.pages = [null];
    this.asking = new AbortController();
    this.place = h("section", { ariaLabel: "Results" });
    this.forget = button("Forget…", () => this.askToForget());
    signal.addEventListener("abort", () => this.asking.abort());
  }

  first() {
    this.pages = [null];
    this.chosen.clear();
    return this.load();
  }

  async load() {
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.place.ariaBusy = "true";
    try {
      const rows = this.query.get("q")?.trim() ? await this.found(signal) : await this.page(signal);
      if (!signal.aborted) this.place.replaceChildren(...rows);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) dispatchEvent(new Event("unauthorized"));
      this.place.replaceChildren(trouble(error, () => this.load()));
    }
    this.place.ariaBusy = "false";
    this.label();
  }

  async found(signal) {
    const asked = { query: this.query.get("q"), top_k: PAGE, scope: "*", include_superseded: true, ...conditions(this.query) };
    const { hits } = await api("/api/search", { body: asked, signal });
    const said = hits.length ? `The ${plural(hits.length, "best match", "best matches")}` : "No match";
    say(said);
    if (!hits.length) return [empty("Nothing matches", "Try other words, or fewer filters.")];
    return [h("p", { className: "count" }, said), this.table(hits.map((hit) => hit.record))];
  }

  async page(signal) {
    const asked = asQuery(conditions(this.query));
    const before = this.pages.at(-1);
    const [found, counts] = await Promise.all([
      api("/api/records", { query: { ...asked, before, limit: PAGE }, signal }),
      api("/api/records/count", { query: asked, signal }),
    ]);
    if (!found.records.length && !before) {
      return [empty("Nothing matches these filters", "Clear a filter to see more.")];
    }
    const start = (this.pages.length - 1) * PAGE;
    const said = `${number(start + 1)}–${number(start + found.records.length)} of ${plural(counts.total, "memory", "memories")}`;
    say(said);
    const older = button("Older", () => this.turn(() => this.pages.push(found.next)));
    const newer = button("Newer", () => this.turn(() => this.pages.pop()));
    older.disabled = !found.next || start + found.records.length >= counts.total;
    newer.disabled = this.pages.length === 1;
    return [h("p", { className: "count" }, said), this.table(found.records),
      h("nav", { className: "pages", ariaLabel: "Pages" }, newer, older)];
  }

  async turn(change) {
    change();
    await this.load();
    scrollTo({ top: 0 });
    this.place.querySelector("tbody a")?.focus({ preventScroll: true });
  }

  table(records) {
    return h("table", { className: "records" },
      h("thead", {}, h("tr", {}, COLUMNS.map(([name, title]) =>
        h("th", { scope: "col", className: name }, name === "pick"
          ? h("span", { className: "unseen" }, title) : title)))),
      h("tbody", {}, records.map((record) => this.row(record))));
  }

  row(record) {
    const box = h("input", { type: "checkbox", checked: this.chosen.has(record.id),
      ariaLabel: `Select: ${excerpt(record.text, 60)}`, onchange: () => {
        this.chosen[box.checked ? "add" : "delete"](record.id);
        this.label();
      } });
    return h("tr", { className: record.superseded_by ? "past" : "", onclick: (event) => {
      if (!event.target.closest("a, input, td.pick") && !String(getSelection())) {
        location.hash = to("record", record.id);
      }
    } },
    h("td", { className: "pick" }, box),
    h("td", { className: "text" }, link(to("record", record.id), excerpt(record.text)),
      record.superseded_by && h("small", {}, "no longer holds")),
    h("td", { className: "role" }, record.role), h("td", { className: "scope" }, record.scope),
    h("td", { className: "session", title: record.session ?? "" }, record.session ?? ""),
    h("td", { className: "when" }, when(record.created_at)));
  }

  // What the button would forget: the chosen rows, or what the filters name and a forget can take.
  meant() {
    if (this.chosen.size) return { ids: [...this.chosen] };
    try {
      const found = conditions(this.query);
      const names = Object.keys(found);
      const exact = names.length && !this.query.get("q") && names.every((n) => FORGETTABLE.includes(n));
      return exact ? found : null;
    } catch {
      return null;
    }
  }

  label() {
    this.forget.disabled = !this.meant();
    this.forget.textContent = this.chosen.size ? `Forget ${number(this.chosen.size)}…` : "Forget…";
    this.forget.title = this.meant() ? "" : "Select rows, or filter by scope, session, source or metadata";
  }

  askToForget() {
    askToForget(this.meant(), () => this.first());
  }
}

function addOne() {
  const text = h("textarea", { rows: 5, required: true, name: "text" });
  const scope = h("input", { name: "scope", value: "default", required: true });
  const place = h("div");
  const save = h("button", { className: "primary" }, "Remember");
  const form = h("form", { onsubmit: (event) => {
    event.preventDefault();
    busy(save, place, async () => {
      const record = await api("/api/records", { body: { text: text.value, scope: scope.value } });
      closeDialog();
      location.hash = to("record", record.id);
    });
  } },
  field("Text", text), field("Scope", scope), place,
  h("div", { className: "actions" }, button("Cancel", closeDialog), save));
  openDialog("Remember something", form);
}
