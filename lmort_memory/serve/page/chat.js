// A conversation with the model, with what was recalled for each reply and why.

import { button, excerpt, facts, fill, h, head, link, number, percent, plural, say, to, trouble } from "./dom.js";
import { api, send } from "./http.js";

// The conversation outlives a look at another view.
let talk = begin();

function begin(session = `page-${new Date().toISOString().slice(0, 19)}`, scope = "") {
  return { session, scope, messages: [], log: h("ol", { className: "talk", ariaLive: "polite" }), asking: null };
}

export async function show(view, { query, signal }) {
  const asked = query.get("session");
  if (asked && asked !== talk.session) {
    talk.asking?.abort();
    talk = begin(asked, query.get("scope") ?? "");
    const found = await api("/api/records", { query: { session: asked, scope: talk.scope, limit: 100 }, signal });
    for (const { role, text } of found.records.toReversed()) {
      if (role !== "user" && role !== "assistant") continue;
      talk.messages.push({ role, content: text });
      bubble(role, text);
    }
  }
  const text = h("textarea", { rows: 2, ariaLabel: "Your message", required: true,
    placeholder: "Say something, or ask what you once said", onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    } });
  const ask = h("button", { className: "primary" }, "Send");
  const stop = button("Stop", () => talk.asking?.abort());
  stop.hidden = true;
  const form = h("form", { className: "ask", onsubmit: async (event) => {
    event.preventDefault();
    const said = text.value.trim();
    if (!said || talk.asking) return;
    text.value = "";
    ask.hidden = true;
    stop.hidden = false;
    welcome.hidden = true;
    await turn(said);
    ask.hidden = false;
    stop.hidden = true;
    text.focus();
  } }, text, ask, stop);
  const welcome = h("div", { className: "empty", hidden: talk.messages.length > 0 },
    h("h2", {}, "Nothing said yet"),
    h("p", {}, "What you say here is remembered. Each reply shows the notes that it was given."));
  fill(view, 
    head("Chat", button("New chat", () => {
      talk.asking?.abort();
      talk = begin();
      if (query.size) location.hash = "#/chat";
      else show(view, { query, signal });
    })),
    h("div", { className: "chat" }, welcome, talk.log, form));
  text.focus();
}

function bubble(role, text = "") {
  const said = h("p", { className: "whole" }, text);
  const item = h("li", { className: role }, h("span", { className: "unseen" }, role === "user" ? "You: " : "Model: "), said);
  talk.log.append(item);
  item.scrollIntoView({ block: "nearest" });
  return { item, said };
}

async function turn(text) {
  const { messages, session, scope } = talk;
  messages.push({ role: "user", content: text });
  bubble("user", text);
  const { item, said } = bubble("assistant");
  said.classList.add("thinking");
  talk.asking = new AbortController();
  let reply = "";
  let about;
  try {
    const response = await send("/v1/chat/completions", { signal: talk.asking.signal, body: {
      model: "lmort+memory", messages, stream: true, lmort: { memory: true, session, ...(scope && { scope }) } } });
    for await (const event of events(response.body)) {
      if (event.error) throw new Error(event.error.message);
      reply += event.choices?.[0]?.delta?.content ?? "";
      about = event.lmort ?? about;
      said.classList.remove("thinking");
      said.textContent = reply;
      item.scrollIntoView({ block: "nearest" });
    }
  } catch (error) {
    if (error.name === "AbortError") item.append(h("p", { className: "quiet" }, "Stopped."));
    else item.append(trouble(error));
  }
  said.classList.remove("thinking");
  talk.asking = null;
  if (reply) messages.push({ role: "assistant", content: reply });
  else messages.pop();
  if (about) item.append(notes(about));
  item.scrollIntoView({ block: "nearest" });
  say(reply ? "The reply is complete" : "There is no reply");
}

// Server-sent events: "data: {…}" lines, the last of them "data: [DONE]".
async function* events(body) {
  let rest = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: {")) yield JSON.parse(line.slice(6));
    }
  }
}

function notes(found) {
  const list = h("div", {});
  const summary = found.recalled.length
    ? `${plural(found.recalled.length, "note")} recalled${found.likelihood == null ? "" : ` · answer stored: ${percent(found.likelihood)} likely`}`
    : "Nothing recalled";
  let asked = false;
  return h("details", { className: "why", ontoggle: async () => {
    if (asked) return;
    asked = true;
    try {
      fill(list, why(await api(`/api/ledger/${encodeURIComponent(found.turn_id)}`)));
    } catch (error) {
      asked = false;
      list.replaceChildren(trouble(error));
    }
  } }, h("summary", {}, summary, h("span", { className: "more" }, "Why?")),
  h("ul", { className: "quotes" }, found.recalled.map((one) =>
    h("li", {}, link(to("record", one.id), excerpt(one.text, 200))))), list);
}

function why(ledger) {
  const round = (value, digits = 2) => (value == null ? "–" : value.toFixed(digits));
  const seconds = (value) => (value == null ? null : `${value.toFixed(2)} s`);
  const { timings } = ledger;
  return [
    ledger.memories.length > 0 && h("table", { className: "scores" },
      h("thead", {}, h("tr", {}, ["Note", "Score", "Meaning", "Words", "Tokens"].map((one) => h("th", { scope: "col" }, one)))),
      h("tbody", {}, ledger.memories.map(({ record, score, scores, tokens }) => h("tr", {},
        h("td", {}, excerpt(record.text, 50)), h("td", {}, round(score)),
        h("td", {}, round(scores.dense)), h("td", {}, round(scores.bm25, 1)), h("td", {}, tokens))))),
    ledger.dropped.length > 0 && h("p", { className: "quiet" }, `${plural(ledger.dropped.length, "note")} did not fit.`),
    facts([
      ["Prompt", `${number(ledger.user_tokens)} tokens said, ${number(ledger.notes_tokens)} of notes`],
      ["Reply", `${number(ledger.reply_tokens)} tokens`],
      ["Evaluated", `${number(ledger.evaluated_tokens)} tokens`],
      ["Left the window", ledger.left_window ? plural(ledger.left_window, "message") : null],
      ["First word", seconds(timings.first_token_s)],
      ["Recall", seconds(timings.recall_s)],
      ["Record", link(to("record", ledger.turn_id), "what you said")],
    ]),
  ];
}
