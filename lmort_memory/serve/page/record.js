// One memory with everything that is known about it.

import { button, busy, excerpt, facts, field, fill, h, head, link, openDialog, closeDialog, percent, plural,
  say, to, when } from "./dom.js";
import { askToForget } from "./forget.js";
import { api } from "./http.js";

const USED_SHOWN = 10;

export async function show(view, { rest: [id], signal }) {
  const path = `/api/records/${encodeURIComponent(id)}`;
  const found = await api(path, { signal });
  const { record } = found;
  const again = () => show(view, { rest: [id], signal });
  fill(view, 
    head("Memory",
      button("Edit", () => edit(record, again)),
      !record.superseded_by && button("Correct", () => correct(record)),
      button("Forget…", () => askToForget({ ids: [id] }, () => (location.hash = "#/memories")), "danger")),
    record.superseded_by && h("p", { className: "note" }, "This no longer holds and is not recalled: ",
      link(to("record", record.superseded_by), "what took its place"), "."),
    h("article", { className: "card memory" }, h("p", { className: "whole" }, record.text)),
    h("div", { className: "columns" },
      h("section", {}, h("h2", {}, "About"), about(found)),
      h("section", {}, h("h2", {}, "Vectors"), vectors(found),
        h("h2", {}, "History"), history(found.history))),
    h("section", {}, h("h2", {}, "In its session"), neighbours(found)),
    h("section", {}, h("h2", {}, "Used in"), await usedIn(found.used_in, signal)));
}

function about({ record }) {
  const listing = (name, value) => value && link(`#/memories?${new URLSearchParams({ [name]: value })}`, value);
  const { source } = record;
  return facts([
    ["Role", record.role],
    ["Scope", listing("scope", record.scope)],
    ["Session", record.session && link(to("session", record.session, record.scope), record.session)],
    ["Remembered", when(record.created_at, { long: true })],
    ["Changed", record.updated_at === record.created_at ? null : when(record.updated_at, { long: true })],
    ["Holds from", record.valid_from && when(record.valid_from, { long: true })],
    ["Held until", record.valid_to && when(record.valid_to, { long: true })],
    ["Expires", record.expires_at && when(record.expires_at, { long: true })],
    ["Source", source && listing("source", source.uri)],
    ["Part of it", source && source.start != null && `characters ${source.start} to ${source.end}`],
    ["Metadata", Object.keys(record.metadata).length > 0 &&
      h("code", { className: "json" }, JSON.stringify(record.metadata, null, 1))],
    ["Id", h("code", {}, record.id)],
  ]);
}

function vectors({ vectors: found, pending }) {
  return h("div", {},
    pending && h("p", { className: "note" }, "Its vectors are still to be made. Until then it is found by its words."),
    found.length
      ? h("ul", { className: "plain" }, found.map((one) =>
        h("li", {}, `${plural(one.chunks, "chunk")} in `, h("code", {}, one.space))))
      : !pending && h("p", { className: "quiet" }, "None."));
}

function history(versions) {
  if (versions.length < 2) return h("p", { className: "quiet" }, "Never changed.");
  return h("ol", { className: "versions" }, versions.toReversed().map((one, i) =>
    h("li", {}, h("p", { className: "quiet" }, i ? "" : "Now, since ", when(one.updated_at, { long: true })),
      h("p", { className: "whole" }, excerpt(one.text, 600)))));
}

function neighbours({ record, neighbours: around }) {
  if (!record.session || around.length < 1) return h("p", { className: "quiet" }, "It stands alone.");
  const all = around.some((one) => one.id === record.id) ? around : [...around, record]
    .sort((a, b) => (a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : a.id < b.id ? -1 : 1));
  return turns(all, record.id);
}

export const turns = (records, present) =>
  h("ol", { className: "turns" }, records.map((one) =>
    h("li", { className: one.id === present ? "present" : "", ariaCurrent: one.id === present ? "true" : null },
      h("span", { className: "speaker" }, one.role),
      one.id === present ? h("span", {}, excerpt(one.text, 400))
        : link(to("record", one.id), excerpt(one.text, 400)))));

async function usedIn(ledgers, signal) {
  if (!ledgers.length) return h("p", { className: "quiet" }, "No reply was given this memory yet.");
  const asked = await Promise.all(ledgers.slice(0, USED_SHOWN).map((one) =>
    api(`/api/records/${encodeURIComponent(one.turn_id)}`, { query: { neighbours: 0 }, signal })
      .then((found) => found.record, () => null)));
  return [h("ul", { className: "plain" }, asked.map((question, i) => h("li", {},
    question ? [link(to("record", question.id), `“${excerpt(question.text, 160)}”`), " ", when(question.created_at)]
      : "A question that is forgotten",
    ledgers[i].reply_id && [" · ", link(to("record", ledgers[i].reply_id), "the reply")],
    ledgers[i].likelihood != null && ` · answer stored: ${percent(ledgers[i].likelihood)} likely`))),
  ledgers.length > USED_SHOWN &&
    h("p", { className: "quiet" }, `and ${plural(ledgers.length - USED_SHOWN, "earlier reply", "earlier replies")}`)];
}

function edit(record, after) {
  const text = h("textarea", { rows: 8, required: true, value: record.text });
  const metadata = h("textarea", { rows: 3, value: JSON.stringify(record.metadata, null, 1), spellcheck: false });
  const place = h("div");
  const save = h("button", { className: "primary" }, "Save");
  openDialog("Edit", h("form", { onsubmit: (event) => {
    event.preventDefault();
    busy(save, place, async () => {
      let parsed;
      try {
        parsed = JSON.parse(metadata.value || "{}");
      } catch (error) {
        throw new Error(`The metadata is not JSON: ${error.message}`);
      }
      await api(`/api/records/${encodeURIComponent(record.id)}`,
        { method: "PATCH", body: { text: text.value, metadata: parsed } });
      closeDialog();
      say("Saved");
      after();
    });
  } },
  field("Text", text, "The old version is kept as history."), field("Metadata", metadata, "JSON"), place,
  h("div", { className: "actions" }, button("Cancel", closeDialog), save)));
}

function correct(record) {
  const text = h("textarea", { rows: 5, required: true, value: record.text });
  const place = h("div");
  const save = h("button", { className: "primary" }, "Correct");
  openDialog("Correct", h("form", { onsubmit: (event) => {
    event.preventDefault();
    busy(save, place, async () => {
      const by = await api(`/api/records/${encodeURIComponent(record.id)}/supersede`, { body: { text: text.value } });
      location.hash = to("record", by.id);
    });
  } },
  field("What is true now", text, "The old memory stays as it is, but is no longer recalled."), place,
  h("div", { className: "actions" }, button("Cancel", closeDialog), save)));
}
