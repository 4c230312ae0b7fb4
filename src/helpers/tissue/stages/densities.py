"""Stages of paper B: the densities of cells and axons that findings are held against.

They are the phantom's own where it is one. Elsewhere they are estimated, by a calibration that was
made on phantoms drawn for the purpose and tried on another one.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import yaml
from scipy import ndimage

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data import intensity
from helpers.data.datasets import Slice
from helpers.data.phantoms import microct
from helpers.tissue.cortex import composition
from helpers.tissue.factors import densities, truth
from helpers.tissue.stages.slices import prepared_slice

DEPTHS = (159, 259, 209)  # z of the sections drawn: two to calibrate on, the third to try it on
FIRST_SEED = 7001  # of the samples they are sections of; that of the dataset is never taken
PHANTOM_UM = 1.17
BLOCK_UM = 300.0  # neighbourhoods of the bootstrap: two windows wide
ENOUGH = 0.7  # rank correlation with truth, from which on an estimate may decide a claim
DENSE = 1.5  # largest over smallest density of cells, as the rule of B.gmm.layers asks
KINDS = ("cells", "axons")


def calibrated_densities(run: Run) -> Artifact:
    """Learn densities from drawn sections, at the pixel size of the dataset, and try them on
    another.

    ``value`` is a dict: ``calibration`` (`densities.Calibration`); ``table``, rank correlation with
    truth in the section that was not learned from (see :func:`agreement`); ``findings``, what truth
    and estimate say there (see `density_findings`); ``doubt``, why the estimate may not
    decide a claim (see :func:`doubt`).
    """
    pixel, size = densities.working_pixel_um(run.microct.pixel_size_um), microct.SIZES["book"]
    seeds = free_seeds(run, len(DEPTHS))

    def compute() -> dict:
        sections = [_section(z, size, seed, pixel) for z, seed in zip(DEPTHS, seeds)]
        found = densities.calibrate([section[:3] for section in sections[:-1]])
        responses, known, areas, layers, names = sections[-1]
        estimate = found.densities(responses)
        table = agreement(estimate, known, areas, names, pixel * densities.STEP)
        said = density_findings(estimate, known, areas, layers, 1 + names.index("WM"))
        return {**vars(found), "table": table, "findings": said, "doubt": doubt(table, said)}

    parameters = {"pixel_um": pixel, "seeds": seeds, "depths": list(DEPTHS), "size": list(size)}
    stored = run.stored("densities", parameters, compute)
    parts = {name: stored.value.pop(name) for name in densities.Calibration.__annotations__}
    return replace(stored, value=stored.value | {"calibration": densities.Calibration(**parts)})


def free_seeds(run: Run, n: int) -> list[int]:
    """Return seeds of phantoms to draw: none is that of the dataset, should it be one."""
    manifest = yaml.safe_load((run.microct.path / "dataset.yml").read_text(encoding="utf-8"))
    own = (manifest.get("phantom") or {}).get("seed")
    return [seed for seed in range(FIRST_SEED, FIRST_SEED + n + 1) if seed != own][:n]


def estimated_densities(run: Run, piece: Slice) -> Artifact:
    """Return densities of cells (per mm²) and axons (share of section) estimated from the gray
    values of a slice; ``value`` is (h, w, 2) on a coarse grid over it.
    """
    found = calibrated_densities(run)

    def compute() -> dict:
        own = run.microct.pixel_size_um
        pixel = densities.working_pixel_um(own)
        prepared = prepared_slice(run, piece)
        image = densities.resized(prepared.image, own / pixel)
        mask = densities.resized(prepared.classified, own / pixel) > 0.5
        return {"all": densities.estimate(image, mask, pixel, found.value["calibration"])}

    parameters = {"z": piece.z, "window": piece.window}
    inputs = [found.key, run.key("microct")]
    stored = run.stored(f"densities-z{piece.z}", parameters, compute, inputs=inputs)
    return replace(stored, value=stored.value["all"])


def tissue_densities(
    run: Run, piece: Slice, *, estimated: bool = False
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return density of cells (per mm²) and of axons (share of the section), each (H, W), and
    whether they are the truth.

    A phantom's own maps; for real tissue, or where `estimated` asks for it, estimates from the gray
    values.
    """
    if not estimated and {"cell_density", "axon_density"} <= set(piece.truth):
        axons = piece.truth["axon_density"] / np.float32(255)  # kept in steps of 1/255
        return piece.truth["cell_density"], axons, True
    grid = estimated_densities(run, piece).value
    cells, axons = (densities.spread_out(grid[..., i], piece.image.shape) for i in (0, 1))
    return cells, axons, False


def no_densities(run: Run, piece: Slice) -> dict[str, str]:
    """Return why densities of a slice may not decide a claim, for each claim that rests on them;
    "" or nothing where they may: they are known, or the estimate agreed with truth where there is
    one.
    """
    known = {"cell_density", "axon_density"} <= set(piece.truth)
    return {} if known else calibrated_densities(run).value["doubt"]


def density_agreement(run: Run, piece: Slice) -> pd.DataFrame:
    """Return how well estimated densities follow the truth: in a phantom's own slice, else in the
    drawn section that the calibration was tried on. See :func:`agreement`.
    """
    if piece.areas is None or not {"cell_density", "axon_density"} <= set(piece.truth):
        return calibrated_densities(run).value["table"]
    grid = estimated_densities(run, piece).value
    known = np.stack(tissue_densities(run, piece)[:2], axis=-1)
    rows, columns = _centres(grid.shape[:2], piece.image.shape)
    pixel = densities.working_pixel_um(run.microct.pixel_size_um) * densities.STEP
    areas = piece.areas[np.ix_(rows, columns)]
    return agreement(grid, known[np.ix_(rows, columns)], areas, run.microct.areas, pixel)


