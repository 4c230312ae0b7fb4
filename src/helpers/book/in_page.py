"""What comes to life in the page itself: the frame that a script of the book fills when asked."""

import base64
import html

import matplotlib.pyplot as plt
from IPython.display import HTML

from helpers.book.slider import figure_png

_PAGE = """<div class="{name}" data-folder="{folder}">
<p><button type="button">{button}</button> <span class="brain-word" aria-live="polite"></span></p>
<div class="brain-stage">{instead}</div>
</div>
<script src="../_static/{script}"></script>"""


def frame(name: str, script: str, folder: str, button: str, instead: HTML) -> HTML:
    """Return the frame of something that a script beside the pages brings to life.

    Parameters
    ----------
    name : str
        Class of the frame, which the script looks for.
    script : str
        Its file under ``_web/``.
    folder : str
        Address of the files that it loads, from `Run.page_files`.
    button : str
        What the reader is asked to press; nothing is loaded before.
    instead : IPython.display.HTML
        What stands there until then, and for good where the script cannot run.

    Returns
    -------
    IPython.display.HTML
    """
    return HTML(
        _PAGE.format(
            name=html.escape(name),
            folder=html.escape(folder),
            button=html.escape(button),
            script=html.escape(script),
            instead=instead.data,
        )
    )


def still(figure: plt.Figure, words: str) -> HTML:
    """Return a matplotlib figure as a picture that stands in for what a script would draw, and the
    words that say what is seen.
    """
    data = base64.b64encode(figure_png(figure)).decode()
    words = html.escape(words)
    return HTML(f'<img style="max-width:100%" alt="{words}" src="data:image/png;base64,{data}">')
