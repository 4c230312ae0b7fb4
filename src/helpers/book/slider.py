"""A slider over static pictures that works on a rendered page, without a kernel and without any
script to load.
"""

from __future__ import annotations

import base64
import html
import io

_PAGE = """<figure class="image-slider" style="margin:0">
<label style="display:flex;gap:.8em;align-items:center;max-width:40em"><span style="white-space:nowrap">{title}</span>
<input type="range" min="0" max="{last}" value="{start}" step="1" style="flex:1" aria-label="{title}"
 oninput="this.closest('figure').querySelectorAll('[data-frame]').forEach((e, i) =&gt; e.hidden = i % {count} != this.value)">
{labels}</label>
{images}
</figure>"""


def image_slider(pngs, labels, title="", width=None, start=0):
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
    from IPython.display import HTML

    if not len(pngs) or len(pngs) != len(labels):
        raise ValueError(
            f"a slider needs one label for each of its pictures, found {len(pngs)} pictures and {len(labels)} labels"
        )
    if not 0 <= start < len(pngs):
        raise ValueError(f"a slider over {len(pngs)} pictures cannot start at index {start}")
    pngs = [png if isinstance(png, bytes) else figure_png(png) for png in pngs]
    labels = [html.escape(str(label)) for label in labels]
    style = f"width:{width}px;max-width:100%" if width else "max-width:100%"
    captions = "".join(
        f'<output data-frame{" hidden" * (i != start)} style="min-width:9em">{label}</output>'
        for i, label in enumerate(labels)
    )
    images = "\n".join(
        f'<img data-frame{" hidden" * (i != start)} style="{style}" alt="{label}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        for i, (png, label) in enumerate(zip(pngs, labels))
    )
    return HTML(
        _PAGE.format(
            title=html.escape(title),
            last=len(pngs) - 1,
            count=len(pngs),
            start=start,
            labels=captions,
            images=images,
        )
    )


def figure_png(figure, dpi=90):
    """Return a matplotlib figure as the bytes of a PNG file, and close it."""
    import matplotlib.pyplot as plt

    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, bbox_inches="tight")
    plt.close(figure)
    return stream.getvalue()
