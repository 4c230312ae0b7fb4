"""What several pages of paper C show: images in rows, outlines of regions, labelled matrices."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.book import style

FAMILY_COLOURS = {
    "β-VAE": "#d1495b",
    "VAE": "#1f4e79",
    "PCA": "#7f9f3f",
    "linear VAE": "#777777",
}
GRAY = {"cmap": "gray", "vmin": 0, "vmax": 1}


def image_rows(
    images: np.ndarray, row_labels: list[str], column_labels: list[str], width: float
) -> plt.Figure:
    """Images (rows, columns, H, W) in [0, 1], each so many inches wide."""
    rows, columns, height, pixels = images.shape
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(width * columns, width * height / pixels * rows + 0.4),
        squeeze=False,
    )
    _fill_rows(axes, images, row_labels, column_labels)
    return figure


def gallery(
    rows: list[np.ndarray],
    row_labels: list[str],
    column_labels: list[str] | tuple = (),
    outline: np.ndarray | tuple = (),
) -> plt.Figure:
    """Images in [0, 1] in rows, of which some may be shorter.

    Parameters
    ----------
    rows : list of (columns, H, W) arrays
    row_labels, column_labels : list of str
    outline : (columns, H, W) bool array, optional
        What to outline on the first row; an empty or full mask has no outline.
    """
    n_rows, n_columns = len(rows), max(map(len, rows))
    height, width = rows[0][0].shape
    tall = min(12.4, 1.9 * n_columns) / n_columns * height / width * n_rows + 0.5
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(min(13, 1.9 * n_columns + 0.6), tall), squeeze=False
    )
    _fill_rows(axes, rows, row_labels, column_labels, fontsize=9)
    for axis, mask in zip(axes[0], outline):
        if mask.any() and not mask.all():
            axis.contour(mask, levels=[0.5], colors=["#ffb000"], linewidths=0.7)
    # A line of room above the images.
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.2 / tall))
    return figure


def _fill_rows(
    axes: np.ndarray,
    rows: np.ndarray | list[np.ndarray],
    row_labels: list[str],
    column_labels: list[str] | tuple,
    **text: object,
) -> None:
    for axis in axes.flat:
        style.bare(axis)
    for row_axes, row, label in zip(axes, rows, row_labels):
        row_axes[0].set_ylabel(label)
        for axis, image in zip(row_axes, row):
            axis.imshow(image, **GRAY)
    for axis, label in zip(axes[0], column_labels):
        axis.set_title(label, **text)


def matrix(
    values: np.ndarray,
    rows: list[str],
    columns: list[str],
    title: str,
    label: str,
    *,
    column_width: float = 0.55,
    **options: object,
) -> plt.Figure:
    """A figure of one matrix, whose columns are so many inches wide; the rest as in
    `draw_matrix`.
    """
    figure, axis = plt.subplots(figsize=(column_width * len(columns) + 2.4, 0.4 * len(rows) + 1.3))
    draw_matrix(axis, values, rows, columns, title, label, **options)
    return figure


def draw_matrix(
    axis: plt.Axes,
    values: np.ndarray,
    rows: list[str],
    columns: list[str],
    title: str,
    label: str,
    *,
    limits: tuple[float | None, float | None] = (None, None),
    brackets_below: float = -np.inf,
) -> None:
    """Draw a labelled matrix with its numbers and a colour bar (C Fig. 3B and relatives).

    Parameters
    ----------
    axis : Axes
    values : (rows, columns) array
    rows, columns : list of str
    title : str
    label : str
        Of the colour bar.
    limits : (float, float), optional
        Values with the first and the last colour; the smallest and the largest by default.
    brackets_below : float
        Numbers under it stand in brackets.
    """
    vmin, vmax = limits
    shown = style.matrix(axis, values, rows, columns, aspect="auto", vmin=vmin, vmax=vmax)
    white = shown.to_rgba(values)[..., :3] @ (0.299, 0.587, 0.114) < 0.5  # luma of ITU-R BT.601
    small = values < brackets_below
    style.numbers(axis, np.where(small, np.nan, values), white, size=7)
    style.numbers(axis, np.where(small, values, np.nan), white, "({:.2f})", 7)
    axis.spines[:].set_visible(False)
    axis.tick_params("x", labelsize=8)
    axis.set_title(title)
    axis.figure.colorbar(shown, ax=axis, label=label, fraction=0.05)
