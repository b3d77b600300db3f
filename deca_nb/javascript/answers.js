// What do answers change? One user's list at some number of answers, and where its items stood before.

export function reached(steps, answers) {            // the last step that does not need more answers
  return steps.filter((step) => step.answers <= answers).at(-1) ?? steps[0];
}

function render({ model, el }) {
  const frame = root(el), controls = add(frame, "div", { class: "deca-controls" });
  const pick = choice(controls, "user", choose);
  const said = add(frame, "p", { "data-told": "", "aria-live": "polite" });
  const place = add(frame, "div", { class: "deca-tables" });

  function choose(user) {
    model.set("user", user);
    model.save_changes();
  }

  function update() {
    const step = reached(model.get("steps"), model.get("answers")), user = model.get("user");
    const { caption, columns, rows } = step.tables[user];
    pick(model.get("users"), user);
    said.textContent = step.told;
    place.replaceChildren();
    table(add(place, "div"), `${caption} after ${step.answers} answers`, columns, rows);
  }
  model.on("change", update);
  update();
  return () => model.off("change", update);
}

export default { render };
