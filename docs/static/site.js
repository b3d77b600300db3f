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

// A figure leads to itself in full size; on a narrow screen a wide one keeps its letters legible and scrolls.
// What is printed as sentences, not as a table, goes on in the next line.
window.addEventListener("load", () => {
  for (const figure of document.querySelectorAll("article img")) {
    if (figure.closest("a")) continue;
    const link = Object.assign(document.createElement("a"), { href: figure.src, title: "in full size", className: "figure" });
    link.style.setProperty("--least", `${Math.min(figure.src.endsWith(".png") ? .34 * figure.naturalWidth : .7 * figure.naturalWidth, 820)}px`);
    figure.replaceWith(link);
    link.append(figure);
  }
  for (const printed of document.querySelectorAll("article :is(.output, .highlight-text, .highlight-none) pre")) {
    printed.classList.toggle("sentences", !/\S {2,}\S/.test(printed.textContent));
  }
});

// A short piece of code, such as --user, keeps together.
document.addEventListener("DOMContentLoaded", () => {
  for (const code of document.querySelectorAll("article code.literal")) code.classList.toggle("short", code.textContent.length <= 32);
});

// Where a table is wider than a narrow screen, its sentences keep room for a few words a line.
document.addEventListener("DOMContentLoaded", () => {
  for (const cell of document.querySelectorAll("article .table-wrapper td")) cell.classList.toggle("words", cell.textContent.length > 40);
});

// A table of results is sorted by the column whose head is pressed: by its first number, where it has one.
document.addEventListener("DOMContentLoaded", () => {
  if (!window.location.pathname.includes("/results/")) return;
  for (const table of document.querySelectorAll("article table")) table.classList.add("sortable");
  for (const cell of document.querySelectorAll("article table.sortable td")) {
    const number = parseFloat(cell.textContent);
    if (!isNaN(number)) cell.dataset.sort = number;
  }
});

// What scrolls sideways says so: it fades where more of it follows.
window.addEventListener("load", () => {
  const mark = ({ target }) => {
    const rest = target.scrollWidth - target.clientWidth - target.scrollLeft;
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(target).overflowX);
    target.classList.toggle("more-right", scrolls && rest > 2);
    target.classList.toggle("more-left", scrolls && target.scrollLeft > 2);
  };
  const sizes = new ResizeObserver((changed) => changed.forEach(({ target }) => [target, target.parentElement].forEach((node) => mark({ target: node }))));
  for (const box of document.querySelectorAll("article :is(.math, .cell_output, .output, .table-wrapper, .figure, pre)")) {
    box.addEventListener("scroll", mark, { passive: true });
    [box, ...box.children].forEach((node) => sizes.observe(node));
  }
});

// A comment that stands in a column of its own on a wide screen follows its code at once on a narrow one.
document.addEventListener("DOMContentLoaded", () => {
  for (const comment of document.querySelectorAll("article .highlight :is(.c, .c1)")) {
    const before = comment.previousSibling;
    if (before?.nodeType !== Node.TEXT_NODE || !/^ {3,}$/.test(before.data)) continue;
    comment.before(Object.assign(document.createElement("span"), { className: "gap", textContent: before.data.slice(2) }));
    before.data = "  ";
  }
});
