"""A slider over static pictures that works on a rendered page, without a kernel and without any
script to load.
"""

import base64
import html
import io

import matplotlib.pyplot as plt
from IPython.display import HTML

from helpers.book import figure_files

_PAGE = """<figure class="image-slider" style="margin:0">
<label style="display:flex;flex-wrap:wrap;gap:.2em .8em;align-items:center;max-width:40em">
<span style="white-space:nowrap">{title}</span>
<input type="range" min="0" max="{last}" value="{start}" step="1" style="flex:1 1 8em"
 aria-label="{title}" oninput="this.closest('figure').querySelectorAll('[data-frame]')
 .forEach((e, i) =&gt; e.hidden = i % {count} != this.value)">
{labels}</label>
{images}
</figure>"""


def image_slider(
    pngs: list[bytes | plt.Figure],
    labels: list[str],
    title: str = "",
    width: int | None = None,
    start: int = 0,
) -> HTML:
    """Return pictures of which a slider shows one at a time.

    Parameters
    ----------
    pngs : sequence of bytes or matplotlib figures
        PNG files in memory; figures are turned into them and closed.
    labels : sequence of str
        What is shown beside the slider, and read out in place of the picture.
    title : str
        What the slider chooses.
    width : int, optional
        Width of the pictures in CSS pixels; at most the page's own.
    start : int
        Index of the picture that shows first.

    Returns
    -------
    IPython.display.HTML

    Raises
    ------
    ValueError
        If there are no pictures, not one label for each, or none at `start`.
    """
    if not len(pngs) or len(pngs) != len(labels):
        raise ValueError(
            "a slider needs one label for each of its pictures, "
            f"found {len(pngs)} pictures and {len(labels)} labels"
        )
    if not 0 <= start < len(pngs):
        raise ValueError(f"a slider over {len(pngs)} pictures cannot start at index {start}")
    size = f"width:{width}px;max-width:100%" if width else "max-width:100%"
    captions, images = "", []
    for i, (png, label) in enumerate(zip(pngs, labels)):
        data = base64.b64encode(png if isinstance(png, bytes) else figure_png(png)).decode()
        frame, name = "data-frame" + " hidden" * (i != start), html.escape(str(label))
        captions += f'<output {frame} style="min-width:9em">{name}</output>'
        images.append(
            f'<img {frame} style="{size}" alt="{name}" src="data:image/png;base64,{data}">'
        )
    return HTML(
        _PAGE.format(
            title=html.escape(title),
            last=len(pngs) - 1,
            count=len(pngs),
            start=start,
            labels=captions,
            images="\n".join(images),
        )
    )


def figure_png(figure: plt.Figure, dpi: int = 90) -> bytes:
    """Return a matplotlib figure as the bytes of a PNG file, and close it."""
    box, stream = figure_files.fit_page(figure), io.BytesIO()
    figure_files.write(figure, stream, "png", dpi, box)
    plt.close(figure)
    return stream.getvalue()
