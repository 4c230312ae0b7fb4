"""Write a first ``dataset.yml`` for a folder of images, to be corrected by hand."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from helpers.data.datasets.images import SUFFIXES
from helpers.data.datasets.manifest import MANIFEST, Problem
from helpers.data.datasets.pixel_sizes import of_tiff
from helpers.data.datasets.volumes import Volume, is_volume, open_volume
from helpers.data.files import atomic

#: Last word of the name of a map, and what the map shows.
WORDS = {
    "areas": ("area", "areas", "label", "labels", "annot", "annotation", "annotations", "roi",
              "rois", "seg", "segmentation", "mask", "masks"),
    "layers": ("layer", "layers"),
}  # fmt: skip
ATLAS = ("atlas", "annotation", "regions", "labels", "areas", "rois")
STACK_FOLDERS = ("images", "stack", "sections", "brains", "data")
LEAST_PLANES = 6  # of a stack that is taken for a population
ROLES = ("train", "validation", "test")


@dataclass(frozen=True)
class Found:
    """An image or volume of the folder: its file, its maps by key, its shape, its pixel size."""

    path: Path
    volume: Volume

    @property
    def pixel_size_um(self) -> float | None:
        tiff = self.path.suffix.lower() in (".tif", ".tiff")
        return self.volume.pixel_size_um or (_in_plane(self.path) if tiff else None)


def begin(folder: Path) -> Path:
    """Write ``dataset.yml`` into ``folder`` from what its images look like and return its path.

    See `understood` for what is told of it.

    Raises
    ------
    FileExistsError
        If a manifest is there already; it is never overwritten.
    FileNotFoundError
        If the folder is missing or holds no image.
    """
    return understood(folder)[0]


def understood(folder: Path) -> tuple[Path, list[str]]:
    """Write ``dataset.yml`` and return its path, and in words what was understood.

    A folder ``images/`` or a stack with an atlas beside it, or a stack of many planes alone, is a
    population. Anything else are slices: the map of ``z159.tif`` is ``z159_areas.tif`` (or labels,
    mask, …), its layers ``z159_layers.tif``; roles go to annotated slices in their order, from
    which the training slice is the first.
    """
    path = folder / MANIFEST
    if path.exists():
        raise FileExistsError(f"{path} exists already; nothing was written")
    members = sorted(folder.glob("*"))
    files = [p for p in members if p.suffix.lower() in SUFFIXES or is_volume(p)]
    stack = _population_stack(members, files)
    if not files and stack is None:
        raise FileNotFoundError(
            f"{folder}: found no image; expected a folder with {', '.join(SUFFIXES)} files, "
            "a stack, or a folder images/"
        )
    kind, lines, words = _population(folder, stack, files) if stack else _microct(folder, files)
    with atomic(path) as temporary:
        name = yaml.safe_dump(folder.resolve().name, allow_unicode=True).splitlines()[0]
        head = f"schema: 1\nkind: {kind}\nname: {name}\n"
        temporary.write_text(head + lines, encoding="utf-8")
    return path, words


def _population_stack(members: list[Path], files: list[Path]) -> Path | None:
    """The images of a population: a folder or stack whose name says so, or many planes."""
    folders = [p for p in members if p.is_dir() and p.name.casefold() in STACK_FOLDERS]
    full = [p for p in folders if any(m.suffix.lower() in SUFFIXES for m in p.iterdir())]
    if full:
        return full[0]
    atlas = any(p.stem.casefold().split(".")[0] in ATLAS for p in files)
    for file in files:
        volume = _opened(file)
        plain = not _key(_stem(file)) and volume is not None
        if plain and volume.shape[0] >= LEAST_PLANES and (atlas or not _maps_of(file, files)):
            named = file.stem.casefold().split(".")[0] in STACK_FOLDERS
            if named or atlas or file.suffix == ".npy":
                return file
    return None


def _population(folder: Path, stack: Path, files: list[Path]) -> tuple[str, str, list[str]]:
    others = [p for p in files if p != stack]
    atlas = next((p for p in others if _stem(p).casefold() in ATLAS), None)
    size = _in_plane(next(iter(sorted(stack.iterdir())), stack)) if stack.is_dir() else None
    size = size or getattr(_opened(stack), "pixel_size_um", None)
    words = [f"a population: {_name(stack)}" + (f", atlas {atlas.name}" if atlas else ", no atlas")]
    lines = _size_line(size, 25.0) + f"images: {_quoted(stack.name)}\n"
    if atlas:
        labels = ", ".join(f"{label}: region{label}" for label in _labels(atlas))
        lines += f"atlas: {_quoted(atlas.name)}   # check: label map on the images' grid\n"
        lines += f"regions: {{{labels}}}   # check: names of the labels\n"
    clean = folder / "clean.txt"
    lines += "clean: clean.txt\n" if clean.is_file() else ""
    return "population", lines, [*words, *_size_words(size)]


def _microct(folder: Path, files: list[Path]) -> tuple[str, str, list[str]]:
    images = [file for file in files if not _key(_stem(file))]
    entries, found, layers, words, sizes = [], set(), set(), [], []
    for index, image in enumerate(images):
        volume = _opened(image)
        if volume is None:
            words.append(f"{image.name}: left out, it cannot be read")
            continue
        maps = _maps_of(image, files)
        found.update(_labels(maps.get("areas")))
        layers.update(_labels(maps.get("layers")))
        sizes += [size] if (size := Found(image, volume).pixel_size_um) else []
        middle = volume.shape[0] // 2 if volume.shape[0] > 1 else _number(image.stem, index)
        entries.append((middle, image, maps))
        said = ", ".join(f"{key} {path.name}" for key, path in maps.items()) or "no map"
        planes = f" ({volume.shape[0]} planes, z picks one)" if volume.shape[0] > 1 else ""
        words.append(f"{image.name}{planes}: {said}")
    if not entries:
        raise FileNotFoundError(f"{folder}: found label maps, but no image that can be read")
    lines, roles = [], _roles([bool(maps.get("areas")) for _, _, maps in entries])
    taken: set[int] = set()
    for (z, image, maps), role in zip(entries, roles):
        while z in taken:
            z += 1
        taken.add(z)
        parts = [f"z: {z}", f"role: {role}", f"image: {_quoted(image.name)}"]
        parts += [f"{key}: {_quoted(path.name)}" for key, path in maps.items()]
        comment = "   # check: role is train, validation or test"
        lines.append(f"  - {{{', '.join(parts)}}}{comment}\n")
    areas = ", ".join(f"{label}: area{label}" for label in sorted(found)) or "1: first, 2: second"
    text = _size_line(sizes[0] if sizes else None, 1.0)
    text += f"areas: {{{areas}}}   # check: names of the labels; 0 is not annotated\n"
    if layers:
        named = ", ".join(f"{label}: layer{label}" for label in sorted(layers))
        text += f"layers: {{{named}}}   # check: names, from the surface down\n"
    text += (
        "# roles: {cortex: area1, white_matter: [area2]}   # check: who plays the papers' parts\n"
    )
    if "train" not in roles:
        words.append("no label map beside an image: nothing can be trained yet")
    return "microct", text + "slices:\n" + "".join(lines), [*words, *_size_words(sizes)]


def _roles(annotated: list[bool]) -> list[str]:
    """Roles of slices in their order: the first three annotated ones get one each, then tests."""
    order = iter(("train", "test", "validation") if sum(annotated) > 2 else ("train",))
    return [next(order, "test") if known else "test" for known in annotated]


def _maps_of(image: Path, files: list[Path]) -> dict[str, Path]:
    """The maps beside an image: of the same stem, or else with the same number, by key."""
    maps, stems = {}, {_stem(file) for file in files if not _key(_stem(file))}
    for key in WORDS:
        mine = [file for file in files if file != image and _key(_stem(file)) == key]
        same = [file for file in mine if _bare(_stem(file)) == _stem(image)]
        number = _number(_stem(image), -1)
        near = [
            file
            for file in mine
            if _bare(_stem(file)) not in stems and _number(_stem(file), -2) == number >= 0
        ]
        if same or near:
            maps[key] = (same or near)[0]
    return maps


def _parts(stem: str) -> list[str]:
    return [part for part in re.split(r"[\W_]+", stem.casefold()) if part]


def _key(stem: str) -> str:
    """What a map of that name shows; empty for an image."""
    words = {re.sub(r"\d+$", "", part) for part in _parts(stem)}
    return next((key for key, names in WORDS.items() if words & set(names)), "")


def _bare(stem: str) -> str:
    """The name without the word that says that it is a map."""
    every = "|".join(sorted((name for names in WORDS.values() for name in names), key=len)[::-1])
    return re.sub(rf"[\W_]*({every})[\W_]*$|^({every})[\W_]+", "", stem, flags=re.IGNORECASE)


def _stem(path: Path) -> str:
    return re.sub(r"(\.ome)?\.(tiff?|zarr)$|\.nii(\.gz)?$|\.[^.]+$", "", path.name)


def _opened(path: Path) -> Volume | None:
    try:
        return open_volume(path)
    except Problem:
        return None


def _in_plane(path: Path) -> float | None:
    voxel = of_tiff(path) if path.suffix.lower() in (".tif", ".tiff") else None
    return None if voxel is None else float(np.nanmean(voxel[1:]))


def _labels(path: Path | None) -> list[int]:
    """The labels above 0 in a label map; none if there is no map or it cannot be read."""
    volume = _opened(path) if path else None
    if volume is None:
        return []
    try:
        plane = volume[volume.shape[0] // 2]
    except (Problem, ValueError, OSError):
        return []
    values = np.unique(plane)
    return [int(value) for value in values if value > 0 and value == int(value)]


def _number(stem: str, default: int) -> int:
    digits = re.findall(r"\d+", stem)
    return int(digits[-1]) if digits else default


def _quoted(name: str) -> str:
    return yaml.safe_dump(name, allow_unicode=True, default_flow_style=True).splitlines()[0]


def _name(path: Path) -> str:
    return f"{path.name}/" if path.is_dir() else path.name


def _size_line(size: float | None, default: float) -> str:
    origin = "from the images' metadata" if size else "check: micrometres per pixel"
    return f"pixel_size_um: {size or default:.6g}   # {origin}\n"


def _size_words(size: object) -> list[str]:
    return [] if size else ["no pixel size in the images' metadata: correct the one written"]
