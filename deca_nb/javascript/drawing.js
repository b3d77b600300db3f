// What the explorer's drawings share: elements, scales, charts, choices. It stands in front of each of them, since a drawing imports nothing.

const SVG = "http://www.w3.org/2000/svg";
const LOOKS = {                                    // near Okabe and Ito's colours, legible on white and on black; each has its own dashes
  DP: ["#1F83C4", ""], DN: ["#D55E00", "7 4"], agreement: ["#009E73", "2 4"], "in turn": ["currentColor", ""],
  Normal: ["#D55E00", "7 4"], DeCA: ["#1F83C4", ""], Oracle: ["#009E73", "2 4"],
};
const LEVEL = ["currentColor", "10 3 2 3"];        // a level that no training changes

function add(parent, tag, attributes = {}, content = "") {
  const drawn = tag === "svg" || parent.namespaceURI === SVG;
  const node = drawn ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = content;
  parent.append(node);
  return node;
}

function root(el) {
  el.classList.add("deca");
  el.dataset.lmSuppressShortcuts = "true";         // JupyterLab leaves the keys to what has the focus here
  return el;
}

const linear = (least, most) => (value) => (value - least) / (most - least);
const stretched = (least, most, unit) => {         // linear up to about `unit`, logarithmic beyond
  const scale = linear(Math.asinh(least / unit), Math.asinh(most / unit));
  return (value) => scale(Math.asinh(value / unit));
};

const BOX = { width: 360, height: 236, left: 50, right: 12, top: 26, bottom: 42 };

function chart(parent, { title, x, y }) {
  const svg = add(parent, "svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img", "aria-label": title });
  const bottom = BOX.height - BOX.bottom, right = BOX.width - BOX.right;
  const X = (value) => BOX.left + x.scale(value) * (right - BOX.left);
  const Y = (value) => bottom - y.scale(value) * (bottom - BOX.top);
  add(svg, "text", { x: BOX.left, y: 15, class: "title" }, title);
  for (const tick of x.ticks) {
    add(svg, "line", { x1: X(tick), x2: X(tick), y1: BOX.top, y2: bottom, class: "grid" });
    add(svg, "text", { x: X(tick), y: bottom + 16, "text-anchor": "middle" }, String(tick));
  }
  for (const tick of y.ticks) {
    add(svg, "line", { x1: BOX.left, x2: right, y1: Y(tick), y2: Y(tick), class: tick === 0 ? "axis" : "grid" });
    add(svg, "text", { x: BOX.left - 6, y: Y(tick) + 4, "text-anchor": "end" }, String(tick));
  }
  add(svg, "text", { x: (BOX.left + right) / 2, y: BOX.height - 8, "text-anchor": "middle" }, x.label);
  return { svg, X, Y, bottom, right };
}

function line(frame, name, look = LOOKS[name]) {
  const [stroke, dashes] = look;
  return add(frame.svg, "path", { class: "line", stroke, "stroke-dasharray": dashes, "data-line": name });
}

function path(frame, xs, ys) {
  return xs.map((x, i) => `${i ? "L" : "M"}${frame.X(x).toFixed(2)},${frame.Y(ys[i]).toFixed(2)}`).join("");
}

function legend(parent, looks) {
  const list = add(parent, "ul", { class: "deca-legend" });
  for (const [name, [stroke, dashes]] of Object.entries(looks)) {
    const entry = add(list, "li");
    const sample = add(entry, "svg", { viewBox: "0 0 34 12", "aria-hidden": "true" });
    add(sample, "path", { class: "line", stroke, "stroke-dasharray": dashes, d: "M0,6H34" });
    entry.append(name);
  }
  return list;
}

function choice(parent, label, change) {
  const frame = add(parent, "label", {}, label);
  const select = add(frame, "select", { "aria-label": label });
  select.addEventListener("change", () => change(select.value));
  return (names, chosen) => {
    select.replaceChildren(...names.map((name) => new Option(name, name, name === chosen, name === chosen)));
    select.value = chosen;
  };
}

function text(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(3) : String(value);
}

function table(parent, caption, columns, rows) {    // a value may be three: a number, and the ends of its range
  const frame = add(add(parent, "div", { class: "deca-scroll" }), "table");
  add(frame, "caption", {}, caption);
  const head = add(add(frame, "thead"), "tr");
  const kinds = columns.map((_, i) => (rows.some((row) => typeof [row[i]].flat()[0] === "number") ? { class: "number" } : {}));
  columns.forEach((column, i) => add(head, "th", { scope: "col", ...kinds[i] }, column));
  const body = add(frame, "tbody");
  for (const row of rows) {
    const line = add(body, "tr");
    row.forEach((value, i) => {
      const [told, low, high] = [value].flat(), cell = add(line, "td", kinds[i], text(told));
      if (high === undefined) return;
      cell.append(" ");
      add(cell, "span", { class: "range" }, `(${text(low)}–${text(high)})`);
    });
  }
}
