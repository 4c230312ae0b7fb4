"""Figures on a page of 720 pixels: as wide as it at most, with letters of at least 7 points."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from helpers.book import figure_files, style
from helpers.book.figure_files import PAGE_INCHES, fit_page, shown_inches, smallest_text

pytestmark = pytest.mark.usefixtures("book_style")


def test_smallest_text_counts_what_the_page_shrinks():
    figure, axis = plt.subplots(figsize=(15, 2))
    axis.set_title("title", fontsize=12)
    # Ticks have 9 points; the figure is shown at about half its width.
    assert smallest_text(figure) == pytest.approx(9 * PAGE_INCHES / shown_inches(figure))
    assert 4.3 < smallest_text(figure) < 4.7
    axis.text(0.5, 0.5, "small", fontsize=5)
    assert smallest_text(figure) < 2.6
    axis.texts[0].set_visible(False)
    assert 4.3 < smallest_text(figure) < 4.7


def test_what_is_not_drawn_does_not_count():
    figure, axis = plt.subplots(figsize=(3, 2))
    axis.tick_params(labelsize=2)
    axis.set_axis_off()
    assert smallest_text(figure) == float("inf")


@pytest.mark.parametrize("width", [5, 9, 14])
def test_a_figure_is_fitted_by_its_size_and_its_letters_keep_theirs(width):
    figure, axes = plt.subplots(1, 3, figsize=(width, 3))
    axes[0].set_title("a title", fontsize=11)
    axes[1].tick_params(labelsize=5)
    axes[2].text(0.5, 0.5, "small", fontsize=4)
    axes[2].plot([1, 2], label="line")
    style.side_legend(axes[2], fontsize=6)
    fit_page(figure)
    assert shown_inches(figure) <= PAGE_INCHES + 1e-6 or width == 5
    assert smallest_text(figure) == pytest.approx(7)
    assert axes[0].title.get_fontsize() == 11


def test_images_keep_their_shape():
    figure, axes = plt.subplots(1, 4, figsize=(16, 4))
    for axis in axes:
        axis.imshow(np.zeros((10, 10)))
    fit_page(figure)
    width, height = figure.get_size_inches()
    assert width < 7.6 and 3 < width / height < 5


def test_a_file_notes_its_smallest_letters():
    figure, axis = plt.subplots(figsize=(5, 3))
    stream = io.BytesIO()
    figure_files.write(figure, stream, "png", 80, fit_page(figure))
    assert Image.open(stream).text[figure_files.NOTE] == f"{smallest_text(figure):.2f} pt"