def agreement(
    estimate: np.ndarray, known: np.ndarray, areas: np.ndarray, names: list[str], pixel_um: float
) -> pd.DataFrame:
    """Return rank correlations of estimated with true densities, over the slice and in each area.

    Parameters
    ----------
    estimate, known : (h, w, 2) arrays
        Cells and axons.
    areas : (h, w) int array
    names : list of str
        Of areas 1…n.
    pixel_um : float
        Of these maps.

    Returns
    -------
    pandas.DataFrame
        ``area``; for cells and for axons the rank correlation, the lower end of its 95 % interval
        (`truth.rank_agreement`), and the means of truth and estimate.
    """
    side = max(1, round(BLOCK_UM / pixel_um))
    i, j = np.indices(areas.shape) // side
    blocks = i * (j.max() + 1) + j
    rows = []
    for label, name in enumerate(["whole slice", *names]):
        there = areas > 0 if label == 0 else areas == label
        row = {"area": name}
        for kind, guess, right in zip(KINDS, estimate[there].T, known[there].T):
            if len(guess):
                rho, low = truth.rank_agreement(guess, right, blocks[there])
                row |= {f"{kind}_rho": rho, f"{kind}_low": low}
                row |= {f"{kind}_true": right.mean(), f"{kind}_estimated": guess.mean()}
        rows.append(row)
    return pd.DataFrame(rows)


def density_findings(
    estimate: np.ndarray, known: np.ndarray, areas: np.ndarray, layers: np.ndarray, white: int
) -> dict[str, list]:
    """Return what truth and estimate say of a section, anatomy standing in for factors and
    components: [by truth, by estimate] per finding.

    Whether white matter holds fewer cells than the median (B.nmf.axons), whether densities of
    layers differ by half (B.gmm.layers), and which two layers are richest in cells and axons
    together (B.gmm.dense_axons, which names two and puts neither first).
    """
    there, n = layers > 0, int(layers.max())
    of_layers = layers[there] - 1
    myelin, everywhere = areas == white, areas > 0
    said = {}
    for values in (known, estimate):
        cells, axons = values[..., 0], values[..., 1]
        means = composition.component_means(of_layers, cells[there], n)
        richest = composition.component_means(of_layers, (cells * axons)[there], n)
        one = {
            "B.nmf.axons": bool(np.median(cells[myelin]) < np.median(cells[everywhere])),
            "B.gmm.layers": bool(np.nanmax(means) >= DENSE * np.nanmin(means)),
            "B.gmm.dense_axons": sorted(
                int(i) + 1 for i in np.argsort(-np.nan_to_num(richest))[:2]
            ),
        }
        said = {name: [*said.get(name, []), value] for name, value in one.items()}
    return said


def doubt(table: pd.DataFrame, said: dict[str, list]) -> dict[str, str]:
    """Return why estimated densities may not decide a claim, or "", for each that rests on them."""
    whole = table.iloc[0]
    weak = [
        f"{kind} {whole[f'{kind}_rho']:.2f}" for kind in KINDS if not whole[f"{kind}_rho"] >= ENOUGH
    ]
    start = "densities are estimated, and on a phantom "
    if weak:
        words = f"{start}their rank correlation with truth is below {ENOUGH}: {', '.join(weak)}"
        return dict.fromkeys(said, words)
    return {
        claim: "" if by_truth == by_estimate else f"{start}truth answers this claim otherwise"
        for claim, (by_truth, by_estimate) in said.items()
    }


def decided_by_densities(run: Run, piece: Slice, found: dict) -> dict:
    """Return what a page found for its claims; those that rest on densities become "not run" where
    densities are estimated and :func:`no_densities` says why they may not decide.
    """
    doubtful = no_densities(run, piece)
    return {claim: doubtful.get(claim) or value for claim, value in found.items()}


def _section(
    z: int, size: tuple[int, int], seed: int, pixel: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Draw a section and describe it at a pixel size: responses, densities (h, w, 2), areas and
    layers on the grid, names of areas.
    """
    anatomy, drawn = microct.draw_slice(z, size, seed)
    factor = PHANTOM_UM / pixel
    gray = densities.resized(drawn.image, factor) / 255
    standardised, _ = intensity.standardise(gray)
    tissue = ndimage.binary_dilation(intensity.tissue_mask(gray), iterations=round(16 * factor))
    responses = densities.responses(standardised, tissue, pixel)
    known = [
        densities.on_grid(densities.resized(density, factor))
        for density in (drawn.cell_density, drawn.axon_density)
    ]
    names = sorted(set(microct.AREA_NAMES.values()), key=str.casefold)
    codes = np.zeros(256, np.uint8)
    for code, name in microct.AREA_NAMES.items():
        codes[code] = 1 + names.index(name)
    rows, columns = _centres(responses.shape[:2], anatomy.areas.shape)
    areas, layers = (
        (labels * anatomy.annotated)[np.ix_(rows, columns)]
        for labels in (codes[anatomy.areas], anatomy.layers)
    )
    return responses, np.stack(known, axis=-1), areas, layers, names


def _centres(grid: tuple[int, int], image: tuple[int, int]) -> list[np.ndarray]:
    """Rows and columns of the pixels at the centres of a coarse grid over an image."""
    return [((np.arange(n) + 0.5) * side / n).astype(int) for n, side in zip(grid, image)]
