// A map of memories: the two principal components of their vectors. Wheel or + and - zoom, dragging
// moves, a click opens; with the keyboard the arrows go from point to point and Enter opens.

import { button, empty, excerpt, field, fill, h, head, link, number, percent, plural, say, to } from "./dom.js";
import { api } from "./http.js";

const COLOURS = 8; // classes c0 … c7 of the style sheet; c8 is for all others
const REACH = 14; // pixels from a point that still hit it
const MARGIN = 28;

export async function show(view, { query, signal }) {
  const by = query.get("by") ?? "session";
  const found = await api("/api/map", { query: { limit: 4000 }, signal });
  if (found.points.length < 2) {
    fill(view, head("Map"), empty("Not enough to draw", found.total > found.points.length
      ? "The vectors are still being made. Look again in a moment."
      : "The map begins with two memories."));
    return;
  }
  const groups = grouped(found.points, by);
  const canvas = h("canvas", { tabIndex: 0, role: "application",
    ariaLabel: `Map of ${plural(found.points.length, "memory", "memories")}. Arrow keys go from point to point, Enter opens, plus and minus zoom, 0 shows all.` });
  const caption = h("p", { className: "caption" }, "Point at a memory to read it.");
  const chart = new Chart(canvas, caption, found.points, groups);
  const choice = h("select", { onchange: () => (location.hash = `#/map?by=${choice.value}`) },
    ["session", "source", "role"].map((name) => h("option", { value: name, selected: name === by }, name)));
  const sampled = found.points.length < found.total
    ? `${number(found.points.length)} of ${plural(found.total, "memory", "memories")}, evenly sampled`
    : plural(found.total, "memory", "memories");
  fill(view,
    head("Map", button("Zoom in", () => chart.zoom(1.5)), button("Zoom out", () => chart.zoom(1 / 1.5)),
      button("Show all", () => chart.reset())),
    h("div", { className: "tools" }, field("Colour by", choice),
      h("p", { className: "count" }, `${sampled} · the axes hold ${percent(found.explained[0] + found.explained[1])} of the variance`)),
    h("div", { className: "map" }, canvas), caption,
    h("ul", { className: "legend", ariaLabel: `Colours by ${by}` }, groups.names.map(([name, n], i) =>
      h("li", {}, h("span", { className: `swatch c${i}` }), excerpt(name, 40), h("span", { className: "quiet" }, ` ${number(n)}`)))));
  chart.watch(signal);
}

// The largest groups get a colour each, all others share the last.
function grouped(points, by) {
  const counts = new Map();
  for (const point of points) counts.set(point[by] ?? "", (counts.get(point[by] ?? "") ?? 0) + 1);
  const largest = [...counts].sort((a, b) => b[1] - a[1]);
  const names = largest.slice(0, COLOURS).map(([name, n]) => [name || `no ${by}`, n]);
  const rest = largest.slice(COLOURS);
  if (rest.length) names.push([`${number(rest.length)} others`, rest.reduce((sum, [, n]) => sum + n, 0)]);
  const place = new Map(largest.map(([name], i) => [name, Math.min(i, COLOURS)]));
  return { names, of: points.map((point) => place.get(point[by] ?? "")) };
}

class Chart {
  constructor(canvas, caption, points, groups) {
    Object.assign(this, { canvas, caption, points, groups, chosen: -1, held: null, moved: false });
    const xs = points.map((point) => point.x);
    const ys = points.map((point) => point.y);
    this.box = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    this.view = { scale: 1, x: 0, y: 0 };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      this.held = [event.offsetX, event.offsetY];
      this.moved = false;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerup", (event) => {
      if (!this.moved) this.open(this.nearest(event.offsetX, event.offsetY));
      this.held = null;
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  watch(signal) {
    const sized = new ResizeObserver(() => this.draw());
    sized.observe(this.canvas);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.draw(), { signal });
    signal.addEventListener("abort", () => sized.disconnect());
    this.draw();
  }

