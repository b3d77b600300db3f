// A surface: C1 by C2 as a heat map of one metric; each cell tells its value, its interval and the paper's number.

const CHOICES = ["data", "model", "method", "metric"];
const CIVIDIS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];

export function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1), at = Math.min(Math.floor(place), CIVIDIS.length - 2);
  return CIVIDIS[at].map((from, i) => Math.round(from + (CIVIDIS[at + 1][i] - from) * (place - at)));
}

export function describe(row) {
  const interval = row.low === null ? "" : `, interval ${row.low.toFixed(4)} to ${row.high.toFixed(4)}`;
  const printed = row.published === null ? "" : `; the paper prints ${row.published.toFixed(3)}`;
  return `C1 = ${row.c1}, C2 = ${row.c2}: ${row.metric} ${row.mean.toFixed(4)}${interval}${printed}`;
}

// The next cell in that direction, over holes; where the line has none, the nearest one of the lines beyond.
function nearest(cells, i, j, down, across) {
  const places = [...cells.keys()].map((place) => place.split(" ").map(Number));
  const beyond = places.filter(([row, column]) => (row - i) * down + (column - j) * across > 0);
  const distance = ([row, column]) => Math.abs((row - i) * down + (column - j) * across) + 100 * Math.abs((row - i) * across + (column - j) * down);
  const [row, column] = beyond.sort((a, b) => distance(a) - distance(b))[0] ?? [];
  return cells.get(`${row} ${column}`);
}

const distinct = (values) => [...new Set(values)];

function render({ model, el }) {
  const frame = root(el), controls = add(frame, "div", { class: "deca-controls" });
  const selects = Object.fromEntries(CHOICES.map((name) => [name, choice(controls, name, (value) => {
    model.set(name, value);
    model.save_changes();
  })]));
  const place = add(frame, "div", { class: "deca-charts" });
  const detail = add(frame, "p", { class: "deca-detail", "aria-live": "polite" });

  function chosen() {
    let rows = model.get("rows");
    for (const name of CHOICES) {
      const names = distinct(rows.map((row) => row[name]));
      const value = names.includes(model.get(name)) ? model.get(name) : names[0];
      selects[name](names, value);
      rows = rows.filter((row) => row[name] === value);
    }
    return rows;
  }

  function update() {
    const rows = chosen();
    const c1 = distinct(rows.map((row) => row.c1)).sort((a, b) => b - a), c2 = distinct(rows.map((row) => row.c2)).sort((a, b) => a - b);
    const means = rows.map((row) => row.mean), least = Math.min(...means), most = Math.max(...means);
    const width = 288 / c2.length, height = Math.min(width, 56);
    place.replaceChildren();
    const svg = add(place, "svg", { viewBox: `0 0 360 ${height * c1.length + 46}`, role: "group", "aria-label": "heat map; the arrow keys move" });
    const cells = new Map();
    for (const row of rows) {
      const i = c1.indexOf(row.c1), j = c2.indexOf(row.c2), x = 62 + j * width, y = 4 + i * height;
      const fill = colour(most > least ? (row.mean - least) / (most - least) : 0.5);
      const ink = fill[0] * 0.3 + fill[1] * 0.6 + fill[2] * 0.1 < 130 ? "white" : "black";
      const cell = add(svg, "rect", {
        x, y, width: width - 2, height: height - 2, fill: `rgb(${fill})`, tabindex: cells.size ? -1 : 0, role: "img", "aria-label": describe(row),
        "data-cell": `${row.c1} ${row.c2}`,
      });
      const above = { "text-anchor": "middle", "pointer-events": "none", style: `fill: ${ink}` };
      add(svg, "text", { x: x + width / 2 - 1, y: y + height / 2 + 4, ...above }, row.mean.toFixed(3));
      if (row.published !== null) add(svg, "text", { x: x + width - 12, y: y + 14, ...above }, "★");
      const tell = () => { detail.textContent = describe(row); };
      cell.addEventListener("mouseenter", tell);
      cell.addEventListener("focus", tell);
      cell.addEventListener("keydown", (event) => {
        if (event.altKey || event.ctrlKey || event.metaKey) return;
        const [down, across] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [0, 0];
        const next = nearest(cells, i, j, down, across);
        if (!(down || across) || !next) return;
        event.preventDefault();
        cell.setAttribute("tabindex", -1);
        next.setAttribute("tabindex", 0);
        next.focus();
      });
      cells.set(`${i} ${j}`, cell);
    }
    c1.forEach((value, i) => add(svg, "text", { x: 54, y: 4 + (i + 0.5) * height + 4, "text-anchor": "end" }, String(value)));
    c2.forEach((value, j) => add(svg, "text", { x: 62 + (j + 0.5) * width, y: height * c1.length + 20, "text-anchor": "middle" }, String(value)));
    add(svg, "text", { x: 206, y: height * c1.length + 40, "text-anchor": "middle" }, "C2, cost of a false \u201cdisliked\u201d");
    const middle = 4 + (c1.length * height) / 2;
    add(svg, "text", { x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }, "C1, cost of a false \u201cliked\u201d");
    const starred = rows.some((row) => row.published !== null) ? " ★ marks where the paper prints a number." : "";
    detail.textContent = `Point at a cell, or move to one with Tab and the arrow keys.${starred}`;
  }
  model.on("change", update);
  update();
  return () => model.off("change", update);
}

export default { render };
