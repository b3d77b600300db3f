"""The site.

It builds without a warning, its guides are true, and in a browser, opened from a file, nothing is missing,
cut off or asked of the network.
"""

import sys
from pathlib import Path

import pytest
from conftest import ROOT, run_script
from test_browser import START, assert_drawn

sys.path.append(str(ROOT / "docs"))
sys.path.append(str(ROOT / "tools"))
DOCS = ROOT / "docs"
GUIDES = sorted((DOCS / "pages" / "guides").glob("*.md"))


@pytest.fixture(autouse=True)
def nothing_stays_open(request):
    """Close all pages: one that is slowed down keeps a core busy for as long as it is open."""
    yield
    if "browser" in request.fixturenames:
        for context in request.getfixturevalue("browser").contexts:
            context.close()


class Visitor:
    """A browser's page that keeps an account of what went wrong on it."""

    def __init__(self, browser, width: int = 1280, scheme: str = "light"):
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.page.on(
            "console", lambda message: self.complain(message.text) if message.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.complain(str(error)))
        self.page.on("requestfailed", lambda request: self.complain(f"{request.url[:200]} failed"))
        self.page.on("request", self.check_request)

    def complain(self, what: str):
        self.complaints.append(f"{self.page.url}: {what}")

    def check_request(self, request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complain(f"{request.url[:200]} was asked of the network")

    def open(self, path: Path, query: str = ""):
        """Open a page and wait until its formulas and widgets are drawn."""
        self.page.goto(path.as_uri() + query)
        self.wait_until_drawn()
        return self.page

    def wait_until_drawn(self):
        """Wait until the page's formulas and widgets are drawn."""
        self.page.wait_for_load_state()
        self.page.evaluate("window.MathJax ? MathJax.startup.promise.then(() => true) : true")
        self.page.wait_for_function(WIDGETS_ARE_DRAWN)

    def hold_formulas(self) -> list:
        """From now on formulas are drawn only once what is held here is let go with `continue_()`."""
        held: list = []
        self.page.route("**/tex-svg-full.js*", lambda route: held.append(route))
        return held

    def slow_down(self, times: float):
        """From now on the machine is so many times slower."""
        devtools = self.page.context.new_cdp_session(self.page)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": times})
        self.page.set_default_timeout(30_000 * times)


WIDGETS_ARE_DRAWN = """() => {
  const number = (selector) => document.querySelectorAll(selector).length;
  return number('script[type="application/vnd.jupyter.widget-view+json"]')
         <= number('.widget-subarea > .jupyter-widgets, .widget-subarea > * .jupyter-widgets');
}"""
CUT_OFF = """() => {
  const scrolls = (node) => node.tagName !== 'ARTICLE'
    && (['auto', 'scroll'].includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  const beyond = (node) => node.getBoundingClientRect().right > window.innerWidth + 1
    && getComputedStyle(node).visibility === 'visible';
  return [...document.querySelectorAll('article *:not(mjx-assistive-mml, mjx-assistive-mml *)')]
         .filter(node => beyond(node) && !scrolls(node))
         .map(node => node.outerHTML.slice(0, 100)).slice(0, 3);
}"""
SCROLLERS = """() => [...document.querySelectorAll('article *')]
  .filter(node => node.clientWidth && node.scrollWidth > node.clientWidth + 3
    && ['auto', 'scroll'].includes(getComputedStyle(node).overflowX) && !node.closest('.widget-subarea'))
  .map(node => ({ says: node.classList.contains('more-right'), what: node.outerHTML.slice(0, 80) }))"""
FORMULAS = """() => ({
  stated: document.querySelectorAll('.math').length,
  drawn: document.querySelectorAll('.math mjx-container').length,
  wrong: [...document.querySelectorAll('mjx-merror, [data-mjx-error]')].map(node => node.textContent),
})"""


def pages(site: Path) -> list[Path]:
    """The pages that somebody wrote; Sphinx adds the source code of the modules."""
    return [path for path in sorted(site.rglob("*.html")) if "_modules" not in path.parts]


# The guides.


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_guide_is_true(guide, tmp_path):
    result = run_script(DOCS / "guides.py", guide, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_guide_that_is_not_true_is_noticed(tmp_path):
    for name, text in {
        "wrong": "print(2)\n```\n\n```text\n3",
        "far": "print(.5)\n```\n\n```text\n0.9",
        "fails": "1 / 0",
    }.items():
        (tmp_path / name).write_text(f"```python\n{text}\n```\n")
        assert run_script(DOCS / "guides.py", tmp_path / name, cwd=tmp_path).returncode == 1


# The pages as files.


def test_each_chapter_appendix_and_guide_has_a_page(site):
    expected = {f"chapters/{path.stem}.html" for path in (ROOT / "nbs").glob("[0-9A]*[0-9]_*.ipynb")} | {
        f"guides/{path.stem}.html" for path in GUIDES
    }
    assert expected <= {path.relative_to(site).as_posix() for path in pages(site)}


def test_chapters_show_no_directives(site):
    from notebooks import DIRECTIVE, notebook_pages, shown

    for name in notebook_pages():
        assert "#| " not in (site / name).with_suffix(".html").read_text(encoding="utf-8"), name
    assert all(
        "hide" not in DIRECTIVE.findall(cell.source)
        for path in notebook_pages().values()
        for cell in shown(path)
    )


def test_each_function_leads_to_its_cell(site):
    from check import page
    from notebooks import anchor
    from pages import DEFINITIONS

    entries = {name: path for path in (site / "api").glob("*.html") for name in page(path).ids}
    assert [name for name in DEFINITIONS if name not in entries] == []
    links = {path: set(page(path).links) for path in entries.values()}
    places = {
        name: f"../chapters/{found.chapter}.html#{anchor(found.chapter, found.cell)}"
        for name, found in DEFINITIONS.items()
    }
    assert [name for name, place in places.items() if place not in links[entries[name]]] == []


def test_notation_names_are_in_the_code(site):
    import re

    text = (DOCS / "pages" / "notation.md").read_text(encoding="utf-8")
    rows = [
        row.split(" | ")
        for row in text.splitlines()
        if row.startswith("| ") and "name in the code" not in row
    ]
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row[2])}
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "deca_nb").glob("*.py"))
    assert len(names) > 20 and [name for name in names if not re.search(rf"\b{name}\b", code)] == []


