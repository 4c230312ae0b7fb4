"""Datasets of people who are not the authors: other sizes, bits, names, layers, regions."""

from pathlib import Path

import numpy as np
import tifffile
import yaml
from scipy import ndimage

TWELVE = (
    "Ctx", "α-motor", "$x_1$ nucleus", "a|b <i>", "internal capsule", "Zona Incerta",
    "ventral posterolateral nucleus, parvicellular part", "Hy", "99", "#5", "été", "CP",
)  # fmt: skip
GREEK = ("α", "β-nucleus", "SSp", "γδ", "$\\epsilon$", "HPF")


def _texture(rng: np.random.Generator, shape: tuple[int, int], grain: float) -> np.ndarray:
    """Noise of one grain, mean 0 and standard deviation 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), grain)
    return noise / noise.std()


def _microct(folder: Path, about: dict, areas: np.ndarray, bits: int, **maps: np.ndarray) -> Path:
    """Three slices of textured areas; every area has a brightness and a grain of its own."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    slices = []
    for z, role in ((0, "train"), (100, "validation"), (200, "test")):
        image = np.zeros(areas.shape)
        for label in range(1, areas.max() + 1):
            mine = 0.35 + 0.03 * (label % 5) + 0.08 * _texture(rng, areas.shape, 1 + label % 4)
            image[areas == label] = mine[areas == label]
        image = np.clip(image + 0.01 * rng.standard_normal(areas.shape), 0, 1)
        kind = np.uint8 if bits == 8 else np.uint16
        tifffile.imwrite(folder / f"z{z}.tif", (image * (2**bits - 1)).astype(kind))
        entry = {"z": z, "role": role, "image": f"z{z}.tif"}
        for name, array in {"areas": areas, **maps}.items():
            tifffile.imwrite(folder / f"z{z}_{name}.tif", array.astype(np.uint8))
            entry[name] = f"z{z}_{name}.tif"
        slices.append(entry)
    manifest = {"schema": 1, "kind": "microct", "name": folder.name, **about, "slices": slices}
    (folder / "dataset.yml").write_text(yaml.safe_dump(manifest, allow_unicode=True))
    return folder


def two_areas(folder: Path) -> Path:
    """Two areas at 0.65 µm in 12 bits of 16, wider than high."""
    areas = np.zeros((420, 720), np.uint8)
    areas[20:400, 20:360], areas[20:400, 360:700] = 1, 2
    about = {"pixel_size_um": 0.65, "areas": {1: "medulla", 2: "hilus"}}
    return _microct(folder, about, areas, 12)


def twelve_areas(folder: Path) -> Path:
    """Twelve areas of odd names; the cortex is Ctx."""
    areas = np.zeros((520, 1000), np.uint8)
    for index in range(12):
        row, column = divmod(index, 6)
        areas[20 + 240 * row : 260 + 240 * row, 20 + 160 * column : 180 + 160 * column] = index + 1
    about = {"pixel_size_um": 1.0, "areas": dict(enumerate(TWELVE, 1))}
    return _microct(folder, about, areas, 8)


def own_layers(folder: Path) -> Path:
    """A mosaic: a cortex above white matter, with four layers of its own that run sideways."""
    areas, layers = np.zeros((620, 760), np.uint8), np.zeros((620, 760), np.uint8)
    areas[20:420, 20:740], areas[420:600, 20:740] = 1, 2
    for index in range(4):
        layers[20:420, 20 + 180 * index : 200 + 180 * index] = index + 1
    about = {"pixel_size_um": 1.2, "areas": {1: "Pallium", 2: "tract"}}
    about["layers"] = {1: "outer", 2: "granular", 3: "deep", 4: "multiform"}
    about["roles"] = {"cortex": "Pallium", "white_matter": ["tract"]}
    return _microct(folder, about, areas, 8, layers=layers)


def individuals(folder: Path, n: int, atlas: bool = True, clean: bool = True) -> Path:
    """Aligned sections; two regions vanish where images are shrunk to 80 rows or fewer."""
    folder.mkdir(parents=True)
    rng, (height, width) = np.random.default_rng(1), (160, 224)
    y, x = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.uint8)
    labels[30:70, 30:100], labels[30:70, 120:190] = 1, 2
    labels[80:130, 40:90], labels[80:130, 110:180] = 3, 6
    labels[100, 101], labels[140:143, 100:103] = 4, 5  # one pixel, nine pixels
    images = []
    for _ in range(n):
        a, b, shift = rng.normal(0, 1, 3)
        brain = ((y - 80 - 3 * shift) / 70) ** 2 + ((x - 112) / (100 + 3 * a)) ** 2 < 1
        image = brain * (0.4 + 0.1 * np.sin(x / (14 + b)) + 0.1 * np.cos(y / 11))
        images.append(image + brain * 0.03 * rng.standard_normal(image.shape))
    stack = (np.clip(images, 0, 1) * 60_000).astype(np.uint16)
    np.save(folder / "images.npy", stack)
    manifest = {"schema": 1, "kind": "population", "name": folder.name, "pixel_size_um": 25}
    manifest["images"] = "images.npy"
    if atlas:
        tifffile.imwrite(folder / "atlas.tif", labels)
        manifest |= {"atlas": "atlas.tif", "regions": dict(enumerate(GREEK, 1))}
    if clean:
        (folder / "clean.txt").write_text("\n".join(map(str, range(0, n, 2))))
        manifest["clean"] = "clean.txt"
    (folder / "dataset.yml").write_text(yaml.safe_dump(manifest, allow_unicode=True))
    return folder


MICROCT = {"two": two_areas, "twelve": twelve_areas, "layers": own_layers}
POPULATIONS = {
    "thirty": lambda folder: individuals(folder, 30),
    "hundredfifty": lambda folder: individuals(folder, 150),
    "no_atlas": lambda folder: individuals(folder, 60, atlas=False, clean=False),
}
