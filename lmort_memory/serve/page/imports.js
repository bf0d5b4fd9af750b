// Import by dropping files: each is sent, then read and encoded by the server, with its progress.

import { bytes, button, empty, field, fill, h, head, number, plural, repeat, say } from "./dom.js";
import { api, authorization, failure, withQuery } from "./http.js";

const EVERY_MS = 700;
const ENDED = ["done", "failed", "cancelled"];

export async function show(view, { signal }) {
  const sending = h("ul", { className: "jobs" });
  const jobs = h("ul", { className: "jobs", ariaLabel: "Imports" });
  const none = empty("Nothing imported since the server was started",
    "Markdown, text, and exports of ChatGPT, Claude and others are read.");
  const scope = h("input", { name: "scope", placeholder: "default", autocomplete: "off" });
  const pick = (attributes) => h("input", { type: "file", multiple: true, className: "unseen", ...attributes,
    onchange: (event) => take([...event.target.files].map((file) => [file, file.webkitRelativePath || file.name])) });
  const files = pick({ ariaLabel: "Files to import" });
  const folder = pick({ webkitdirectory: true, ariaLabel: "Folder to import" });
  const zone = h("div", { className: "drop",
    ondragover: (event) => (event.preventDefault(), zone.classList.add("over")),
    ondragleave: () => zone.classList.remove("over"),
    ondrop: async (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
      take((await Promise.all(entries.map((entry) => filesIn(entry)))).flat());
    } },
  h("p", {}, h("strong", {}, "Drop files or folders here")),
  h("div", { className: "actions" }, button("Choose files", () => files.click(), "primary"),
    button("Choose a folder", () => folder.click())), files, folder);

  async function take(chosen) {
    for (const [file, name] of chosen) {
      const bar = h("progress", { max: 1, value: 0, ariaLabel: `Sending ${name}` });
      const line = h("li", {}, h("div", { className: "job" }, h("strong", {}, name),
        h("span", { className: "quiet" }, `sending ${bytes(file.size)}`)), bar);
      sending.append(line);
      try {
        await upload(file, { name, scope: scope.value.trim() }, (share) => (bar.value = share));
        line.remove();
        await refresh();
      } catch (error) {
        bar.remove();
        line.append(h("p", { className: "trouble", role: "alert" }, error.message),
          button("Dismiss", () => line.remove(), "quiet"));
      }
    }
  }

  let before = "";
  async function refresh() {
    const { imports } = await api("/api/imports", { signal });
    none.hidden = imports.length > 0;
    const now = JSON.stringify(imports);
    if (now !== before) jobs.replaceChildren(...imports.map((one) => job(one, refresh)));
    before = now;
  }

  await refresh();
  fill(view, head("Import"), zone,
    h("div", { className: "narrow" }, field("Scope", scope, "Where the memories go; left empty, the server’s own.")),
    sending, none, jobs);
  repeat(signal, EVERY_MS, refresh);
}

function job(one, after) {
  const counts = [
    one.added && `${number(one.added)} added`, one.kept && `${number(one.kept)} unchanged`,
    one.removed && `${number(one.removed)} removed`, one.unchanged && "imported before, unchanged",
    ...Object.entries(one.left_out).map(([what, n]) => `${number(n)} ${what} left out`),
  ].filter(Boolean).join(", ");
  const said = { waiting: "waiting", cancelled: "cancelled", failed: "failed", done: "done",
    reading: `reading, ${plural(one.done, "turn")}`,
    encoding: one.total ? `vectors: ${number(one.done)} of ${number(one.total)}` : "making vectors" }[one.state];
  const ended = ENDED.includes(one.state);
  return h("li", { className: one.state },
    h("div", { className: "job" }, h("strong", {}, one.name), h("span", { className: "state" }, said),
      !ended && button("Cancel", async () => {
        await api(`/api/imports/${encodeURIComponent(one.id)}/cancel`, { method: "POST" });
        await after();
      }, "quiet")),
    !ended && h("progress", { ariaLabel: `Importing ${one.name}`,
      ...(one.total && { max: one.total, value: one.done }) }),
    counts && h("p", { className: "quiet" }, `${counts} · scope ${one.scope}`),
    one.problems.length > 0 && h("ul", { className: "trouble" }, one.problems.map((text) => h("li", {}, text))));
}

// XMLHttpRequest, because fetch tells nobody how much has been sent.
function upload(file, { name, scope }, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", withQuery("/api/imports", { name, scope }));
    for (const [header, value] of Object.entries(authorization())) request.setRequestHeader(header, value);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => progress(event.loaded / event.total);
    request.onload = () => (request.status < 300 ? resolve() : reject(failure(request.status, request.responseText)));
    request.onerror = () => reject(new Error("The file was not sent: the server does not answer."));
    say(`Sending ${name}`);
    request.send(file);
  });
}

// The files of a dropped folder, with their paths in it.
async function filesIn(entry) {
  if (entry.isFile) {
    const file = await new Promise((found, failed) => entry.file(found, failed));
    return [[file, entry.fullPath.replace(/^\//, "")]];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((read, failed) => reader.readEntries(read, failed));
    if (!some.length) return found.flat();
    found.push(...(await Promise.all(some.map((one) => filesIn(one)))));
  }
}
