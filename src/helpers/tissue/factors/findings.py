"""The numbers by which paper B's statements on factors and cortical components are judged.

Arrays have one row per position; areas and layers are 1-based with 0 = none, factors and components
0-based.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.tissue.cortex.composition import blobs, component_means, layer_enrichment
from helpers.tissue.factors.alignment import block_bootstrap, bootstrap_difference
from helpers.tissue.factors.greedy_selection import Selection

#: Of the mean in a factor's own area: below, the factor says nothing about another area.
SILENT = 0.01
#: Of all positions: a layer that holds less is not named as preferred, for its share is a matter of
#: a few positions.
RARE = 0.02
ALIKE = 1.1  # largest over smallest density, up to which components count as equally dense
STABLE = 0.95  # likeness of two runs from which on they count as the same


def aligned_areas(
    selection: Selection, means: np.ndarray, auroc: np.ndarray, areas: Sequence[int]
) -> dict[str, float]:
    """How clearly the factors selected for some areas belong to them (B Fig. 2C).

    Parameters
    ----------
    selection : Selection
    means, auroc : (k, r) arrays
        Mean coefficient and AUROC of every factor in every area.
    areas : sequence of int
        The areas asked about.

    Returns
    -------
    dict
        ``worst_auroc`` over these areas (0 if one got no factor), ``highest_in_own_area``: for how
        many of them the mean coefficient is highest there; ``asked``: how many they are.
    """
    chosen = dict(zip(selection.areas, selection.factors))
    values = [auroc[chosen[a], a - 1] if a in chosen else 0.0 for a in areas]
    own = [a in chosen and int(np.nanargmax(means[chosen[a]])) == a - 1 for a in areas]
    return {
        "worst_auroc": float(min(values)),
        "highest_in_own_area": float(sum(own)),
        "asked": float(len(values)),
    }


def silent_factors(selection: Selection, means: np.ndarray, area: int) -> list[int]:
    """The selected factors whose mean in an area is below 1 % of that in the area they were
    selected for.
    """
    return [
        factor
        for factor, own in zip(selection.factors, selection.areas)
        if not means[factor, area - 1] > SILENT * means[factor, own - 1]
    ]


def axon_factor(
    coefficients: np.ndarray, auroc: np.ndarray, white_matter: int, cells: np.ndarray
) -> tuple[int, dict[str, float]]:
    """The factor of the white matter, and how many cells lie where it is strongest (B §3, "F5").

    Parameters
    ----------
    coefficients : (n, k) array
    auroc : (k, r) array
    white_matter : int
        Its area.
    cells : (n,) array
        Density of cells.

    Returns
    -------
    factor : int
        The one with the largest AUROC for white matter.
    dict
        ``auroc_wm``; ``cells_in_top``: median density over the 5 % of positions with its largest
        coefficients; ``cells_median``: median over all positions.
    """
    factor = int(np.nanargmax(auroc[:, white_matter - 1]))
    top = max(1, len(coefficients) // 20)
    strongest = np.argpartition(coefficients[:, factor], -top)[-top:]
    return factor, {
        "auroc_wm": float(auroc[factor, white_matter - 1]),
        "cells_in_top": float(np.median(cells[strongest])),
        "cells_median": float(np.median(cells)),
    }


def thalamic_factor(
    values: np.ndarray,
    labels: np.ndarray,
    layers: np.ndarray,
    places: np.ndarray,
    thalamus: Sequence[int],
    cortex_label: int,
    block: float,
    seed: int = 0,
) -> dict[str, float]:
    """Whether a factor of the thalamus is found in layers 4 and 6 of cortex, too (B §3, "F11").

    Parameters
    ----------
    values : (n,) array
        Coefficients of the factor.
    labels, layers : (n,) int arrays
        Area, and layer 1…5 for L1…L6.
    places : (n, 2) array
        Pixel row and column.
    thalamus : sequence of int
        Its areas.
    cortex_label : int
    block : float
        Side in pixels of the blocks of the bootstrap.

    Returns
    -------
    dict
        ``thalamus``, ``elsewhere``, ``cortex``: mean coefficient in the thalamus, in the other
        areas but cortex, in cortex; ``layers``: mean in L4 and L6 less that in L1, L2/3 and L5;
        ``layers_low``, ``layers_high``: 95 % interval.
    """
    inside = np.isin(labels, thalamus)
    others = (labels > 0) & ~inside & (labels != cortex_label)
    cortical = (labels == cortex_label) & (layers > 0)
    deep = np.isin(layers[cortical], (3, 5))
    difference, low, high = bootstrap_difference(
        values[cortical], deep, ~deep, places[cortical], block, seed=seed
    )
    return {
        "thalamus": float(values[inside].mean()),
        "elsewhere": float(values[others].mean()) if others.any() else 0.0,
        "cortex": float(values[labels == cortex_label].mean()),
        "layers": difference,
        "layers_low": low,
        "layers_high": high,
    }


def split_of_layers(
    components: np.ndarray, layers: np.ndarray, cells: np.ndarray, n_components: int
) -> dict[str, float]:
    """How L2/3, L5 and L6 spread over the components, and how these differ in density (B Fig. 2A2,
    B2).

    Parameters
    ----------
    components : (m,) int array
    layers : (m,) int array
        1…5 for L1…L6.
    cells : (m,) array

    Returns
    -------
    dict
        ``two_hold``: share of L2/3, L5 and L6 in the two components with most of it; ``largest`` of
        the two; ``density_ratio``: largest over smallest mean cell density of the components.
    """
    wanted = np.isin(layers, (2, 4, 5))
    counts = np.bincount(components[wanted], minlength=n_components)
    shares = np.sort(counts / max(wanted.sum(), 1))[::-1]
    density = component_means(components, cells, n_components)
    return {
        "two_hold": float(shares[:2].sum()),
        "largest": float(shares[0]),
        "density_ratio": float(np.nanmax(density) / max(np.nanmin(density), 1e-12)),
    }


def dense_axon_component(
    components: np.ndarray,
    layers: np.ndarray,
    cells: np.ndarray,
    axons: np.ndarray,
    places: np.ndarray,
    block: float,
) -> tuple[int, dict[str, float]]:
    """The component that is richest in cells and axons together, and how it prefers L4 and L6 (B
    §3).

    Parameters
    ----------
    components, layers : (n,) int arrays
    cells, axons : (n,) arrays
        Densities.
    places : (n, 2) array
        Row and column of each position.
    block : float
        Side of the blocks of the bootstrap, in the units of `places`.

    Returns
    -------
    component : int
    dict
        ``enrichment_l4``, ``enrichment_l6``: share of the layer in the component over its share in
        cortex; ``low_l4``, ``low_l6``: their lower bounds (2.5 % over draws of blocks).
    """
    n = int(components.max()) + 1
    component = int(np.nanargmax(component_means(components, cells * axons, n)))
    mine, known = components == component, layers > 0
    value = {}
    for name, layer in (("l4", 3), ("l6", 5)):
        here = layers == layer
        sums = block_bootstrap([mine & here, mine & known, here, known], places, block)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = (sums[:, 0] / sums[:, 1]) / (sums[:, 2] / sums[:, 3])
        value[f"enrichment_{name}"] = float(np.nan_to_num(ratio[0]))
        value[f"low_{name}"] = float(np.nan_to_num(np.nanpercentile(ratio[1:], 2.5)))
    return component, value


def barrel_component(
    components: np.ndarray, layers: np.ndarray, smallest: float
) -> tuple[int, np.ndarray, dict[str, float]]:
    """The component most typical of L4, and in how many separate pieces it lies there (B Fig. 2B2).

    Parameters
    ----------
    components, layers : (h, w) int arrays
        Components −1 outside.
    smallest : float
        Positions below which a piece does not count.

    Returns
    -------
    component : int
    found : (h, w) bool array
        Its positions in L4.
    dict
        ``l4_enrichment``: its share of L4 over that of cortex; ``blobs``.
    """
    used = (components >= 0) & (layers > 0)
    enrichment = layer_enrichment(components[used], layers[used], components.max() + 1)[:, 2]
    component = int(np.nanargmax(enrichment))
    found = (components == component) & (layers == 3)
    value = {"l4_enrichment": enrichment[component], "blobs": blobs(found, smallest).max()}
    return component, found, {name: float(number) for name, number in value.items()}


def describe(
    components: np.ndarray,
    layers: np.ndarray,
    cells: np.ndarray,
    n_components: int,
    layer_names: Sequence[str],
) -> list[str]:
    """Name components by what they are: density of cells, and the layers they prefer.

    Returns
    -------
    list of str
        For example ``"1200 cells/mm², prefers L4"``: the density in two digits, layers that hold 2
        % of the positions or more. Components that are alike in both get letters.
    """
    density = component_means(components, cells, n_components)
    enrichment = np.nan_to_num(layer_enrichment(components, layers, n_components, len(layer_names)))
    common = np.bincount(layers, minlength=len(layer_names) + 1)[1:] >= RARE * len(layers)
    liked = [", ".join(np.compress(common & (row > 1.2), layer_names)) for row in enrichment]
    names = [
        f"{float(f'{mean:.2g}'):g} cells/mm², "
        + (f"prefers {few}" if few else "no preferred layer")
        for mean, few in zip(density, liked)
    ]
    return [
        f"{name} ({chr(97 + names[:c].count(name))})" if names.count(name) > 1 else name
        for c, name in enumerate(names)
    ]


def densities_in_words(ratio: float) -> str:
    """Say whether components differ in density of cells, given the largest over the smallest."""
    verb = "hardly differ" if ratio < ALIKE else "differ"
    return (
        f"Densities of cells {verb} between components: "
        f"the largest is {ratio:.2f} times the smallest."
    )


def stability_in_words(table: pd.DataFrame, column: str, used: int) -> str:
    """Say which of the numbers tried give the same result from one start to the next, and whether
    the one used does.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `column` and ``stability``.
    used : int
    """
    if not table["stability"].notna().any():
        return "Stability needs at least two seeds."
    tried, stable = table[column].tolist(), table.loc[table["stability"] >= STABLE, column].tolist()
    own = "was not tried" if used not in tried else "is not one of them"
    return (
        f"Of the numbers tried ({', '.join(map(str, tried))}), these have a stability of at least "
        f"{STABLE}: {', '.join(map(str, stable)) or 'none'}. "
        f"The number used, {used}, {'is one of them' if used in stable else own}."
    )


def criterion_in_words(numbers: Sequence[int], bic: Sequence[float]) -> str:
    """Say which number of components BIC chooses, if any."""
    best = numbers[int(np.argmin(bic))]
    if best == max(numbers):
        return (
            f"BIC is lowest at the largest number tried, {best}: "
            "it may fall further, and so does not choose one."
        )
    return f"BIC is lowest at {best}."
