"""The rendered book, opened in a browser: every page is there, draws its pictures, and asks no
outside host.
"""

import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest
import yaml
from PIL import Image

from helpers.book import pages, render
from helpers.book.figure_files import NOTE

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


@pytest.fixture(scope="module")
def site(tiny_run):
    """Address of the rendered tiny run, served from this machine."""
    run, _ = tiny_run
    render.build(run)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=run / "html")
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    chromium = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


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
