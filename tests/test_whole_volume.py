"""What page 13 says of a volume, on volumes made by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.data.phantoms import microct, volume
from helpers.tissue import figures
from helpers.tissue.stages.whole_volume import WholeVolume, price
from helpers.tissue.volumes.tables import neighbour_agreement

AREAS = ("a", "b")


@pytest.fixture
def found():
    """Three slices of 2 × 4 positions; the second area is missed in the last of them."""
    truth = np.array([[[1, 1, 2, 2], [0, 1, 2, 0]]] * 3, np.uint8)
    labels = np.array([[[1, 1, 2, 2], [1, 1, 2, 2]]] * 3, np.uint8)
    labels[2][labels[2] == 2] = 1
    dice = [[1.0, 1.0], [2 * 4 / (4 + 8), 0.0]]
    costs = pd.DataFrame({"workers": [1, 2], "slices": [2, 3], "clock_s": [4.0, 3.6]})
    agreement = neighbour_agreement(dice, AREAS, (7, 8, 9))
    images = np.zeros(labels.shape, np.uint8)
    facts = (pd.DataFrame(), agreement, costs, [1.0, 1.1, 0.9], 2, 3.0, "by hand")
    return WholeVolume(images, labels, truth, (7, 8, 9), (1.0, 1000.0, 1000.0), *facts)


def test_only_annotated_positions_count_against_the_truth(found):
    table = found.against_truth(AREAS)
    each = 1e-3  # mm³: 1 µm × 1 mm × 1 mm
    assert table["true mm³"].tolist() == pytest.approx([9 * each, 9 * each])
    assert table["predicted mm³"].tolist() == pytest.approx([12 * each, 6 * each])
    assert table["Dice"].tolist() == pytest.approx([2 * 9 / 21, 2 * 6 / 15])


def test_neighbours_of_the_truth(found):
    table = found.true_agreement(AREAS)
    assert table.index.tolist() == [(7, 8), (8, 9)] and (table == 1).all(axis=None).all()
    found.truth[1][found.truth[1] == 2] = 0
    table = found.true_agreement(AREAS)
    assert table["b"].tolist() == [0, 0] and table["a"].tolist() == [1, 1]


def test_the_price_is_positions_over_speed():
    table = price({"fast": 1000.0, "slow": 10.0}, 0.5, 2.0, (10, 600, 1200))
    assert table.loc["fast", "processor hours"] == pytest.approx(1.0)
    assert table.loc["slow", "processor hours"] == pytest.approx(100.0)
    assert table["gigabytes written"].tolist() == pytest.approx([0.0144] * 2)


def test_figures_of_a_volume(found):
    facts = (AREAS, found.z, found.voxel_um)
    drawn = [
        figures.orthogonal_views(found.images, found.labels, 1, *facts),
        figures.areas_of_volume(found.against_truth(AREAS)),
        figures.neighbours(found.agreement, found.true_agreement(AREAS)),
        figures.seconds_and_blocks(found.slice_seconds, found.blocks, found.costs),
    ]
    views = drawn[0].axes
    assert views[0].get_images()[0].get_array().shape == (2, 4)
    assert views[1].get_images()[0].get_array().shape == (3, 4)
    assert views[2].get_images()[0].get_array().shape == (2, 3)
    assert [len(figure.axes) for figure in drawn] == [4, 1, 1, 2]
    clock, ideal = (line.get_ydata().tolist() for line in drawn[3].axes[1].lines)
    assert (clock, ideal) == ([2.0, pytest.approx(1.2)], [2.0, 1.0])  # seconds a slice
    for figure in drawn:
        plt.close(figure)


def test_slices_of_the_phantom_volume_are_those_of_the_sample(tmp_path):
    volume.draw_volume(tmp_path, [258, 259], (600, 1800), seed=3)
    images, areas = (np.load(tmp_path / name) for name in (volume.IMAGES, volume.AREAS))
    anatomy, section = microct.draw_slice(259, (600, 1800), 3)
    assert images.shape == areas.shape == (2, 600, 1800)
    assert np.array_equal(images[1], section.image)
    assert np.array_equal(areas[1], anatomy.areas * anatomy.annotated)
    alike = (areas[0] == areas[1]).mean()
    assert 0.97 < alike < 1  # neighbours of one anatomy, and not the same slice
