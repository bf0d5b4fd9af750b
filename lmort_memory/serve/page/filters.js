// The filters of a list: a form, the address, and the fields of a request say the same.

import { field, h } from "./dom.js";
import { api } from "./http.js";

export const NAMES = ["scope", "session", "role", "source", "since", "until", "metadata"];

// "topic=bees" or {"year": {"$gte": 2020}}: the grammar of the store's own filters.
function where(text) {
  if (!text) return undefined;
  if (text.trim().startsWith("{")) return JSON.parse(text);
  const found = {};
  for (const part of text.split(",")) {
    const [key, ...rest] = part.split("=");
    if (!key.trim() || !rest.length) throw new Error();
    const value = rest.join("=").trim();
    try {
      found[key.trim()] = JSON.parse(value);
    } catch {
      found[key.trim()] = value;
    }
  }
  return found;
}

const midnight = (day, plus) => {
  const at = new Date(`${day}T00:00:00`);
  at.setDate(at.getDate() + plus);
  return at.toISOString();
};

// The fields of a request. Throws an error that says what to do.
export function conditions(query) {
  const found = {};
  for (const name of ["scope", "session", "role", "source"]) {
    if (query.get(name)) found[name] = query.get(name);
  }
  if (query.get("since")) found.since = midnight(query.get("since"), 0);
  if (query.get("until")) found.until = midnight(query.get("until"), 1);
  try {
    found.where = where(query.get("metadata"));
  } catch {
    throw new Error("Write metadata as name=value, or as JSON: {\"year\": {\"$gte\": 2020}}.");
  }
  if (!found.where) delete found.where;
  return found;
}

export const asQuery = ({ where: condition, ...rest }) =>
  condition ? { ...rest, where: JSON.stringify(condition) } : rest;

function choice(name, counts, chosen) {
  const names = Object.keys(counts);
  if (chosen && !names.includes(chosen)) names.push(chosen);
  return h("select", { name }, h("option", { value: "" }, "All"),
    names.map((one) => h("option", { value: one, selected: one === chosen },
      one in counts ? `${one} (${counts[one].toLocaleString()})` : one)));
}

const typed = (name, query, options) => [
  h("input", { name, value: query.get(name) ?? "", autocomplete: "off", list: `all-${name}` }),
  h("datalist", { id: `all-${name}` }, options.map((value) => h("option", { value }))),
];

export async function filterFields(query, signal) {
  const [counts, sessions, sources] = await Promise.all([
    api("/api/records/count", { signal }),
    api("/api/sessions", { signal, query: { limit: 200 } }),
    api("/api/sources", { signal, query: { limit: 200 } }),
  ]);
  const day = (name) => h("input", { type: "date", name, value: query.get(name) ?? "" });
  const fields = h("div", { className: "filters" },
    field("Scope", choice("scope", counts.scopes, query.get("scope"))),
    field("Role", choice("role", counts.roles, query.get("role"))),
    field("Session", typed("session", query, sessions.sessions.map((one) => one.session))),
    field("Source", typed("source", query, sources.sources.map((one) => one.uri))),
    field("From", day("since")),
    field("To", day("until")),
    field("Metadata", h("input", { name: "metadata", value: query.get("metadata") ?? "",
      placeholder: "topic=bees", autocomplete: "off" })));
  return { counts, fields };
}
