// A conversation with the model, with what was recalled for each reply and why.

import { button, excerpt, facts, fill, h, head, link, percent, plural, say, to, trouble } from "./dom.js";
import { api, send } from "./http.js";

// The conversation outlives a look at another view.
let talk = begin();

function begin(session = `page-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")}`, scope = "") {
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
  const place = h("div", { className: "reasons" }, given(found.recalled.map((one) => [one])));
  const likely = found.likelihood == null ? "" : ` · ${percent(found.likelihood)} likely to hold the answer`;
  const summary = found.recalled.length ? `${plural(found.recalled.length, "note")} recalled${likely}` : "Nothing recalled";
  let asked = false;
  return h("details", { className: "why", ontoggle: async () => {
    if (asked) return;
    asked = true;
    try {
      fill(place, why(await api(`/api/ledger/${encodeURIComponent(found.turn_id)}`)));
    } catch (error) {
      asked = false;
      place.append(trouble(error));
    }
  } }, h("summary", {}, summary, h("span", { className: "more" }, "Why?")), place);
}

const given = (lines) => h("ul", { className: "quotes" }, lines.map(([record, reason]) =>
  h("li", {}, link(to("record", record.id), excerpt(record.text, 200)), reason && h("small", {}, reason))));

function why({ memories, dropped, timings, ...ledger }) {
  const round = (value, digits = 2) => (value == null ? "–" : value.toFixed(digits));
  const seconds = (value) => (value == null ? null : `${value.toFixed(2)} s`);
  return [
    given(memories.map(({ record, score, scores, tokens }) => [record,
      `score ${round(score)} · meaning ${round(scores.dense)} · tokens ${round(scores.tokens)} · words ${round(scores.bm25, 1)} · ${plural(tokens, "token")}`])),
    dropped.length > 0 && h("p", { className: "quiet" }, `${plural(dropped.length, "note")} did not fit.`),
    facts([
      ["Said", plural(ledger.user_tokens, "token")],
      ["Not read", ledger.unread_tokens ? plural(ledger.unread_tokens, "token") : null],
      ["Notes", plural(ledger.notes_tokens, "token")],
      ["Reply", plural(ledger.reply_tokens, "token")],
      ["Evaluated", plural(ledger.evaluated_tokens, "token")],
      ["Left the window", ledger.left_window ? plural(ledger.left_window, "message") : null],
      ["Recall took", seconds(timings.recall_s)],
      ["First word after", seconds(timings.first_token_s)],
      ["Stored as", [link(to("record", ledger.turn_id), "your turn"),
        ledger.reply_id && [" and ", link(to("record", ledger.reply_id), "the reply")]]],
    ]),
  ];
}
