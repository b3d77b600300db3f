// A world of your own: three numbers of one run, epoch by epoch, each as the mean of its seeds in a band from the lowest to the highest, and the runs that were made before it.

const PANELS = {
  "recall@20": "Recall@20 on the truth", "noise AUC": "Noise AUC: real above noisy clicks", "memorised noise": "Memorised noise: mean f of noisy clicks",
};

function ticksUpTo(epochs) {
  const step = [1, 5, 10, 20, 50].find((size) => epochs / size <= 6) ?? 100;
  return Array.from({ length: Math.floor(epochs / step) + 1 }, (_, i) => i * step);
}

function band(frame, name, { low, high }) {                 // along the lowest, and back along the highest
  const epochs = low.map((_, i) => i + 1), there = path(frame, epochs, low), back = path(frame, epochs.toReversed(), high.toReversed());
  add(frame.svg, "path", { class: "band", fill: LOOKS[name][0], "data-band": name, d: there && `${there}L${back.slice(1)}Z` });
}

function spot(drawn, level, name, curves) {                 // of a level's name: as near to it as there is room between the curves
  const width = 6.5 * name.length, along = [...Array(9).keys()].map((i) => (i / 8) * width);
  const lines = curves.flatMap(({ mean, low, high }) => [mean, low, high]);
  const room = ({ x, y }) => Math.min(10, ...lines.flatMap((line) => along.map((step) => {
    const at = Math.round(drawn.epoch(x + step)) - 1;
    return line[at] === undefined ? Infinity : Math.abs(drawn.Y(line[at]) - (y - 4));
  })));
  const spots = [-5, 14, -20, 28].flatMap((away) => [BOX.left + 4, drawn.right - width].map((x) => ({ x, y: drawn.Y(level) + away })));
  return spots.filter(({ y }) => y > BOX.top + 8 && y < drawn.bottom).sort((a, b) => room(b) - room(a))[0];
}

function told(curve, at) {
  return curve && at < curve.mean.length ? [curve.mean[at], curve.low[at], curve.high[at]] : null;
}

function render({ model, el }) {
  const frame = root(el), controls = add(frame, "div", { class: "deca-controls" });
  const pick = choice(controls, "run", (name) => {
    model.set("shown", model.get("runs").find((run) => run.name === name));
    model.save_changes();
  });
  const looks = legend(frame, { DeCA: LOOKS.DeCA, Normal: LOOKS.Normal, "Oracle: trained without the noise": LOOKS.Oracle, "a level that needs no training": LEVEL });
  const entry = add(looks, "li"), sample = add(entry, "svg", { viewBox: "0 0 34 12", "aria-hidden": "true" });
  add(sample, "path", { class: "band", fill: "currentColor", d: "M0,1H34V11H0Z" });
  entry.append("lowest to highest of the seeds");
  const hint = "curves by epoch; the left and right keys choose an epoch";
  const place = add(frame, "div", { class: "deca-charts", tabindex: 0, role: "group", "aria-label": hint });
  const detail = add(frame, "div", { "aria-live": "polite" });
  let epoch = 0, frames = [];

  function tell(chosen) {
    const { curves, levels, epochs, seeds } = model.get("shown");
    epoch = Math.min(Math.max(chosen, 1), epochs);
    for (const { mark, X } of frames) { mark.setAttribute("x1", X(epoch)); mark.setAttribute("x2", X(epoch)); }
    const rows = Object.entries(curves).map(([method, curve]) => [method, ...Object.keys(PANELS).map((metric) => told(curve[metric], epoch - 1))]);
    for (const [name, level] of Object.entries(levels)) rows.push([name, ...Object.keys(PANELS).map((metric) => level[metric])]);
    detail.replaceChildren();
    table(detail, `epoch ${epoch} of ${epochs}: mean of ${seeds} seeds (lowest–highest)`, ["", ...Object.keys(PANELS)], rows);
  }

  function update() {
    const runs = model.get("runs"), { name, curves, levels, epochs } = model.get("shown");
    const names = runs.map((run) => run.name);
    pick(names.includes(name) ? names : [name, ...names], name);
    place.replaceChildren();
    frames = Object.entries(PANELS).map(([metric, title]) => {
      const x = { scale: linear(0, epochs), ticks: ticksUpTo(epochs), label: "epoch" }, y = { scale: linear(0, 1), ticks: [0, 0.25, 0.5, 0.75, 1] };
      const drawn = chart(place, { title, x, y });
      const there = Object.entries(curves).filter(([, curve]) => curve[metric]);
      for (const [method, curve] of there) band(drawn, method, curve[metric]);
      for (const [method, { [metric]: { mean } }] of there) line(drawn, method).setAttribute("d", path(drawn, mean.map((_, i) => i + 1), mean));
      for (const [level, values] of Object.entries(levels)) {
        if (values[metric] === undefined) continue;
        line(drawn, level, LEVEL).setAttribute("d", path(drawn, [0, epochs], [values[metric], values[metric]]));
        drawn.epoch = (x) => ((x - BOX.left) / (drawn.right - BOX.left)) * epochs;
        add(drawn.svg, "text", { ...spot(drawn, values[metric], level, there.map(([, curve]) => curve[metric])), class: "level" }, level);
      }
      const mark = add(drawn.svg, "line", { y1: BOX.top, y2: drawn.bottom, class: "axis", "stroke-dasharray": "2 2" });
      drawn.svg.addEventListener("pointermove", (event) => {
        const box = drawn.svg.getBoundingClientRect(), at = ((event.clientX - box.left) / box.width) * BOX.width;
        const pointed = Math.min(Math.max(Math.round(((at - BOX.left) / (drawn.right - BOX.left)) * epochs), 1), epochs);
        if (pointed !== epoch) tell(pointed);
      });
      return { mark, ...drawn };
    });
    tell(epoch || epochs);
  }
  place.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    tell(epoch + move);
  });
  model.on("change", update);
  update();
  return () => model.off("change", update);
}

export default { render };
