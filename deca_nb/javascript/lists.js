// Your data: what was doubted and trusted of one user's clicks, and what two recommenders would show next.

function render({ model, el }) {
  const frame = root(el), controls = add(frame, "div", { class: "deca-controls" });
  const label = add(controls, "label", {}, "user"), listed = `deca-users-${Math.random().toString(36).slice(2)}`;
  const input = add(label, "input", { "aria-label": "user", list: listed, size: 12 });
  const known = add(label, "datalist", { id: listed });
  const pick = choice(controls, "one of", choose);
  const tables = add(frame, "div", { "aria-live": "polite" });

  function choose(user) {
    model.set("user", user);
    model.save_changes();
  }

  function update() {
    const user = model.get("user"), all = model.get("tables"), names = model.get("users");
    input.value = user;
    known.replaceChildren(...names.map((name) => new Option(name, name)));
    pick(names.includes(user) ? names : [user, ...names], user);
    tables.replaceChildren();
    if (!Object.hasOwn(all, user)) {
      add(tables, "p", {}, `There is no table of user ${user} here. With a kernel it is made at once, if the user is in the data.`);
      return;
    }
    const place = add(tables, "div", { class: "deca-tables" });
    for (const { caption, columns, rows } of all[user]) table(add(place, "div"), caption, columns, rows);
  }
  input.addEventListener("change", () => choose(input.value));
  model.on("change", update);
  update();
  return () => model.off("change", update);
}

export default { render };