def test_what_is_broken_is_noticed(tmp_path):
    from check import problems

    (tmp_path / "other.html").write_text("<p id='there'></p>")
    (tmp_path / "index.html").write_text(
        "<a href='other.html#there'>right</a><a href='other.html#gone'>no such id</a>"
        "<a href='gone.html'>no such page</a><script src='https://example.org/x.js'></script>"
        "<a href='https://example.org'>a link asks nothing</a><img src='other.html'>"
    )
    assert [problem.partition(": ")[2] for problem in problems(tmp_path)] == [
        "other.html#gone leads nowhere",
        "gone.html leads nowhere",
        "https://example.org/x.js would be asked of the network",
        "the picture other.html says nothing",
    ]


SVG_START = '<svg xmlns="http://www.w3.org/2000/svg"><g id="figure_1"><g id="axes_1">'


def svg_of(title: str, axis: str) -> str:
    """A figure with a title over all, one over its axes, and the name and a tick of an axis."""

    def text(name: str, words: str) -> str:
        return f'<g id="{name}"><!-- {words} --></g>'

    ticks = f'<g id="xtick_1">{text("text_1", "0.5 of all")}</g>{text("text_2", axis)}'
    axes = f'<g id="matplotlib.axis_1">{ticks}</g>{text("text_3", "its own title")}</g>'
    return f"{SVG_START}{axes}{text('text_4', title)}</g></svg>"


def test_a_picture_says_what_stands_in_it():
    from notebooks import LONGEST_ALT, alternative_of

    assert alternative_of([svg_of("Where $C_1$ exceeds $\\alpha$, all is lost", "epoch")]) == (
        "Figure: Where C1 exceeds alpha, all is lost; its own title; epoch."
    )
    long = alternative_of([svg_of("One sentence of a title", "a name " * LONGEST_ALT)])
    assert long == "Figure: One sentence of a title; its own title."  # whole phrases only


