// Elements. Every text goes in as a text node: what is stored can never become markup.

export function h(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list" && name !== "form") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...kept(children));
  return element;
}

const kept = (children) => children.flat(Infinity).filter((child) => child != null && child !== false);
export const fill = (element, ...children) => element.replaceChildren(...kept(children));

export const link = (path, ...children) => h("a", { href: path }, ...children);
export const to = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;
export const number = (n) => n.toLocaleString();
export const percent = (share) => `${Math.round(share * 100)} %`;

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  for (; n >= 1000 && step < units.length - 1; step++) n /= 1000;
  return `${n.toLocaleString(undefined, { maximumFractionDigits: step ? 1 : 0 })} ${units[step]}`;
}

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

export function when(iso, { long = false } = {}) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  const shown = long ? MOMENT.format(at) : today ? `Today, ${CLOCK.format(at)}` : DAY.format(at);
  return h("time", { dateTime: iso, title: MOMENT.format(at) }, shown);
}

export function excerpt(text, most = 280) {
  const flat = text.slice(0, 4 * most).replace(/\s+/g, " ").trim();
  return flat.length > most ? `${flat.slice(0, most).replace(/[\ud800-\udbff]$/, "")}…` : flat;
}

export function say(text) {
  document.getElementById("said").textContent = text;
}

export function head(title, ...actions) {
  document.title = `${title} · lmort-memory`;
  return h("div", { className: "head" }, h("h1", { tabIndex: -1 }, title),
    h("div", { className: "actions" }, ...actions));
}

export const empty = (title, ...rest) =>
  h("div", { className: "empty" }, h("h2", {}, title), h("p", {}, ...rest));

export const trouble = (error, again) =>
  h("div", { className: "trouble", role: "alert" }, h("p", {}, error.message),
    again && h("button", { type: "button", onclick: again }, "Try again"));

export const button = (label, onclick, kind = "") =>
  h("button", { type: "button", className: kind, onclick }, label);

export const field = (label, control, hint) =>
  h("label", { className: "field" }, h("span", {}, label), control,
    hint && h("small", {}, hint));

export const facts = (pairs) =>
  h("dl", { className: "facts" }, pairs.filter(([, value]) => value != null && value !== "")
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, [value]))));

// Fill the page's dialog and show it. Escape closes it, and focus goes back by itself.
export function openDialog(title, ...children) {
  const dialog = document.getElementById("dialog");
  fill(dialog, h("h2", { id: "dialog-title" }, title), children);
  if (!dialog.open) dialog.showModal();
  return dialog;
}

export const closeDialog = () => document.getElementById("dialog").close();

// Do a job again and again until the view is left; a failure waits for the next time.
export async function repeat(signal, everyMs, job) {
  while (!signal.aborted) {
    await new Promise((wake) => setTimeout(wake, everyMs));
    if (!signal.aborted) await job().catch(() => {});
  }
}

// Run what a button starts: it is disabled meanwhile, and an error is shown in `place`.
export async function busy(control, place, job) {
  control.disabled = true;
  place.replaceChildren();
  try {
    return await job();
  } catch (error) {
    if (error.name !== "AbortError") place.replaceChildren(trouble(error));
    return undefined;
  } finally {
    control.disabled = false;
  }
}
