"""The rendered book as it is seen: on a phone, in the dark, on paper, and by keyboard."""

from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from helpers.book import render

ROOT = Path(__file__).parent.parent
PAGES = render.toc_pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
PHONE, DESK, PAPER = (390, 844), (1280, 900), (794, 1123)  # CSS pixels; A4 at 96 a inch

# What shows and is wider than the page, although nothing around it scrolls.
BEYOND = """() => {
  const width = document.documentElement.clientWidth;
  const chosen = ["input", "select", "button", "output", "img"].map((one) => `article ${one}`);
  return [...document.querySelectorAll(chosen.join())]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > width + 1)
    .map((one) => one.outerHTML.slice(0, 80));
}"""
# Outputs of cells that scroll sideways, so that a part of them is cut off.
CUT_OFF = """() => {
  const chosen = ".cell_output, .cell_output .text_html, .cell_output pre";
  return [...document.querySelectorAll(chosen)]
    .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1)
    .map((one) => `${one.scrollWidth} > ${one.clientWidth}: ${one.innerText.slice(0, 60)}`);
}"""
# The contrast of words with what lies behind them (WCAG 2), where it is too small.
PALE = r"""() => {
  const chosen = ["p", "li", ".board code", ".board-cell", ".board-verdict span", ".board th"];
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) =>
    0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const ground = parse(getComputedStyle(one).backgroundColor);
      if (ground.length < 4 || ground[3] > 0.5) return ground;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll(chosen.map((one) => `article ${one}`).join())]
    .filter((one) => one.checkVisibility())
    .map((one) => {
      const lights = [parse(getComputedStyle(one).color), behind(one)].map(light);
      const [b, a] = lights.sort((x, y) => x - y);
      return [(a + 0.05) / (b + 0.05), one.innerText.slice(0, 40)];
    })
    .filter(([contrast]) => contrast < 4.5);
}"""
GROUNDS = """() => [...document.querySelectorAll(".cell_output img")]
  .filter((one) => one.checkVisibility())
  .map((one) => getComputedStyle(one).backgroundColor)"""
CONTROLS = """() => {
  const folded = ["details.hide:not([open])", "details.sd-dropdown:not([open])"];
  const chosen = ["button", "select", "input", ".modebar", ".updatemenu-button", ...folded];
  return [...document.querySelectorAll(chosen.map((one) => `article ${one}`).join())]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }))
    .map((one) => one.outerHTML.slice(0, 80));
}"""
UNNAMED = """() => {
  const chosen = ["input", "select", "button", "a[href]"].map((one) => `article ${one}`);
  const named = (one) =>
    one.getAttribute("aria-label") || one.title || one.dataset.title || one.dataset.tooltip ||
    one.innerText?.trim() || one.labels?.[0]?.innerText.trim() || one.querySelector("img[alt]");
  return [...document.querySelectorAll(chosen.join())]
    .filter((one) => one.checkVisibility() && !named(one))
    .map((one) => one.outerHTML.slice(0, 120));
}"""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const seen = one.matches(":focus-visible") && style.outlineStyle !== "none";
  return [one.tagName, seen ? parseFloat(style.outlineWidth) : 0];
}"""


@pytest.fixture(scope="module", params=PAGES)
def page(request, site, browser):
    """A page of the book, loaded once for all tests of it."""
    tab = browser.new_page(color_scheme="light")
    tab.goto(f"{site}/{request.param}.html")
    tab.wait_for_load_state("load")
    tab.wait_for_selector("html[data-theme=light]", state="attached")
    yield tab
    tab.close()


@contextmanager
def seen(tab, size, theme="light", media="screen"):
    tab.set_viewport_size(dict(zip(("width", "height"), size)))
    tab.emulate_media(media=media)
    tab.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    yield
    tab.emulate_media(media="screen")
    tab.evaluate("document.documentElement.dataset.theme = 'light'")


def test_nothing_scrolls_sideways_on_a_phone(page):
    with seen(page, PHONE):
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert page.evaluate(BEYOND) == []


def test_no_table_or_output_is_cut_off(page):
    with seen(page, DESK):
        for _ in range(50):  # plotly takes the new width in its own time
            wider = page.evaluate(CUT_OFF)
            if not wider:
                break
            page.wait_for_timeout(100)
        assert wider == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_and_figures_have_a_light_ground(theme, page):
    with seen(page, DESK, theme):
        page.wait_for_timeout(400)  # links fade to their new colour
        assert page.evaluate(PALE) == []
        if theme == "dark":
            assert set(page.evaluate(GROUNDS)) <= {"rgb(255, 255, 255)"}


def test_paper_shows_pictures_and_no_controls(page):
    with seen(page, PAPER):
        on_screen = page.locator("article img:visible").count()
    with seen(page, PAPER, media="print"):
        assert page.evaluate(CONTROLS) == []
        assert page.evaluate(CUT_OFF) == []
        assert page.locator("article img:visible").count() >= on_screen


def test_whatever_can_be_operated_has_a_name(page):
    with seen(page, DESK):
        assert page.evaluate(UNNAMED) == []


def test_the_first_page_unfolds_on_paper(site, browser):
    tab = browser.new_page()
    tab.goto(f"{site}/book/welcome.html")
    tab.pdf()
    folded = tab.locator("details.found:not([open])").count()
    listed = tab.locator("details.found").count()
    tab.close()
    assert folded == 0 and listed > 2


@pytest.fixture(scope="module")
def scoreboard(site, browser):
    tab = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]})
    tab.goto(f"{site}/notebooks/12_scoreboard.html")
    yield tab
    tab.close()


def test_the_keyboard_walks_the_scoreboard_and_shows_where_it_is(scoreboard):
    scoreboard.locator(".board select").first.focus()
    reached = []
    for _ in range(4):
        reached.append(scoreboard.evaluate(FOCUSED))
        scoreboard.keyboard.press("Tab")
    assert [name for name, _ in reached] == ["SELECT", "SELECT", "SELECT", "SUMMARY"]
    assert all(outline >= 2 for _, outline in reached)
    scoreboard.keyboard.press("Shift+Tab")
    scoreboard.keyboard.press("Enter")
    assert scoreboard.locator("details.claim").first.locator(".board-more").is_visible()


def test_a_figure_opens_by_itself(scoreboard):
    link = scoreboard.locator("a.full-size").first
    assert link.get_attribute("title")
    drawn, shown = link.locator("img").evaluate("one => [one.naturalWidth, one.clientWidth]")
    assert drawn > 2 * shown
    answer = scoreboard.goto(link.evaluate("one => one.href"))
    assert answer.headers["content-type"] == "image/png"


def test_no_line_of_prose_is_taken_for_a_comment():
    """MyST drops lines that begin with a percent sign."""
    for path in [*(ROOT / "notebooks").glob("*.py"), *(ROOT / "book").glob("*.md")]:
        sign = "# %" if path.suffix == ".py" else "%"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            assert not line.startswith(sign) or line.startswith("# %%"), f"{path.name}:{number}"