def test_each_picture_has_words_of_its_own(site):
    from notebooks import SVG, alternative, drawn_words, notebook_pages, shown

    told = {path: pictures(path) for path in pages(site)}
    assert sum(map(len, told.values())) > 80
    bad = [
        (path.relative_to(site).as_posix(), alt)
        for path, alts in told.items()
        for alt in alts
        if len(alt) < 20 or any(mark in alt for mark in ("$", "\\", "…", ".."))
    ]
    assert bad == []
    for name, path in notebook_pages().items():
        for cell in shown(path):
            svgs = [output.data[SVG] for output in cell.get("outputs", []) if SVG in output.get("data", {})]
            if svgs and "fig-alt" not in cell.source:
                words = {word for svg in svgs for word in drawn_words(svg)}
                phrases = alternative(cell).removeprefix("Figure: ").removesuffix(".")
                for word in sorted(words, key=len, reverse=True):
                    phrases = phrases.replace(word, "")
                assert set(phrases) <= set("; "), (name, cell.id, phrases)


def pictures(path: Path) -> list[str]:
    """What the pictures of a page say."""
    from html.parser import HTMLParser

    found: list[str] = []

    class Pictures(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]):
            if tag == "img":
                found.append(dict(attributes).get("alt") or "")

    Pictures().feed(path.read_text(encoding="utf-8"))
    return found


def test_tables_have_one_sign_for_no_value(site):
    import re

    for path in pages(site):
        cells = re.findall(r"<td[^>]*>(?:<p>)?([^<]*)", path.read_text(encoding="utf-8"))
        assert not {"NaN", "nan", "NaT", "&lt;NA&gt;", "—"} & {cell.strip() for cell in cells}, path


def test_the_sidebar_has_the_chapters_of_the_home_page_in_its_order(site):
    import re

    from notebooks import rooms_in_order

    text = (site / "index.html").read_text(encoding="utf-8")
    sidebar = re.findall(r'toctree-l1"><a [^>]*href="chapters/(\w+)\.html">([^<]*)</a>', text)
    names = [name for names in rooms_in_order().values() for name in names]
    assert [name for name, _ in sidebar] == names
    listed = re.findall(
        r'<td[^>]*>(?:<p>)?<a [^>]*href="chapters/(\w+)\.html"><span[^>]*>([^<]*)</span>', text
    )
    titles = dict(sidebar)
    assert {name: title for name, title in listed if len(title) > 2} == titles


def test_signatures_name_types_and_not_their_bounds(site):
    for path in (site / "api").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        for bad in ("log_range=", "Annotated[", "sampler=", "hyper_parameters=", ":attr:", "``"):
            assert bad not in text, (path, bad)


def test_each_documented_parameter_is_in_its_signature(site):
    import re

    for path in (site / "api").glob("*.html"):
        for entry in re.split(r'<dt class="sig', path.read_text(encoding="utf-8"))[1:]:
            head, _, rest = entry.partition("</dt>")
            taken = re.findall(r'<em class="sig-param"><span class="(?:o|n)">.*?</em>', head, re.DOTALL)
            names = {name for one in taken for name in re.findall(r'<span class="pre">(\w+)</span>', one)}
            names -= {"args", "kwargs"}  # all that traitlets lets a widget's signature say
            told = re.search(r"Parameters<.*?</dd>", rest, re.DOTALL)
            documented = re.findall(r"<p><strong>(\w+)</strong> –", told[0]) if told else []
            assert not names or set(documented) <= names, (path.name, head[:200], documented)


def test_a_parameter_is_no_link_to_a_function_of_its_name(site):
    from check import page

    links = page(site / "api" / "worlds.html").links
    assert [
        link for link in links if link.endswith(("#deca_nb.models.uniform", "#deca_nb.explorer.logit"))
    ] == []


def test_the_map_counts_each_world_once():
    from findings import finding

    told = finding(ROOT / "results" / "map" / "world-clean.md")
    figure = (ROOT / "results" / "map" / "world-clean-figure-recall.svg").read_text(encoding="utf-8")
    assert "of 80 cells" in told and "of 80 cells" in figure


def test_each_report_has_a_card_that_its_tables_bear_out(site):
    from findings import FINDINGS, finding

    reports = sorted((ROOT / "results").rglob("*.md"))
    text = (site / "results.html").read_text(encoding="utf-8")
    assert text.count('class="card docutils container"') == len(reports) > 20
    assert {report.parent.name for report in reports} == set(FINDINGS)
    for report in reports:
        link = f'href="{report.relative_to(ROOT).with_suffix(".html").as_posix()}"'
        assert link in text and len(finding(report)) < 240, report


