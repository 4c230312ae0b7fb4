"""Numbers behind paper B's claims, on small maps where each can be counted by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers.tissue.factors import findings
from helpers.tissue.factors.greedy_selection import select_factors


def test_alignment_is_asked_of_the_factor_chosen_for_the_area():
    coefficients = np.array([[3, 0, 0], [2, 0, 1], [0, 1, 0], [0, 2, 0], [1, 0, 5.0]])
    labels = np.array([1, 1, 2, 2, 3])
    selection = select_factors(coefficients, labels, 3)
    means = np.stack([coefficients[labels == a].mean(0) for a in (1, 2, 3)], 1)
    auroc = np.full((3, 3), 0.6)
    auroc[0, 0], auroc[1, 1], auroc[2, 2] = 0.9, 0.8, 0.7
    assert dict(zip(selection.areas, selection.factors)) == {1: 0, 2: 1, 3: 2}
    found = findings.aligned_areas(selection, means, auroc, [1, 2, 3])
    assert found == {"worst_auroc": 0.7, "highest_in_own_area": 3, "asked": 3}
    means[0] = [1, 2, 0]  # the factor of area 1 is larger in area 2
    found = findings.aligned_areas(selection, means, auroc, [1, 2])
    assert found == {"worst_auroc": 0.8, "highest_in_own_area": 1, "asked": 2}
    none = select_factors(coefficients, labels, 1)
    assert findings.aligned_areas(none, means, auroc, [1, 2, 3])["worst_auroc"] == 0


def test_axon_factor_is_that_of_white_matter_and_looks_where_it_is_strongest():
    rng = np.random.default_rng(0)
    coefficients = rng.random((400, 2))
    cells = np.where(coefficients[:, 1] > 0.94, 100.0, 1000.0)
    auroc = np.array([[0.5, 0.6], [0.4, 0.9]])
    factor, value = findings.axon_factor(coefficients, auroc, 2, cells)
    assert factor == 1 and value == {"auroc_wm": 0.9, "cells_in_top": 100, "cells_median": 1000}


@pytest.mark.parametrize("deep, sign", [(3.0, 1), (0.5, -1)])
def test_thalamic_factor_compares_layers_four_and_six_with_the_others(deep, sign):
    places = np.stack(np.mgrid[:60, :60], -1).reshape(-1, 2)
    rows, columns = places.T
    labels = np.where(columns < 30, 1, np.where(columns < 45, 2, 3))  # cortex, thalamus, another
    layers = np.where(labels == 1, rows // 12 + 1, 0)
    values = np.select([labels == 2, labels == 3, np.isin(layers, (3, 5))], [8, 2, deep], 1)
    values = values + np.random.default_rng(0).normal(0, 0.01, len(values))
    found = findings.thalamic_factor(values, labels, layers, places, [2], 1, block=6)
    means = {"thalamus": 8, "elsewhere": 2, "layers": deep - 1}
    assert {name: found[name] for name in means} == pytest.approx(means, abs=0.01)
    assert sign * found["layers_low"] > 0 and sign * found["layers_high"] > 0


def test_components_by_hand():
    #                      L1 L2/3   L4    L5    L6
    layers = np.array([1, 2, 2, 2, 3, 3, 4, 4, 5, 5])
    components = np.array([2, 0, 0, 1, 1, 1, 0, 0, 1, 1])
    cells = np.array([100, 200, 200, 800, 800, 800, 200, 200, 800, 800.0])
    axons = np.array([0, 1, 1, 2, 2, 2, 1, 1, 2, 2.0])
    split = findings.split_of_layers(components, layers, cells, 3)
    assert split == {"two_hold": 1.0, "largest": pytest.approx(4 / 7), "density_ratio": 8.0}
    places = np.zeros((10, 2))  # one block: every draw is the sample itself
    component, value = findings.dense_axon_component(components, layers, cells, axons, places, 9)
    assert component == 1
    assert value == pytest.approx(  # 2 of 5, 2 of 10
        {"enrichment_l4": 2, "low_l4": 2, "enrichment_l6": 2, "low_l6": 2}
    )
    assert findings.describe(components, layers, cells, 3, ["L1", "L2/3", "L4", "L5", "L6"]) == [
        "200 cells/mm², prefers L2/3, L5",
        "800 cells/mm², prefers L4, L6",
        "100 cells/mm², prefers L1",
    ]


def test_factors_are_silent_where_their_mean_is_next_to_nothing():
    selection = SimpleNamespace(factors=[2, 0, 1, 3], areas=[1, 2, 3, 4])
    # of F0 … F3 in four areas
    means = np.array([[0.05, 10, 0, 0], [0.2, 0, 10, 0], [5, 0, 0, 0], [0, 0, 0, 0.0]])
    assert findings.silent_factors(selection, means, 1) == [0, 3]


def test_names_of_components_claim_no_more_than_there_is():
    layers = np.array([1] + 50 * [2] + 49 * [4] + 50 * [2] + 50 * [4])  # L1 holds less than 2 %
    components = np.array([0] + 99 * [0] + 50 * [1] + 50 * [2])
    cells = np.where(components == 1, 1133.0, 1141.0)
    names = ["L1", "L2/3", "L4", "L5", "L6"]
    assert findings.describe(components, layers, cells, 3, names) == [
        "1100 cells/mm², no preferred layer",
        "1100 cells/mm², prefers L2/3",
        "1100 cells/mm², prefers L5",
    ]
    alike = findings.describe(np.arange(200) % 2, layers, cells, 2, names)
    assert alike == [
        "1100 cells/mm², no preferred layer (a)",
        "1100 cells/mm², no preferred layer (b)",
    ]


def test_choice_of_a_number_in_words():
    table = pd.DataFrame({"k": [5, 10, 15], "stability": [0.99, 0.95, 0.7]})
    said = findings.stability_in_words(table, "k", 15)
    assert "at least 0.95: 5, 10." in said and said.endswith("15, is not one of them.")
    assert findings.stability_in_words(table, "k", 5).endswith("5, is one of them.")
    assert findings.stability_in_words(table, "k", 7).endswith("7, was not tried.")
    assert "two seeds" in findings.stability_in_words(table.assign(stability=np.nan), "k", 5)
    assert "does not choose" in findings.criterion_in_words([2, 3, 4], [-1, -2, -3])
    assert findings.criterion_in_words([2, 3, 4], [-1, -3, -2]) == "BIC is lowest at 3."


def test_barrels_are_separate_pieces_of_the_component_typical_of_layer_four():
    layers = np.repeat([1, 2, 3, 4, 5], 20)[:, None].repeat(120, 1)
    components = np.zeros((100, 120), int)
    components[40:60, 10:35] = components[40:60, 60:90] = 1
    components[80:84, 10:14] = 1  # a speck in L6
    components[:, 110:] = -1
    component, found, value = findings.barrel_component(components, layers, smallest=100)
    assert component == 1 and value["blobs"] == 2
    assert found.sum() == 20 * 25 + 20 * 30
    assert value["l4_enrichment"] == pytest.approx((1100 / 1116) / 0.2)


def test_densities_are_called_alike_only_if_they_are():
    said = findings.densities_in_words(1.09)
    assert "hardly differ" in said and "1.09 times" in said
    assert "Densities of cells differ" in findings.densities_in_words(1.11)