  // Where a point is on the canvas, in CSS pixels.
  at(point) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const [left, right, low, high] = this.box;
    const fit = Math.min((width - 2 * MARGIN) / (right - left || 1), (height - 2 * MARGIN) / (high - low || 1));
    const x = width / 2 + (point.x - (left + right) / 2) * fit;
    const y = height / 2 - (point.y - (low + high) / 2) * fit;
    return [x * this.view.scale + this.view.x, y * this.view.scale + this.view.y];
  }

  draw() {
    const { canvas } = this;
    const ratio = devicePixelRatio;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const colours = [...document.querySelectorAll(".swatch")].map((one) => getComputedStyle(one).color);
    const radius = Math.min(7, (this.points.length > 1000 ? 2.2 : this.points.length > 200 ? 3.5 : 5) * Math.sqrt(this.view.scale));
    pen.globalAlpha = 0.8;
    this.points.forEach((point, i) => {
      const [x, y] = this.at(point);
      pen.fillStyle = colours[this.groups.of[i]];
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fill();
    });
    if (this.chosen < 0) return;
    const [x, y] = this.at(this.points[this.chosen]);
    pen.globalAlpha = 1;
    pen.strokeStyle = getComputedStyle(canvas).color;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, radius + 4, 0, 2 * Math.PI);
    pen.stroke();
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const { view } = this;
    const scale = Math.min(200, Math.max(0.5, view.scale * factor));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    this.draw();
  }

  reset() {
    this.view = { scale: 1, x: 0, y: 0 };
    this.draw();
  }

  nearest(x, y) {
    let best = -1;
    let reach = REACH ** 2;
    this.points.forEach((point, i) => {
      const [px, py] = this.at(point);
      const away = (px - x) ** 2 + (py - y) ** 2;
      if (away < reach) [best, reach] = [i, away];
    });
    return best;
  }

  point(event) {
    const { offsetX: x, offsetY: y } = event;
    if (this.held) {
      const [hx, hy] = this.held;
      if (!this.moved && Math.hypot(x - hx, y - hy) < 4) return;
      this.moved = true;
      this.view.x += x - hx;
      this.view.y += y - hy;
      this.held = [x, y];
      this.draw();
      return;
    }
    this.choose(this.nearest(x, y));
  }

  choose(i) {
    this.canvas.classList.toggle("hit", i >= 0);
    if (i === this.chosen || i < 0) return;
    this.chosen = i;
    const one = this.points[i];
    fill(this.caption, link(to("record", one.id), excerpt(one.text, 150)),
      h("span", { className: "quiet" }, ` ${one.role}${one.session ? ` · ${one.session}` : ""}`));
    this.draw();
  }

  open(i) {
    if (i >= 0) location.hash = to("record", this.points[i].id);
  }

  key(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in ways) this.step(...ways[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0") this.reset();
    else if (event.key === "Enter") this.open(this.chosen);
    else return;
    event.preventDefault();
  }

  // Choose the next point in a direction, and bring it into view.
  step(dx, dy) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const from = this.chosen < 0 ? [width / 2, height / 2] : this.at(this.points[this.chosen]);
    let best = -1;
    let least = Infinity;
    this.points.forEach((point, i) => {
      const [x, y] = this.at(point);
      const along = (x - from[0]) * dx + (y - from[1]) * dy;
      const aside = Math.abs((x - from[0]) * dy) + Math.abs((y - from[1]) * dx);
      if (i !== this.chosen && along > 0.01 && along + 2 * aside < least) [best, least] = [i, along + 2 * aside];
    });
    if (best < 0) return;
    const [x, y] = this.at(this.points[best]);
    this.view.x += Math.max(0, MARGIN - x) - Math.max(0, x - width + MARGIN);
    this.view.y += Math.max(0, MARGIN - y) - Math.max(0, y - height + MARGIN);
    this.choose(best);
    say(excerpt(this.points[best].text, 150));
  }
}
