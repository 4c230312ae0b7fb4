"""The brain that moves under the reader's hand, in a browser: the same numbers as PyTorch, sliders
that redraw, a region that moves latents, and words where the runtime is missing.
"""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from IPython.display import HTML
from local_server import serve_folder

from helpers.book import in_page
from helpers.book.run import Run
from helpers.brains.pca_baseline import PCABaseline
from helpers.brains.stages.brain_in_hand import brain_files
from helpers.brains.vae import BetaVAE

ROOT = Path(__file__).parent.parent
SHAPE = (80, 112)
VENDORED = ROOT / "_web" / "vendor" / "onnxruntime" / "ort.wasm.min.js"


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A page as the book holds it, of two models that nobody trained."""
    y, x = np.mgrid[-1:1:80j, -1:1:112j]
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 0.2, (40, 2, 1, 1))
    images = np.exp(-3 * ((y - shifts[:, 0]) ** 2 + (x - shifts[:, 1]) ** 2)).astype(np.float32)
    torch.manual_seed(0)
    net = BetaVAE(SHAPE, 8).standardise(images)
    with torch.no_grad():  # weights large enough that what they do can be seen
        for weight in net.parameters():
            if weight.ndim > 1:
                torch.nn.init.kaiming_normal_(weight)
    atlas = np.zeros(SHAPE, np.uint8)
    atlas[20:60, 20:50], atlas[20:60, 60:90] = 1, 2
    data = SimpleNamespace(
        images=images,
        atlas=atlas,
        regions=("left <b>", "right"),
        test=np.arange(6),
        clean=np.arange(40) % 2 == 0,
    )
    models = [
        SimpleNamespace(label=label, net=one, latent_dim=8)
        for label, one in (("β-VAE", net), ("PCA", PCABaseline.fit(images, 8)))
    ]
    folder = tmp_path_factory.mktemp("page")
    run = SimpleNamespace(is_phantom=True, page_files=Run(folder, "page", {}).page_files)
    address = brain_files(run, models, data, 6)
    shutil.copytree(folder / "web", folder / "_static" / "run")
    shutil.copy(ROOT / "_web" / "brain.js", folder / "_static")
    frame = in_page.frame("brain-in-hand", "brain.js", address, "Load", HTML("<p>instead</p>"))
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "page.html").write_text(
        f"<!doctype html><meta charset=utf-8><link rel=icon href=data:,>{frame.data}"
    )
    return SimpleNamespace(folder=folder, models=models, data=data)


@pytest.fixture(scope="module")
def site(case):
    with serve_folder(case.folder) as address:
        yield f"{address}/notebooks/page.html"


def test_files_say_what_they_are(case):
    folder = case.folder / "web" / "brain-in-hand"
    facts = json.loads((folder / "facts.json").read_text())
    assert facts["shape"] == [80, 112] and facts["regions"] == ["left <b>", "right"]
    assert facts["names"][:2] == ["image 0, clean", "image 1, damaged"]
    pixels = np.fromfile(folder / "individuals.bin", np.uint8).reshape(6, *SHAPE)
    assert np.abs(pixels / 255 - case.data.images[:6]).max() < 1 / 255
    session = onnxruntime.InferenceSession(folder / "model0-decoder.onnx")
    assert session.get_inputs()[0].shape == ["n", 8]


def test_without_the_runtime_the_page_says_so_and_keeps_its_pictures(case, site, browser):
    tab = browser.new_page()
    tab.goto(site)
    tab.click("text=Load")
    tab.wait_for_selector(".brain-in-hand[data-failed]")
    assert "the runtime is not beside this page" in tab.inner_text(".brain-word")
    assert tab.inner_text(".brain-stage") == "instead"
    tab.goto((case.folder / "notebooks" / "page.html").as_uri())
    tab.click("text=Load")
    tab.wait_for_selector(".brain-in-hand[data-failed]")
    assert "make serve" in tab.inner_text(".brain-word")
    tab.close()


@pytest.mark.skipif(not VENDORED.exists(), reason="the runtime was not installed: npm is missing")
def test_the_brain_moves_and_equals_pytorch(case, site, browser):
    target = case.folder / "_static" / "vendor" / "onnxruntime"
    shutil.copytree(VENDORED.parent, target, dirs_exist_ok=True)
    tab, errors, outside = browser.new_page(), [], []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda one: errors.append(one.text) if one.type == "error" else None)
    tab.on("request", lambda one: None if "127.0.0.1" in one.url else outside.append(one.url))
    tab.goto(site)
    tab.click("text=Load")
    tab.wait_for_selector(".brain-in-hand[data-ready]", timeout=60_000)

    brain = "document.querySelector('.brain-in-hand').brain"
    image = np.rint(case.data.images[0] * 255).astype(np.float32) / 255
    for index, model in enumerate(case.models):
        latents = np.array(tab.evaluate(f"Array.from({brain}.latents[{index}])"), np.float32)
        wanted = model.net.encode(image[None])[0]
        assert np.abs(latents - wanted).max() < 2e-2 * max(1, np.abs(wanted).max())
        asked = f"Float32Array.from({latents.tolist()})"
        drawn = tab.evaluate(f"{brain}.decode({index}, {asked}).then(x => Array.from(x))")
        there = model.net.decode(latents[None])[0]
        assert np.abs(np.reshape(drawn, SHAPE) - there).max() < 1e-2

    assert tab.locator(".brain-pictures figcaption").all_inner_texts()[1] == "β-VAE (phantom)"

    # A slider redraws the picture of its model, and of no other.
    picture = "document.querySelectorAll('.brain-pictures canvas')[{}].toDataURL()"
    before = [tab.evaluate(picture.format(i)) for i in range(3)]
    tab.evaluate(
        "const s = document.querySelector('.brain-sliders input'); s.value = 3; s.oninput()"
    )
    tab.wait_for_selector(".brain-in-hand[data-moves='1']")
    after = [tab.evaluate(picture.format(i)) for i in range(3)]
    assert [a == b for a, b in zip(before, after)] == [True, False, True]

    # A click on a region brightens it, and the latents follow the encoder.
    tab.select_option(".brain-controls select", "1")
    tab.wait_for_timeout(500)
    box = tab.locator(".brain-pictures canvas").first.bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 35 / 112, box["y"] + box["height"] * 40 / 80)
    tab.wait_for_function("document.querySelector('.brain-stage .brain-word').textContent != ''")
    assert tab.inner_text(".brain-stage .brain-word").startswith("left <b> at 1.40 times")
    bright = np.rint(case.data.images[1] * 255).astype(np.float32) / 255
    bright = np.where(case.data.atlas == 1, np.minimum(1, bright * np.float32(1.4)), bright)
    latents = np.array(tab.evaluate(f"Array.from({brain}.latents[0])"))
    wanted = case.models[0].net.encode(bright[None])[0]
    assert np.abs(latents - wanted).max() < 2e-2 * max(1, np.abs(wanted).max())
    assert not errors and not outside
    tab.close()
