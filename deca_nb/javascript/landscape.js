// The landscape over f and h of a pair with and without a click: Eq. 17, then with Eq. 18, then with the agreement of two turns.
// The functions are the twins of those in deca_nb.explorer.

const SEEN = ["click", "no click"];
const CELLS = 40, NEAR = 0.02;                     // cells of a side; nats below the highest cell that count as highest
const TERMS = { 1: "Eq. 17", 2: "Eq. 17 + 18", 3: "Eq. 17 + 18 and agreement" };

export const centres = Array.from({ length: CELLS }, (_, i) => (i + 0.5) / CELLS);

export function linked(h, link) {
  return 0.5 + link * (h - 0.5);
}

function kl(p, q) {
  return p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
}

export function landscape(f, h, seen, { c1, c2, alpha, g, link, terms }) {
  const h_prime = linked(h, link), clicked = seen === "click";
  let value = clicked ? f * Math.log(h_prime) + (1 - f) * Math.log(h) : f * Math.log1p(-h_prime) + (1 - f) * Math.log1p(-h);
  if (terms > 1) value -= clicked ? c2 * (1 - f) : c1 * f;
  if (terms > 2) value -= 2 * (alpha * kl(g, f) + (1 - alpha) * kl(f, g));
  return value;
}

export function heights(seen, settings) {          // a row for each h, from the least on
  return centres.map((h) => centres.map((f) => landscape(f, h, seen, settings)));
}

const AXIS = { scale: linear(0, 1), ticks: [0, 0.25, 0.5, 0.75, 1] };
const percent = (share) => `${Math.round(100 * share)}%`;

function field(parent, seen) {
  const frame = chart(parent, { title: seen, x: { ...AXIS, label: "f" }, y: { ...AXIS, label: "h" } });
  const cells = centres.map((h, row) => centres.map((f, column) => add(frame.svg, "rect", {
    x: frame.X(column / CELLS), y: frame.Y((row + 1) / CELLS), "shape-rendering": "crispEdges",
    width: frame.X(1 / CELLS) - frame.X(0) , height: frame.Y(0) - frame.Y(1 / CELLS),
  })));
  add(frame.svg, "text", { x: 12, y: 112, class: "title" }, "h");
  const said = add(parent, "p", { "data-highest": seen, "aria-live": "polite" });
  return (settings) => {
    const values = heights(seen, settings), top = Math.max(...values.flat());
    let n = 0, fs = [], hs = [];
    values.forEach((row, i) => row.forEach((value, j) => {
      const below = top - value, is_top = below < NEAR;
      if (is_top) { n += 1; fs.push(centres[j]); hs.push(centres[i]); }
      cells[i][j].setAttribute("fill", is_top ? "#D55E00" : `color-mix(in srgb, #1F83C4 ${percent(1 / (1 + below))}, transparent)`);
    }));
    const range = (some) => `${Math.min(...some).toFixed(2)} to ${Math.max(...some).toFixed(2)}`;
    said.textContent = `${seen}: highest (orange) for f from ${range(fs)}, h from ${range(hs)}; ${n} of ${CELLS * CELLS} cells`;
    frame.svg.setAttribute("aria-label", said.textContent);
  };
}

function render({ model, el }) {
  const frame = root(el);
  const told = add(frame, "p", { "data-terms": "" });
  const charts = add(frame, "div", { class: "deca-charts two" });
  const drawn = SEEN.map((seen) => field(add(charts, "div"), seen));

  function update() {
    const settings = Object.fromEntries(["c1", "c2", "alpha", "g", "link", "terms"].map((name) => [name, model.get(name)]));
    told.textContent = `${TERMS[settings.terms]}, with h′ = .5 + ${settings.link.toFixed(1)} (h − .5)`;
    for (const draw of drawn) draw(settings);
  }
  model.on("change", update);
  update();
  return () => model.off("change", update);
}

export default { render };
