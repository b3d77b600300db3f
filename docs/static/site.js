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
document.addEventListener("DOMContentLoaded", () => {
  if (window.MathJax) MathJax.Hub = { Queue: ([, , element]) => MathJax.startup.promise.then(() => MathJax.typesetPromise([element])) };
});

// When the formulas are drawn: those in a line that are wider than a narrow screen scroll, and the linked place is gone to again, since it has moved.
window.addEventListener("load", async () => {
  if (!window.MathJax) return;
  await MathJax.startup.promise;
  for (const formula of document.querySelectorAll("span.math")) {
    const room = document.querySelector("article").getBoundingClientRect().width;
    formula.classList.toggle("wide", formula.getBoundingClientRect().width > .9 * room);
  }
  if (window.location.hash) document.getElementById(decodeURIComponent(window.location.hash.slice(1)))?.scrollIntoView({ behavior: "instant" });
});
