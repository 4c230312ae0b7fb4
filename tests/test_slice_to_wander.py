"""The slice to wander in, in a browser: the values under the pointer are those of the arrays, zoom
and opacity work, hostile names stay text, and a page opened as a file shows the same.
"""

import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from IPython.display import HTML
from local_server import serve_folder
from PIL import Image

from helpers.book import in_page, pyramid
from helpers.book.run import Run
from helpers.tissue.stages import slice_to_wander
from helpers.tissue.stages.factorisation import SliceFactors
from helpers.tissue.stages.slices import SliceFeatures

ROOT = Path(__file__).parent.parent
VENDORED = ROOT / "_web" / "vendor" / "openseadragon" / "openseadragon.min.js"
SHAPE, STRIDE = (300, 1100), 10
HOSTILE = "<script>document.title='owned'</script>"


# ---------------------------------------------------------------------------- files


@pytest.mark.parametrize("shape", [(300, 1100), (512, 512), (513, 7), (1, 1)])
def test_tiles_cover_every_level_of_the_pyramid(shape):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    made = pyramid.tiles(image, tile=256)
    finest = pyramid.finest_level(shape)
    levels = {int(name.split("_")[0]) for name in made}
    assert max(levels) == finest
    for level in levels:
        sides = [-(-side // 2 ** (finest - level)) for side in shape]
        pieces = {
            n: Image.open(io.BytesIO(b)) for n, b in made.items() if n.startswith(f"{level}_")
        }
        assert len(pieces) == np.prod([-(-side // 256) for side in sides])
        right = f"{level}_{(sides[1] - 1) // 256}_0.jpg"
        assert pieces[right].width == (sides[1] - 1) % 256 + 1
    coarsest = -(-max(shape) // 2 ** (finest - min(levels)))
    assert coarsest <= 256 and (len(levels) == 1 or 2 * coarsest > 256)


def test_a_tile_shows_its_place():
    image = np.zeros((300, 1100), np.uint8)
    image[256:, 512:768] = 200
    tile = np.asarray(Image.open(io.BytesIO(pyramid.tiles(image, tile=256)["11_2_1.jpg"])))
    assert tile.shape == (44, 256) and abs(tile.astype(int) - 200).max() <= 2


def test_quantised_values_come_back():
    values = np.random.default_rng(0).random((40, 50)) * 3e-4
    values[3, 4], values[0, 0] = np.nan, 0
    codes, largest = pyramid.quantised(values)
    back = np.where(codes > 0, (codes.astype(float) - 1) / pyramid.LEVELS * largest, np.nan)
    assert np.nanmax(np.abs(back - values)) <= largest / 508 * 1.0001
    assert codes[3, 4] == 0 and codes[0, 0] == 1
    assert pyramid.quantised(np.full((2, 2), np.nan))[1] == 0


@pytest.mark.parametrize("count", [1, 25, 400])
def test_thinning_keeps_to_the_budget_and_no_more(count):
    step = pyramid.thinning(count, (1420, 5805))
    size = [count * -(-1420 // s) * -(-5805 // s) for s in (step, step - 1) if s]
    assert size[0] <= pyramid.MOST_VALUES
    assert len(size) == 1 or size[1] > pyramid.MOST_VALUES


def test_gray_bytes_take_any_type():
    image = np.linspace(0, 40000, 6400).reshape(80, 80)
    assert pyramid.gray_bytes(image.astype(np.uint16)).max() == 255
    assert pyramid.gray_bytes(np.zeros((8, 8), np.float32)).max() == 0


# ---------------------------------------------------------------------------- in the browser


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A page as the book holds it, of a slice that nobody factorised."""
    rng = np.random.default_rng(0)
    rows, columns = np.arange(0, SHAPE[0], STRIDE), np.arange(0, SHAPE[1], STRIDE)
    computed = rng.random((len(rows), len(columns))) > 0.2
    included = computed & (rng.random(computed.shape) > 0.2)
    image = rng.integers(0, 255, SHAPE).astype(np.uint8)
    piece = SimpleNamespace(image=image, z=7, role="test")
    grid = SliceFeatures(piece, STRIDE, None, included, computed, rows, columns)
    coefficients = np.maximum(rng.normal(0, 0.01, (included.sum(), 5)), 0).astype(np.float32)
    factors = SliceFactors(grid, None, True, coefficients, None, 0.0, 1, "hals")
    inside = included & (rng.random(included.shape) > 0.5)
    posteriors = rng.dirichlet([1, 1], inside.sum()).astype(np.float32)
    areas = ("cortex", HOSTILE, "ünder & $x$")
    logarithms = np.log(rng.dirichlet([1] * 3, computed.shape)).astype(np.float32)
    logarithms[~computed] = 0

    def on_grid(values):
        out = np.full(inside.shape + values.shape[1:], np.nan, np.float32)
        out[inside] = values
        return out

    found = SimpleNamespace(posteriors=posteriors, on_grid=on_grid)
    report = SimpleNamespace(names=["dense", HOSTILE], found=found)
    folder = tmp_path_factory.mktemp("page")
    run = SimpleNamespace(
        is_phantom=True,
        notebook="page",
        microct=SimpleNamespace(areas=areas, pixel_size_um=1.17),
        page_files=Run(folder, "page", {}).page_files,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slice_to_wander.slices, "posteriors", lambda *a, **k: logarithms)
        patch.setattr(pyramid, "thinning", lambda *a: 2)
        made = slice_to_wander.slice_files(run, None, factors, report)
    assert (made.step, made.shrink) == (2 * STRIDE, 1)
    shutil.copytree(folder / "web", folder / "_static" / "run")
    shutil.copy(ROOT / "_web" / "slice.js", folder / "_static")
    shutil.copy(ROOT / "_web" / "book.css", folder / "_static")
    instead = HTML("<p>instead</p>")
    frame = in_page.frame("slice-to-wander", "slice.js", made.folder, "Open the slice", instead)
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "page.html").write_text(
        "<!doctype html><meta charset=utf-8><link rel=icon href=data:,>"
        f'<link rel=stylesheet href=../_static/book.css><body style="margin:0">{frame.data}'
    )
    probabilities = np.where(computed[..., None], np.exp(logarithms), np.nan)
    maps = [probabilities, factors.on_grid(coefficients), on_grid(posteriors)]
    return SimpleNamespace(folder=folder, maps=np.concatenate(maps, axis=-1)[::2, ::2])


@pytest.fixture(scope="module")
def site(case):
    with serve_folder(case.folder) as address:
        yield f"{address}/notebooks/page.html"


def numbers(tab):
    """The values that the page shows, NaN for none."""
    texts = tab.locator(".slice-values td:nth-child(2)").all_inner_texts()
    return np.array([np.nan if text == "–" else float(text) for text in texts])


def point_at(tab, row, column):
    """Move the pointer to a pixel of the slice, wherever the view has it now."""
    slice_ = "document.querySelector('.slice-to-wander').slice"
    x, y = tab.evaluate(
        f"""() => {{ const p = {slice_}.viewer.viewport.pixelFromPoint(
        new OpenSeadragon.Point({column} / {SHAPE[1]}, {row} / {SHAPE[1]}), true);
        return [p.x, p.y]; }}"""
    )
    box = tab.locator(".slice-view .openseadragon-canvas").bounding_box()
    tab.mouse.move(box["x"] + x, box["y"] + y)


@pytest.mark.parametrize("answer", ["nothing", "a page", "another script"])
def test_without_the_viewer_the_page_says_so_and_keeps_its_picture(answer, case, site, browser):
    """A server may answer 404, or with a page of its own; or what it has breaks half-way."""
    vendor = case.folder / "_static" / "vendor"
    shutil.rmtree(vendor, ignore_errors=True)
    if answer != "nothing":
        (vendor / "openseadragon").mkdir(parents=True)
        script = "<!doctype html>" if answer == "a page" else "window.OpenSeadragon = () => null"
        (vendor / "openseadragon" / VENDORED.name).write_text(script)
    tab = browser.new_page(viewport={"width": 390, "height": 800})
    tab.goto(site)
    tab.click("text=Open the slice")
    tab.wait_for_selector(".slice-to-wander[data-failed]")
    said = tab.inner_text(".brain-word")
    assert said.startswith("The slice does not open here")
    if answer != "another script":
        assert "the script of its viewer is missing" in said and "make web" in said
    assert tab.inner_text(".brain-stage") == "instead"
    assert tab.locator(".brain-stage p").is_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.close()
    shutil.rmtree(vendor, ignore_errors=True)


@pytest.mark.skipif(not VENDORED.exists(), reason="the viewer was not installed: npm is missing")
@pytest.mark.parametrize("how", ["served", "file"])
def test_values_under_the_pointer_are_those_of_the_arrays(how, case, site, browser):
    target = case.folder / "_static" / "vendor" / "openseadragon"
    shutil.copytree(VENDORED.parent, target, dirs_exist_ok=True)
    tab, errors, outside, loaded = browser.new_page(), [], [], []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda one: errors.append(one.text) if one.type == "error" else None)
    ours = ("http://127.0.0.1", "file:", "data:", "blob:")
    tab.on("request", lambda one: None if one.url.startswith(ours) else outside.append(one.url))
    tab.on("requestfinished", lambda one: loaded.append(one.url.rsplit("/", 1)[-1]))
    tab.goto(site if how == "served" else (case.folder / "notebooks" / "page.html").as_uri())
    assert "maps.js" not in loaded and "openseadragon.min.js" not in loaded  # before it is asked
    tab.click("text=Open the slice")
    tab.wait_for_selector(".slice-to-wander[data-ready]", timeout=30_000)
    tab.wait_for_timeout(300)

    names = tab.locator(".slice-values th").all_text_contents()
    assert names == [
        "cortex",
        HOSTILE,
        "ünder & $x$",
        *(f"F{i}" for i in range(5)),
        "dense",
        HOSTILE,
    ]
    assert tab.title() != "owned"
    assert "slice z = 7 (test) (phantom)" in tab.inner_text(".slice-to-wander figcaption")

    largest = np.nanmax(case.maps, axis=(0, 1))

    def equals(row, column):
        shown, wanted = numbers(tab), case.maps[row, column]
        assert (np.isnan(shown) == np.isnan(wanted)).all()
        known = ~np.isnan(wanted)
        # Half a step of 254, and two digits on the page.
        allowed = largest / 500 + 0.06 * np.nan_to_num(wanted)
        assert (np.abs(shown - wanted)[known] <= allowed[known]).all()

    step, rng = 2 * STRIDE, np.random.default_rng(1)
    for row, column in zip(rng.integers(1, 14, 12), rng.integers(1, 54, 12)):
        # Anywhere in the square of pixels that is nearest to the position.
        point_at(tab, row * step + rng.uniform(-8, 8), column * step + rng.uniform(-8, 8))
        assert tab.get_attribute(".slice-to-wander", "data-at") == f"{row},{column}"
        equals(row, column)

    # Zoomed in, the picture takes finer tiles and the same place has the same values.
    point_at(tab, 200, 700)
    tab.click(".slice-to-wander button[title='zoom in']")
    tab.click(".slice-to-wander button[title='zoom in']")
    tab.wait_for_timeout(900)
    assert any(name.startswith("11_") for name in loaded)
    point_at(tab, 140, 540)
    assert tab.get_attribute(".slice-to-wander", "data-at") == "7,27"
    equals(7, 27)

    # Opacity, and another factor: the layer is drawn in the heatmaps' colours.
    pixels = """() => { const c = document.querySelector('.slice-layer');
      return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); }"""
    tab.select_option(".slice-to-wander select", label="F3")
    drawn = np.reshape(tab.evaluate(pixels), (*case.maps.shape[:2], 4))
    wanted = case.maps[..., 6]
    assert (drawn[..., 3][~(wanted > 0)] == 0).all()  # clear where there is nothing
    assert (drawn[..., 3][wanted > 0.2 * np.nanmax(wanted)] > 120).all()
    tab.evaluate(
        "const s = document.querySelector('.slice-to-wander [type=range]');"
        "s.value = 0.3; s.dispatchEvent(new Event('input'))"
    )
    assert tab.evaluate("document.querySelector('.slice-layer').style.opacity") == "0.3"

    # By keyboard: the cross in the middle of the view reads the values, and arrows move it.
    tab.click(".slice-to-wander button[title='whole slice']")
    tab.locator(".slice-view .openseadragon-canvas").focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_timeout(900)
    assert tab.is_visible(".slice-cross")
    row, column = map(int, tab.get_attribute(".slice-to-wander", "data-at").split(","))
    assert column > 27 and row in (7, 8)
    equals(row, column)
    assert not errors and not outside
    tab.close()


def test_the_maps_are_a_script_that_holds_no_markup(case):
    text = (case.folder / "web" / "slice-page" / "maps.js").read_text()
    assert "<" not in text
    facts = json.loads(text[text.index("(", 5) + 1 : text.rindex(")")])
    assert facts["shape"] == [10, 15, 55] and facts["step"] == 20
