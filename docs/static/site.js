// A page opened from a file cannot read other files, so the search lists titles only; from a server it shows what it found.
if (window.location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// A result that is a numbered formula says so: "07 Objective > Eq. 14". Runs before the search does, which waits for the same event.
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Scorer === "undefined") return;
  Scorer.score = (result) => {
    const number = /^#eq-(\d+)/.exec(result[2]);
    if (number) result[1] += ` > Eq. ${number[1]}`;
    return result[4];
  };
});

// The widgets ask for formulas as MathJax 2 understood it. By now MathJax 3 is there, and the widgets are not yet.
window.addEventListener("load", () => {
  if (window.MathJax) MathJax.Hub = { Queue: ([, , element]) => MathJax.startup.promise.then(() => MathJax.typesetPromise([element])) };
});

// The name of a module may go on in the next line.
document.addEventListener("DOMContentLoaded", () => {
  const title = document.querySelector("article h1")?.firstChild;
  if (title?.data) title.data = title.data.replace(/^deca_nb\./, "$&\u200b");
});

// A linked place stays where it is put while formulas, figures and widgets are drawn around it, until the reader moves.
// Where a page is come back to, the browser knows the reader's place.
(() => {
  const place = document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
  if (!place || performance.getEntriesByType("navigation")[0]?.type !== "navigate") return;
  const drawing = new ResizeObserver(() => place.scrollIntoView());
  drawing.observe(document.querySelector("article"));
  for (const act of ["wheel", "touchstart", "pointerdown", "keydown"]) {
    window.addEventListener(act, () => drawing.disconnect(), { capture: true, once: true, passive: true });
  }
})();

// When the formulas are drawn. Those that stand alone shrink a little where a narrow screen needs it; those in a line hold on
// to the mark behind them, and scroll if need be.
window.addEventListener("load", async () => {
  if (!window.MathJax) return;
  await MathJax.startup.promise;
  for (const formula of document.querySelectorAll("div.math")) {
    for (let size = 98; size >= 70 && formula.scrollWidth > formula.clientWidth; size -= 2) formula.style.fontSize = `${size}%`;
  }
  for (const formula of document.querySelectorAll("span.math")) {
    const room = document.querySelector("article").getBoundingClientRect().width, next = formula.nextSibling, mark = /^[.,;:?)’]+/.exec(next?.data);
    if (mark) formula.append(mark[0]), next.data = next.data.slice(mark[0].length);
    formula.classList.toggle("wide", formula.getBoundingClientRect().width > .9 * room);
  }
});

// A figure leads to itself in full size; what is printed as sentences, not as a table, goes on in the next line.
window.addEventListener("load", () => {
  for (const figure of document.querySelectorAll("article img")) {
    if (figure.closest("a")) continue;
    const link = Object.assign(document.createElement("a"), { href: figure.src, title: "in full size" });
    figure.replaceWith(link);
    link.append(figure);
  }
  for (const printed of document.querySelectorAll("article :is(.output, .highlight-text) pre")) {
    printed.classList.toggle("sentences", !/\S {2,}\S/.test(printed.textContent));
  }
});
