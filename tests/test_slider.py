"""The slider over static pictures: complete in itself, one picture at a time."""

import base64
import re

import matplotlib.pyplot as plt
import pytest

from helpers.book.slider import figure_png, image_slider


def test_page_holds_every_picture_and_loads_nothing():
    pngs = [bytes([i]) * 20 for i in range(3)]
    page = image_slider(pngs, ["a", "b < c", "d"], "factor").data
    assert [base64.b64decode(p) for p in re.findall(r"base64,([^\"]+)\"", page)] == pngs
    assert 'max="2"' in page and "b &lt; c" in page
    assert "<script" not in page and "http" not in page and "require" not in page


def test_first_picture_shows_and_the_slider_swaps_caption_and_picture():
    page = image_slider([b"x", b"y"], ["one", "two"]).data
    frames = re.findall(r"<(output|img) data-frame( hidden)?", page)
    assert frames == [("output", ""), ("output", " hidden"), ("img", ""), ("img", " hidden")]
    assert (
        "i % 2 != this.value" in page
    )  # captions and pictures are counted together, caption first


def test_slider_starts_where_it_is_told():
    page = image_slider([b"x", b"y", b"z"], ["one", "two", "three"], start=1).data
    assert 'value="1"' in page
    shown = [
        i
        for i, hidden in enumerate(re.findall(r"<(?:output|img) data-frame( hidden)?", page))
        if not hidden
    ]
    assert shown == [1, 4]  # the second of three captions, the second of three pictures
    for start in (-1, 3):
        with pytest.raises(ValueError, match="cannot start"):
            image_slider([b"x", b"y", b"z"], ["one", "two", "three"], start=start)


def test_figures_become_pictures_and_are_closed():
    figure = plt.figure()
    assert (
        image_slider([figure, figure_png(plt.figure())], ["a", "b"]).data.count("data:image/png")
        == 2
    )
    assert not plt.fignum_exists(figure.number)


def test_labels_must_fit():
    with pytest.raises(ValueError, match="2 pictures and 1 labels"):
        image_slider([b"x", b"y"], ["a"])
    with pytest.raises(ValueError, match="0 pictures"):
        image_slider([], [])