def test_a_finding_follows_its_table(tmp_path):
    from findings import finding

    folder = tmp_path / "table2"
    folder.mkdir()
    rows = "model,method,metric,mean\nGMF,Normal,ndcg@20,.1\nGMF,DeCA,ndcg@20,{deca}\n"
    ranker = "model,method,metric,mean\nEASE,-,ndcg@20,.15\n"
    (folder / "own-rankers.csv").write_text(ranker)
    for deca, told in (
        (0.2, "in 1 of 1 columns; no plain"),
        (0.05, "in 0 of 1 columns; EASE is above every"),
    ):
        (folder / "own-cells.csv").write_text(rows.format(deca=deca))
        assert told in finding(folder / "own.md")


# The pages in a browser.


def test_home_shows_in_one_screen_what_it_is(site, browser):
    page = Visitor(browser).open(site / "index.html")
    for what in (".door", "article img", "article .widget-subarea .deca, article .widget-slider"):
        box = page.locator(what).first.bounding_box()
        assert box["y"] + min(box["height"], 400) < 900, what
    assert page.locator(".door").count() == 3


def test_a_table_of_results_is_sorted_by_a_press_and_by_a_key(site, browser):
    page = Visitor(browser).open(site / "results" / "tuned" / "movielens-100k-clean.html")
    head = page.locator("article table th", has_text="ndcg@20").first
    numbers = "table => [...table.tBodies[0].rows].map(row => parseFloat(row.lastElementChild.textContent))"

    def column():
        return page.locator("article table").first.evaluate(numbers)

    before = column()
    head.click()
    page.wait_for_function("document.querySelector('article table th[aria-sort=descending]')")
    page.wait_for_timeout(100)
    assert column() == sorted(before, reverse=True) != before
    head.focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(100)
    assert column() == sorted(before)


def test_a_figure_opens_in_full_size_and_imports_are_folded(site, browser):
    page = Visitor(browser).open(site / "chapters" / "07_objective.html")
    assert page.locator("article img").count() == page.locator("article a > img").count() > 2
    imports = page.locator("details .highlight", has_text="import torch")
    assert imports.count() > 0 and not imports.first.is_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_are_whole(site, browser, width):
    visitor, cut_off, badly_drawn = Visitor(browser, width), {}, {}
    for path in pages(site):
        page = visitor.open(path)
        wide = page.evaluate(CUT_OFF)
        if page.evaluate("document.documentElement.scrollWidth") > width or wide:
            cut_off[path.relative_to(site).as_posix()] = wide
        formulas = page.evaluate(FORMULAS)
        if formulas["wrong"] or formulas["drawn"] != formulas["stated"]:
            badly_drawn[path.relative_to(site).as_posix()] = formulas
    assert (visitor.complaints, cut_off, badly_drawn) == ([], {}, {})


@pytest.mark.parametrize("width", [1280, 390])
def test_what_scrolls_sideways_shows_that_more_follows(site, browser, width):
    page = Visitor(browser, width).open(site / "chapters" / "09_baselines.html")
    page.wait_for_timeout(300)
    boxes = page.evaluate(SCROLLERS)
    assert width > 400 or len(boxes) > 3
    assert [box for box in boxes if not box["says"]] == []


def test_a_wide_figure_stays_legible_on_a_narrow_screen(site, browser):
    page = Visitor(browser, 390).open(site / "results" / "map" / "world-clean.html")
    figure = page.locator("article a.figure > img").first
    assert figure.bounding_box()["width"] > 600
    box = page.locator("article a.figure").first
    assert box.bounding_box()["width"] < 390
    assert "more-right" in box.get_attribute("class")
    box.evaluate("(node) => { node.scrollLeft = node.scrollWidth; }")
    page.wait_for_function(
        "() => document.querySelector('article a.figure').matches('.more-left:not(.more-right)')"
    )


def test_search_finds_an_equation(site, browser):
    visitor = Visitor(browser)
    page = visitor.open(site / "index.html")
    page.fill("input[name=q]", "Eq. 14")
    page.press("input[name=q]", "Enter")
    first = page.locator("ul.search li a").first
    first.wait_for()
    assert first.inner_text() == "07 Objective > Eq. 14"
    visitor.slow_down(6)
    first.click()
    page.wait_for_selector(f"{EQ_14} mjx-container")
    assert "(14)" in page.locator(f"{EQ_14} mjx-assistive-mml").text_content()
    visitor.wait_until_drawn()
    page.evaluate(AT_REST)
    assert page.evaluate(IN_SIGHT, EQ_14)
    assert visitor.complaints == []


