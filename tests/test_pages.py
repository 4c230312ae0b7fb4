"""The rendered book, opened in a browser: every page is there, draws its pictures, and asks no
outside host.
"""

import urllib.parse
from pathlib import Path

import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup
from PIL import Image

from helpers.book import pages, render
from helpers.book.figure_files import NOTE
from helpers.book.run import Run
from helpers.tissue import stages

ROOT = Path(__file__).parent.parent
PAGES = render.toc_pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))

# Top of the first large picture of a notebook's page, in pixels; null where there is none.
FIRST_PICTURE = """() => {
  const shown = [...document.querySelectorAll(".cell_output img")].filter(
    (one) => one.getBoundingClientRect().width > 100);
  return shown.length ? shown[0].getBoundingClientRect().top + scrollY : null;
}"""
# Code cells that scroll sideways once they are open.
CUT_OFF = """() => {
  document.querySelectorAll("details").forEach((one) => (one.open = true));
  return [...document.querySelectorAll(".cell_input pre")].filter(
    (one) => one.scrollWidth > one.clientWidth + 1).length;
}"""


@pytest.mark.parametrize("page", PAGES)
def test_page_draws_its_pictures_without_errors_or_outside_hosts(page, site, browser):
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    errors, outside = [], []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda one: errors.append(one.text) if one.type == "error" else None)
    tab.on(
        "request",
        lambda request: (
            outside.append(request.url)
            if not request.url.startswith((site, "data:", "blob:"))
            else None
        ),
    )
    response = tab.goto(f"{site}/{page}.html")
    assert response.ok
    tab.wait_for_load_state("load")
    heading = tab.locator("main section h1, article section h1").first.inner_text()
    first = tab.evaluate(FIRST_PICTURE)
    cut = tab.evaluate(CUT_OFF)
    # What is hidden behind a slider, or far down, is loaded when looked at; here all of it.
    tab.evaluate("for (const one of document.images) one.loading = 'eager'")
    tab.wait_for_function("[...document.images].every((one) => one.complete)")
    pictures = tab.eval_on_selector_all("img", "all => all.map(i => [i.src, i.naturalWidth > 0])")
    tab.close()
    assert heading.strip("# \n")
    assert [source for source, drawn in pictures if not drawn] == []
    assert first is None or first <= 1.5 * 900  # a screen and a half
    assert cut == 0
    if (ROOT / "_web" / "vendor" / "mathjax").exists():
        assert outside == []
        assert errors == []


@pytest.mark.parametrize("page", PAGES)
def test_page_is_light(page, tiny_run, site):
    assert (tiny_run[0] / "html" / f"{page}.html").stat().st_size < 3_000_000


NOTEBOOKS = [page for page in PAGES if page.startswith("notebooks/")]


@pytest.fixture(scope="module")
def parsed(tiny_run, site):
    """Every rendered page of the book as a tree."""
    folder = tiny_run[0] / "html"
    return {
        page: BeautifulSoup((folder / f"{page}.html").read_bytes(), "html.parser") for page in PAGES
    }


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_figures_have_numbers_captions_and_words(page, parsed):
    article = parsed[page].find("article")
    figures = [one for one in article.find_all("figure") if one.select(".caption-number")]
    pictures = [one for one in article.select("img") if "_images/" in one["src"]]
    assert figures  # every notebook's page has its main figure
    assert len(pictures) == len(figures)  # and none stands there without number and caption
    for figure in figures:
        name, number = figure.select_one(".caption-number").text.split()
        assert name == "Figure" and number.isdigit()
        words = " ".join(figure.select_one(".caption-text").text.split()).replace("’", "'")
        said = figure.select_one("img")["alt"].removeprefix("Phantom: ")
        assert len(words) > 20 and said[:15] == words[:15]


def test_figures_are_numbered_once_and_all(parsed):
    numbers = [
        int(one.text.split()[1])
        for page in PAGES
        for one in parsed[page].select("figure .caption-number")
    ]
    assert sorted(numbers) == [*range(1, len(numbers) + 1)] and len(numbers) > 60


