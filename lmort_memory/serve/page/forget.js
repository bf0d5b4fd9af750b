// Forgetting: first what it would be, then the receipt.

import { button, busy, closeDialog, excerpt, facts, h, link, number, openDialog, plural, say,
  to } from "./dom.js";
import { api } from "./http.js";

const SHOWN = 5;

const lines = (records, most = SHOWN) => [
  h("ul", { className: "quotes" }, records.slice(0, most).map((one) => h("li", {}, excerpt(one.text, 140)))),
];

export async function askToForget(chosen, after) {
  const place = h("div");
  const dialog = openDialog("Forget", h("p", { className: "wait" }, "Looking for what would go…"), place,
    h("div", { className: "actions" }, button("Cancel", closeDialog)));
  let found;
  try {
    found = await api("/api/forget", { body: { ...chosen, preview: true } });
  } catch (error) {
    dialog.querySelector(".wait").textContent = error.message;
    return;
  }
  if (!found.records) {
    openDialog("Nothing to forget", h("p", {}, "No memory matches. It may be forgotten already."),
      h("div", { className: "actions" }, button("Close", closeDialog)));
    return;
  }
  const more = found.records - Math.min(SHOWN, found.examples.length);
  const repeats = found.quoted_by;
  const also = h("input", { type: "checkbox", name: "also" });
  const go = button(`Forget ${plural(found.records, "memory", "memories")}`, () =>
    busy(go, place, async () => {
      const first = await api("/api/forget", { body: chosen });
      const receipts = [first.receipt];
      if (also.checked) {
        const ids = repeats.map((one) => one.id);
        receipts.push((await api("/api/forget", { body: { ids } })).receipt);
      }
      showReceipt(receipts, also.checked ? [] : first.quoted_by);
      after?.();
    }), "danger");
  openDialog(`Forget ${plural(found.records, "memory", "memories")}?`,
    lines(found.examples), more > 0 && h("p", { className: "quiet" }, `and ${number(more)} more`),
    repeats.length > 0 && h("div", { className: "note" },
      h("label", { className: "check" }, also,
        h("span", {}, `${plural(repeats.length, "other memory repeats", "other memories repeat")} some of this. Forget ${repeats.length === 1 ? "it" : "them"} too.`)),
      lines(repeats, 3)),
    h("p", { className: "quiet" },
      "Text, vectors, history and every trace are removed from the disk. This cannot be undone."),
    place, h("div", { className: "actions" }, button("Keep", closeDialog), go));
}

function showReceipt(receipts, left) {
  const sum = (name) => number(receipts.reduce((total, one) => total + one[name], 0));
  const last = receipts.at(-1);
  const clean = last.verified;
  openDialog("Forgotten", h("p", { className: clean ? "good" : "note" },
    clean ? "Checked: nothing of the text is left in any file."
      : left.length ? "The records are gone, but others that stay repeat some of the text."
        : "The records are gone. Another program still uses old pages; the next forget cleans them."),
  facts([["Memories", sum("records")], ["Vectors", sum("vectors")], ["Earlier versions", sum("history")],
    ["Ledger entries", sum("ledger")], ["Saved chat states", sum("states")]]),
  left.length > 0 && h("div", { className: "note" }, h("p", {}, "These repeat some of it and stay:"),
    h("ul", { className: "quotes" }, left.slice(0, 20).map((one) =>
      h("li", {}, link(to("record", one.id), excerpt(one.text, 140)))))),
  h("div", { className: "actions" }, button("Done", closeDialog, "primary")));
  say("Forgotten");
}
