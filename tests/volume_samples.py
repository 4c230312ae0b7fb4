"""A small volume and a network whose labels vary over it, for the tests of whole volumes."""

import json

import numpy as np
import torch

from helpers import model_files
from helpers.book.executors import workers
from helpers.data.phantoms.microct import draw_slice
from helpers.tissue.network import classifier
from helpers.tissue.stages import volume
from helpers.tissue.stages.learned import Trained

AREAS = ("Cortex", "Hypothalamus", "Striatum", "VP", "WM", "ZI")
STRIDE = 16


def draw_volume(n=3, shape=(600, 1100)):
    """Consecutive slices of the phantom, cut to a part that holds several areas and background."""
    whole = [draw_slice(z, (608, 1856), seed=0)[1].image for z in range(256, 256 + n)]
    return np.stack([image[: shape[0], : shape[1]] for image in whole])


def varied_network(image):
    """An untrained network whose output layer tells the features of an image's patches apart."""
    torch.manual_seed(0)
    model = classifier.AreaCNN(len(AREAS)).eval()
    corners = [(i, j) for i in range(100, 440, 40) for j in range(100, 900, 80)]
    patches = np.stack([image[i : i + 128, j : j + 128] for i, j in corners]).astype(np.float32)
    features = classifier.patch_features(model, (patches - patches.mean()) / patches.std())
    spread = torch.from_numpy(features.std(0) + 1e-6)
    with torch.no_grad():
        model.output.weight /= 0.02 * spread
        model.output.bias[:] = -(model.output.weight @ torch.from_numpy(features.mean(0)))
    return model


def write_inputs(folder, n=3, shape=(600, 1100), factors=0):
    """Write ``volume.npy`` and ``network.safetensors`` into a folder; returns what was learned."""
    images = draw_volume(n, shape)
    np.save(folder / "volume.npy", images)
    model_files.save(varied_network(images[0]), folder / "network.safetensors", areas=list(AREAS))
    basis = np.random.default_rng(0).random((factors, 64)).astype(np.float32) if factors else None
    np.save(folder / "basis.npy", basis if factors else np.zeros(0))
    return learned(folder)


def learned(folder):
    """What `write_inputs` wrote."""
    basis = np.load(folder / "basis.npy")
    content = (folder / "network.safetensors").read_bytes()
    return Trained(content, AREAS, basis if len(basis) else None, "a test")


def predict(folder, out, dask="", threads=1, stride=STRIDE, say=lambda line: None, **options):
    """Predict the volume of a folder."""
    with workers(dask, threads=threads, memory=options.get("memory", 0)) as found:
        return volume.predict_volume(
            folder / "volume.npy",
            out,
            learned(folder),
            found,
            volume.Options(stride=stride, **options),
            progress=False,
            say=say,
        )


def chunks(out):
    """Every file of a result but the notes of who did it when, by name."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    own = {path.relative_to(out).as_posix(): path for path in files}
    return {
        name: path.read_bytes()
        for name, path in own.items()
        if "/done/" not in name and "lock" not in name
    }


def notes(out):
    """What is noted of every finished slice."""
    folder = out / ".brainbook" / "done"
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