def test_a_linked_equation_stays_in_sight_while_formulas_are_drawn(site, browser):
    visitor = Visitor(browser)
    page, held = visitor.page, visitor.hold_formulas()
    page.goto(f"{(site / 'chapters' / '07_objective.html').as_uri()}#eq-14", wait_until="commit")
    page.wait_for_function(IN_SIGHT, arg=EQ_14)
    assert page.locator("mjx-container").count() == 0
    held[0].continue_()
    visitor.wait_until_drawn()
    page.evaluate(AT_REST)
    assert page.locator("mjx-container").count() > 100
    assert page.evaluate(IN_SIGHT, EQ_14)


def test_a_reader_who_has_moved_on_is_not_called_back(site, browser):
    visitor = Visitor(browser)
    page, held = visitor.page, visitor.hold_formulas()
    page.goto(f"{(site / 'chapters' / '07_objective.html').as_uri()}#eq-14", wait_until="commit")
    page.wait_for_function(IN_SIGHT, arg=EQ_14)
    page.mouse.move(640, 450)
    page.mouse.wheel(0, 3000)
    page.wait_for_function(FAR_ABOVE, arg=EQ_14)
    held[0].continue_()
    visitor.wait_until_drawn()
    page.evaluate(AT_REST)
    assert page.locator("mjx-container").count() > 100
    assert page.evaluate(FAR_ABOVE, EQ_14)


def test_search_finds_a_function_by_its_name(site, browser):
    page = Visitor(browser).open(site / "search.html", "?q=dp_log_likelihood")
    first = page.locator("ul.search li a").first
    first.wait_for()
    assert first.get_attribute("href").endswith("api/objective.html#deca_nb.objective.dp_log_likelihood")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_explorer_lives_without_a_kernel(site, browser, scheme):
    visitor = Visitor(browser, scheme=scheme)
    page = visitor.open(site / "chapters" / "13_explorer.html")
    assert page.locator(".widget-subarea").count() >= 4
    pair, handle = page.locator(".widget-subarea .deca").first, page.locator(".noUi-handle").first
    assert_drawn(pair, **START)
    number = pair.locator('[data-number="push DP no click"]')
    before = number.inner_text()
    handle.press("ArrowRight")
    page.wait_for_function(
        "([node, before]) => node.innerText !== before", arg=[number.element_handle(), before]
    )
    assert_drawn(pair, **START | {"c1": 10**1.05})
    for selector in (".widget-label", ".widget-readout", ".deca svg text", ".deca td"):
        assert page.locator(f"article {selector}").first.evaluate(CONTRAST) > 4.5, selector
    assert visitor.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(site, browser, scheme):
    page = Visitor(browser, scheme=scheme).open(site / "chapters" / "07_objective.html")
    for selector in (
        "article p",
        "article pre",
        "article table.docutils td",
        "article table.dataframe td",
        "article .admonition p",
        ".sidebar-tree a",
    ):
        assert page.locator(selector).first.evaluate(CONTRAST) > 4.5, selector


EQ_14 = "div.math#eq-14"
AT_REST = """() => new Promise((done) => {
  let last, since;
  const look = () => {
    if (window.scrollY !== last) [last, since] = [window.scrollY, performance.now()];
    performance.now() - since > 500 ? done() : requestAnimationFrame(look);
  };
  look();
})"""
IN_SIGHT = """(selector) => {
  const { top = -1, bottom } = document.querySelector(selector)?.getBoundingClientRect() ?? {};
  return top >= 0 && bottom <= window.innerHeight;
}"""
FAR_ABOVE = "(selector) => document.querySelector(selector).getBoundingClientRect().top < -2000"
CONTRAST = """(node) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(x => x / 255)
    .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [.2126, .7152, .0722][i], 0);
  const solid = (node) => {
    const c = numbers(getComputedStyle(node).backgroundColor);
    return c.length < 4 || c[3] === 1;
  };
  let ground = node;
  while (ground.parentElement && !solid(ground)) ground = ground.parentElement;
  const colours = [numbers(getComputedStyle(node).color), numbers(getComputedStyle(ground).backgroundColor)];
  const [a, b] = colours.map(light).sort((x, y) => y - x);
  return (a + .05) / (b + .05);
}"""
