// One pair: how Eqs. 9, 14 and 15 push f, and where they leave it. The functions are the twins of those in deca_nb.explorer.

export const TASKS = ["DP", "DN", "in turn"];
export const SEEN = ["click", "no click"];
const FORMS = { DP: "circle", DN: "square", "in turn": "diamond" };

export const logit = (p) => Math.log(p) - Math.log1p(-p);
export const sigmoid = (z) => 1 / (1 + Math.exp(-z));

export function slopes({ c1, c2, h, h_prime }) {
  const each = {
    "DP click": -Math.log(h), "DN click": c2 + Math.log(h_prime),
    "DP no click": -(c1 + Math.log1p(-h)), "DN no click": Math.log1p(-h_prime),
  };
  for (const seen of SEEN) each[`in turn ${seen}`] = (each[`DP ${seen}`] + each[`DN ${seen}`]) / 2;
  return each;
}

export function push(f, slope) {
  return f * (1 - f) * slope;
}

export function pull(f, { g, alpha }) {
  return alpha * (g - f) - (1 - alpha) * f * (1 - f) * (logit(f) - logit(g));
}

export function kl(p, q) {
  return p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
}

export function loss(f, slope, { g, alpha }) {
  return -slope * f + alpha * kl(g, f) + (1 - alpha) * kl(f, g);
}

export function minimum(slope, { g, alpha }) {
  let low = -700, high = 700;
  for (let i = 0; i < 64; i++) {
    const z = (low + high) / 2;
    const downhill = slope + alpha * (g * (1 + Math.exp(-z)) - (1 - g) * (1 + Math.exp(z))) - (1 - alpha) * (z - logit(g));
    if (downhill > 0) low = z; else high = z;
  }
  return sigmoid((low + high) / 2);
}

export function turningPoints({ c1, c2 }) {
  return { h: -Math.expm1(-c1), h_prime: Math.exp(-c2) };
}

export function numbers(settings) {
  const each = slopes(settings);
  const minima = Object.fromEntries(Object.entries(each).map(([name, slope]) => [name, minimum(slope, settings)]));
  return { slopes: each, minima, turns: turningPoints(settings) };
}

const GRID = Array.from({ length: 241 }, (_, i) => Math.min(Math.max(i / 240, 1e-6), 1 - 1e-6));
const AXES = {
  f: { scale: linear(0, 1), ticks: [0, 0.25, 0.5, 0.75, 1], label: "f" },
  push: { scale: stretched(-300, 300, 0.1), ticks: [-100, -10, -1, 0, 1, 10, 100] },
  loss: { scale: stretched(0, 1200, 0.5), ticks: [0, 1, 10, 100, 1000] },
};
const TITLES = {
  click: ["A click: push on the logit of f", "A click: loss above its minimum"],
  "no click": ["No click: push on the logit of f", "No click: loss above its minimum"],
};
const short = (value) => (Math.abs(value) < 100 ? value.toFixed(3) : value.toFixed(1));

function dot(frame, name) {
  const [fill] = LOOKS[name];
  const shape = { circle: "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0", square: "M-5,-5H5V5H-5Z", diamond: "M0,-7L7,0L0,7L-7,0Z" }[FORMS[name]];
  return add(frame.svg, "path", { d: shape, fill, "data-minimum": name });
}

