// A page without a kernel: each drawing gets a small model that only remembers, and its sliders.

function remembers(state) {
  const listeners = {};
  return {
    get: (name) => state[name],
    set(name, value) { state[name] = value; for (const event of [`change:${name}`, "change"]) for (const heard of listeners[event] ?? []) heard(); },
    on(event, heard) { (listeners[event] ??= []).push(heard); },
    off(event, heard) { listeners[event] = (listeners[event] ?? []).filter((other) => other !== heard); },
    save_changes() {},
  };
}

function slider(parent, model, { name, label, least, most, step, logarithmic }) {
  const frame = document.createElement("label"), input = document.createElement("input"), value = document.createElement("output");
  frame.className = "deca-slider";
  Object.assign(input, { type: "range", min: least, max: most, step, value: logarithmic ? Math.log10(model.get(name)) : model.get(name) });
  input.dataset.slider = name;
  const show = () => { value.textContent = Number(model.get(name).toPrecision(3)); input.setAttribute("aria-valuetext", value.textContent); };
  input.addEventListener("input", () => { model.set(name, logarithmic ? 10 ** input.valueAsNumber : input.valueAsNumber); show(); });
  show();
  frame.append(label, input, value);
  parent.append(frame);
}

for (const [i, { module, state, sliders }] of JSON.parse(document.getElementById("parts").textContent).entries()) {
  const place = document.getElementById(`part-${i}`), model = remembers(state);
  const controls = document.createElement("div"), drawing = document.createElement("div");
  place.classList.add("deca");
  controls.className = "deca-controls";
  place.append(controls, drawing);
  for (const one of sliders) slider(controls, model, one);
  const address = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  (await import(address)).default.render({ model, el: drawing });
}
