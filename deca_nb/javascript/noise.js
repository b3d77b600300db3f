// How likely the clicks are by an assumed P(click | disliked), for quiet and noisy items and by Eq. 17: where is each highest?
// The functions are the twins of those in deca_nb.explorer.

const LIKELIHOODS = { "quiet items": ["#1F83C4", ""], "noisy items": ["#009E73", "2 4"], "Eq. 17": ["#D55E00", "7 4"] };
const LOWEST = 0.003, HIGHEST = 0.6, GUESSES = 161;

export const guesses = Array.from({ length: GUESSES }, (_, i) => LOWEST * (HIGHEST / LOWEST) ** (i / (GUESSES - 1)));

export function rates({ noise, spread }) {           // P(click | disliked) of a quiet and of a noisy item
  return { "quiet items": noise * (1 - spread), "noisy items": noise * (1 + spread) };
}

const expit = (logit) => 1 / (1 + Math.exp(-logit));

export function likelihood(kind, guess, { noise, spread, h_prime, level, logits }) {
  const by_kind = rates({ noise, spread }), those = kind in by_kind ? [by_kind[kind]] : Object.values(by_kind);
  let sum = 0;
  for (const h of those) {
    for (const logit of logits) {
      const f = expit(logit), assumed = expit(logit + level), click = h_prime * f + h * (1 - f);
      const told = h_prime * assumed + guess * (1 - assumed);
      sum += kind in by_kind ? click * Math.log(told) + (1 - click) * Math.log1p(-told)
        : click * (assumed * Math.log(h_prime) + (1 - assumed) * Math.log(guess))
          + (1 - click) * (assumed * Math.log1p(-h_prime) + (1 - assumed) * Math.log1p(-guess));
    }
  }
  return sum / (those.length * logits.length);
}

export function best(kind, settings) {
  const values = guesses.map((guess) => likelihood(kind, guess, settings));
  return guesses[values.indexOf(Math.max(...values))];
}

const ticks = [0.003, 0.01, 0.03, 0.1, 0.3, 0.6];
const decades = linear(Math.log(LOWEST), Math.log(HIGHEST));
const AXES = { x: { scale: (value) => decades(Math.log(value)), ticks, label: "P(click | disliked) that is assumed" },
  y: { scale: linear(-0.05, 0), ticks: [-0.05, -0.04, -0.03, -0.02, -0.01, 0], label: "" } };

function render({ model, el }) {
  const frame = root(el), looks = { ...LIKELIHOODS, "the truth": LEVEL };
  const charts = add(frame, "div", { class: "deca-charts two" });
  const drawn = chart(charts, { title: "nats per pair below the highest", ...AXES });
  const lines = Object.keys(LIKELIHOODS).map((kind) => [kind, line(drawn, kind, LIKELIHOODS[kind])]);
  const truths = ["quiet items", "noisy items"].map((kind) => [kind, line(drawn, kind, LEVEL)]);
  legend(frame, looks);
  const said = add(frame, "p", { "data-found": "", "aria-live": "polite" });

  function update() {
    const names = ["noise", "spread", "h_prime", "level", "logits"];
    const settings = Object.fromEntries(names.map((name) => [name, model.get(name)])), true_rates = rates(settings);
    for (const [kind, curve] of lines) {
      const values = guesses.map((guess) => likelihood(kind, guess, settings)), top = Math.max(...values);
      curve.setAttribute("d", path(drawn, guesses, values.map((value) => Math.max(value - top, -0.05))));
    }
    for (const [kind, mark] of truths) {
      const at = Math.min(Math.max(true_rates[kind], LOWEST), HIGHEST);
      mark.setAttribute("d", path(drawn, [at, at], [-0.05, 0]));
    }
    const told = (kind) => `${kind} ${best(kind, settings).toFixed(3)} (true ${true_rates[kind].toFixed(3)})`;
    said.textContent = `Highest at: ${told("quiet items")}; ${told("noisy items")}; by Eq. 17 ${best("Eq. 17", settings).toFixed(3)} for all`;
    drawn.svg.setAttribute("aria-label", said.textContent);
  }
  model.on("change", update);
  update();
  return () => model.off("change", update);
}

export default { render };