function strip(parent, name, upwards, text) {
  const svg = add(parent, "svg", { viewBox: "0 0 360 84", role: "img", "aria-label": text });
  const X = (p) => 14 + p * 332;
  add(svg, "text", { x: 14, y: 14, class: "title" }, text);
  const zone = add(svg, "rect", { y: 26, height: 18, class: "zone" });
  add(svg, "line", { x1: X(0), x2: X(1), y1: 44, y2: 44, class: "axis" });
  for (const tick of [0, 0.5, 1]) add(svg, "text", { x: X(tick), y: 60, "text-anchor": "middle" }, String(tick));
  const mark = add(svg, "path", { d: "M-5,-12H5L0,0Z", fill: "currentColor" });
  const said = add(svg, "text", { x: 14, y: 78, "data-turn": name });
  return (value, turn) => {
    const [start, end] = upwards ? [turn, 1] : [0, turn];
    zone.setAttribute("x", X(start));
    zone.setAttribute("width", X(end) - X(start));
    mark.setAttribute("transform", `translate(${X(value)},44)`);
    const turned = upwards ? value > turn : value < turn;
    said.textContent = `${name === "h" ? "h" : "h′"} = ${value.toFixed(2)}, turns round at ${short(turn)}: ${turned ? "turned round" : "as usual"}`;
    svg.setAttribute("aria-label", `${text}: ${said.textContent}`);
  };
}

function readout(parent) {
  const frame = add(add(parent, "div", { class: "deca-scroll" }), "table", { "aria-live": "polite" });
  const head = add(frame, "tr");
  for (const name of ["", ...TASKS]) add(head, "th", { scope: "col", class: "number" }, name);
  const cells = {};
  for (const seen of SEEN) {
    for (const [what, label] of [["push", "push at f = .5"], ["minimum", "loss is least at f ="]]) {
      const row = add(frame, "tr");
      add(row, "th", { scope: "row" }, `${seen}: ${label}`);
      for (const task of TASKS) cells[`${what} ${task} ${seen}`] = add(row, "td", { class: "number", "data-number": `${what} ${task} ${seen}` });
    }
  }
  return cells;
}

function render({ model, el }) {
  const frame = root(el);
  legend(frame, { DP: LOOKS.DP, DN: LOOKS.DN, "in turn (with agreement)": LOOKS["in turn"], "agreement alone": LOOKS.agreement });
  const charts = add(frame, "div", { class: "deca-charts two" });
  const drawn = SEEN.map((seen) => {
    const pushes = chart(charts, { title: TITLES[seen][0], x: AXES.f, y: AXES.push });
    const losses = chart(charts, { title: TITLES[seen][1], x: AXES.f, y: AXES.loss });
    const lines = Object.fromEntries(TASKS.map((task) => [task, [line(pushes, task), line(losses, task), dot(losses, task)]]));
    return { seen, pushes, losses, lines, agreement: line(pushes, "agreement") };
  });
  const strips = add(frame, "div", { class: "deca-charts two" });
  const turns = {
    h: strip(strips, "h", true, "DP pushes up without a click where h is large"),
    h_prime: strip(strips, "h_prime", false, "DN pushes a click down where h′ is small"),
  };
  const cells = readout(frame);

  function update() {
    const settings = Object.fromEntries(["c1", "c2", "alpha", "h", "h_prime", "g"].map((name) => [name, model.get(name)]));
    const found = numbers(settings);
    for (const { seen, pushes, losses, lines, agreement } of drawn) {
      agreement.setAttribute("d", path(pushes, GRID, GRID.map((f) => pull(f, settings))));
      for (const task of TASKS) {
        const name = `${task} ${seen}`, slope = found.slopes[name], least = found.minima[name];
        const [up, down, mark] = lines[task];
        const together = task === "in turn" ? (f) => push(f, slope) + pull(f, settings) : (f) => push(f, slope);
        const inside = Math.min(Math.max(least, 1e-6), 1 - 1e-6), floor = loss(inside, slope, settings);
        up.setAttribute("d", path(pushes, GRID, GRID.map(together)));
        down.setAttribute("d", path(losses, GRID, GRID.map((f) => Math.max(loss(f, slope, settings) - floor, 0))));
        mark.setAttribute("transform", `translate(${losses.X(least).toFixed(2)},${losses.Y(0)})`);
        cells[`push ${name}`].textContent = short(push(0.5, slope));
        cells[`minimum ${name}`].textContent = least.toFixed(4);
      }
    }
    for (const name of ["h", "h_prime"]) turns[name](settings[name], found.turns[name]);
  }
  model.on("change", update);
  update();
  return () => model.off("change", update);
}

export default { render };
