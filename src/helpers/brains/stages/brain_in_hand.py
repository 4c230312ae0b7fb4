"""What the page with the moving brain loads: models, individuals and atlas as small files."""

import json

import numpy as np

from helpers.book.run import Run
from helpers.brains import onnx_models
from helpers.brains.preparation import Prepared
from helpers.brains.stages.damage import spread
from helpers.brains.stages.trained_models import Model


def brain_files(run: Run, models: list[Model], data: Prepared, individuals: int = 24) -> str:
    """Write the models of some families, and held-out individuals, for the page to load.

    Parameters
    ----------
    models : list of Model
    data : Prepared
    individuals : int
        Held-out images, at most, clean and damaged alike.

    Returns
    -------
    str
        Address of the files on a rendered page. ``facts.json`` says what they are:
        ``individuals.bin`` and ``atlas.bin`` hold uint8 pixels, (n, H, W) and (H, W); gray 255 is
        1, region i of the list is i + 1.
    """
    chosen = spread(data.test, individuals)
    named = [f"model{index}" for index in range(len(models))]
    facts = {
        "shape": list(data.images.shape[1:]),
        "models": [
            {"name": model.label, "file": name, "latents": model.latent_dim}
            for name, model in zip(named, models)
        ],
        "regions": list(data.regions),
        "individuals": len(chosen),
        "phantom": run.is_phantom,
        "names": [f"image {index}" + _kind(data, index) for index in chosen.tolist()],
    }
    pixels = np.rint(np.clip(data.images[chosen], 0, 1) * 255).astype(np.uint8)
    files = {
        "facts.json": json.dumps(facts, ensure_ascii=False).encode(),
        "individuals.bin": pixels.tobytes(),
        "atlas.bin": data.atlas.astype(np.uint8).tobytes(),
    }
    for name, model in zip(named, models):
        files[f"{name}-encoder.onnx"] = onnx_models.encoder(model.net)
        files[f"{name}-decoder.onnx"] = onnx_models.decoder(model.net)
    return run.page_files("brain-in-hand", files)


def _kind(data: Prepared, index: int) -> str:
    """Whether an image is known to be damaged; nothing where that is not known."""
    if data.clean is None:
        return ""
    return ", clean" if data.clean[index] else ", damaged"