def test_links_lead_somewhere(parsed, tiny_run):
    folder, missing = tiny_run[0] / "html", []
    places = {page: {one["id"] for one in tree.select("[id]")} for page, tree in parsed.items()}
    for page, tree in parsed.items():
        for link in tree.select("a[href]"):
            target = urllib.parse.urlsplit(urllib.parse.urljoin(f"/{page}.html", link["href"]))
            if target.scheme or target.netloc:
                continue
            path = urllib.parse.unquote(target.path).lstrip("/")
            there = places.get(path.removesuffix(".html"))
            if (
                not (folder / path).is_file()
                or target.fragment
                and there is not None
                and target.fragment not in there
            ):
                missing.append((page, link["href"]))
    assert missing == []


def test_references_to_figures_resolve(parsed):
    # "In Figure 41, dots are …": a number, and a link to the figure.
    tree = parsed["notebooks/06_nmf_factors"]
    figure = tree.find("figure", id="b-factors-and-controls")
    links = [one for one in tree.select("p a:not(.headerlink)") if one.get("href")]
    (link,) = [one for one in links if one["href"] == f"#{figure['id']}"]
    assert link.text.split() == figure.select_one(".caption-number").text.split()


def test_slice_on_the_page_shows_the_values_of_the_run(tiny_run, tiny_microct, site, browser):
    viewer = ROOT / "_web" / "vendor" / "openseadragon" / "openseadragon.min.js"
    if not viewer.exists():
        pytest.skip("the viewer was not installed: npm is missing")
    run = Run(tiny_run[0], "07_cortical_gmm", {"microct": str(tiny_microct)})
    recipe = yaml.safe_load((ROOT / "tests" / "tiny.yml").read_text())["07_cortical_gmm"]["recipe"]
    trained = stages.trained_classifier(run, 0, recipe=recipe)
    first, _ = stages.slice_pair(run)
    found = stages.nmf_factors(run, trained, first, k=4, seed=0, stride=16).value
    probabilities = np.exp(stages.posteriors(run, trained, first, stride=16))
    coefficients = found.on_grid(found.coefficients)
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    for address in (f"{site}/notebooks/07_cortical_gmm.html", None):
        # Served, then the very page opened as a file.
        page = tiny_run[0] / "html" / "notebooks" / "07_cortical_gmm.html"
        tab.goto(address or page.as_uri())
        tab.click(".slice-to-wander button")
        tab.wait_for_selector(".slice-to-wander[data-ready]", timeout=60_000)
        count = len(run.microct.areas)
        names = tab.locator(".slice-values th").all_text_contents()
        assert names[: count + 4] == [*run.microct.areas, "F0", "F1", "F2", "F3"]
        assert "(phantom)" in tab.inner_text(".slice-to-wander figcaption")
        row, column = np.argwhere(found.grid.included)[found.grid.included.sum() // 3]
        place = f"{row * 16 + 5}, {column * 16 - 5}"
        tab.evaluate(f"document.querySelector('.slice-to-wander').slice.at({place})")
        texts = tab.locator(".slice-values td:nth-child(2)").all_inner_texts()
        shown = np.array([np.nan if text == "–" else float(text) for text in texts])
        wanted = np.concatenate([probabilities[row, column], coefficients[row, column]])
        largest = [*np.nanmax(probabilities, (0, 1)), *np.nanmax(coefficients, (0, 1))]
        allowed = np.array(largest) / 500 + 0.06 * wanted
        assert (np.abs(shown[: count + 4] - wanted) <= allowed).all()
    tab.close()


def test_building_again_renders_nothing(tiny_run, site, monkeypatch):
    monkeypatch.setattr(render, "_render", lambda *a: pytest.fail("rendered again"))
    assert render.build(tiny_run[0]).exists()


def test_a_run_of_one_notebook_has_stub_pages(tmp_path):
    stub = pages.stub_of(
        ROOT / "notebooks" / "02_area_classifier.ipynb",
        "notebooks/02_area_classifier",
        None,
        tmp_path,
    )
    assert "not run in this run" in stub and "Telling areas apart" in stub


def test_letters_of_every_figure_can_be_read(tiny_run, site):
    run = tiny_run[0]
    folders = [run / "figures", run / ".book" / "_web" / "run" / "pictures"]
    sizes = {}
    for path in (path for folder in folders for path in folder.glob("*.png")):
        with Image.open(path) as picture:
            if NOTE in picture.text:
                sizes[path.name] = float(picture.text[NOTE].split()[0])
    assert len(sizes) > 60
    assert {name: size for name, size in sizes.items() if size < 6.99} == {}
