// How server, model and memory are; kept up to date while it is looked at.

import { button, busy, bytes, facts, fill, h, head, number, plural, repeat } from "./dom.js";
import { api, send } from "./http.js";

const EVERY_MS = 2000;

export async function show(view, { signal }) {
  const place = h("div", { className: "stack" });
  const error = h("div");
  const refresh = async () => fill(place, shown(await api("/api/status", { signal })));
  await refresh();
  const save = button("Export all", () => busy(save, error, download));
  fill(view, head("Status", save), error, place);
  repeat(signal, EVERY_MS, refresh);
}

function shown(now) {
  const { queue } = now;
  const state = { loading: "Loading the model", ready: "Ready", failed: "The model could not be loaded" }[now.state];
  return [
    now.notice && h("p", { className: "note" }, now.notice),
    h("div", { className: "columns" },
      h("section", {}, h("h2", {}, "Server"), facts([
        ["State", h("span", { className: `state ${now.state}` }, state)],
        ["Running for", duration(now.uptime_s)],
        ["Replies", `${number(queue.answering)} under way, ${number(queue.waiting)} waiting`],
        ["Conversations held", `${queue.conversations} of ${queue.contexts}`],
        ["Imports", queue.imports ? `${number(queue.imports)} under way` : "none under way"],
        ["Version", now.version]])),
      h("section", {}, h("h2", {}, "Model"), facts([
        ["File", now.model], ["Tuner", now.tier],
        ["Context", `${number(now.n_ctx)} tokens`],
        ["Space", now.space && h("code", {}, now.space)]]))),
    h("section", {}, h("h2", {}, "Memory"), facts([
      ["Memories", number(now.records)],
      ["Sources", number(now.sources)],
      ["Waiting for vectors", now.pending ? number(now.pending) : "none"],
      ["Size on disk", `${bytes(now.size_bytes)} and ${bytes(now.index_bytes)} of index`],
      ["Database", now.database && h("code", {}, now.database)]])),
    now.spaces.length > 1 && h("section", {}, h("h2", {}, "Spaces"), h("ul", { className: "plain" },
      now.spaces.map((one) => h("li", {}, h("code", {}, one.name),
        ` ${plural(one.vectors, "vector")} of ${one.dim} dimensions, ${number(one.pending)} waiting`)))),
  ];
}

function duration(seconds) {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const [name, size] = units.find(([, length]) => seconds >= length) ?? ["second", 1];
  return plural(Math.floor(seconds / size), name);
}

async function download() {
  const url = URL.createObjectURL(await (await send("/api/export")).blob());
  h("a", { href: url, download: "memory.jsonl" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
