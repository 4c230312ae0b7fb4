"""Interactive plots that work on a static page without any outside host, and without a kernel."""

import json
import uuid

from IPython.display import HTML
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs_version

# Several plots of one page share one script, which helpers.book.render puts beside the pages; a
# live notebook has no copy beside it and asks the CDN.
_PAGE = """<div id="{id}" style="width:100%;height:{height}px"></div>
<script type="application/json" id="{id}-data">{data}</script>
<script>(function () {{
  const draw = () => {{
    const figure = JSON.parse(document.getElementById("{id}-data").textContent);
    Plotly.newPlot("{id}", figure.data, figure.layout, {{responsive: true, displaylogo: false}});
  }};
  if (window.Plotly) return draw();
  let script = document.getElementById("plotly-script");
  if (!script) {{
    script = document.createElement("script");
    script.id = "plotly-script";
    script.src = "../_static/vendor/plotly.min.js";
    script.onerror = () => {{
      const outside = document.createElement("script");
      outside.src = "{cdn}";
      outside.onload = () => script.dispatchEvent(new Event("load"));
      document.head.appendChild(outside);
    }};
    document.head.appendChild(script);
  }}
  script.addEventListener("load", draw);
}})();</script>"""


def plotly_html(figure: Figure, height: int = 520) -> HTML:
    """Return a plotly figure as HTML that a notebook displays and a rendered page keeps.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
    height : int
        In pixels.

    Returns
    -------
    IPython.display.HTML
    """
    figure.update_layout(height=height)
    return HTML(
        _PAGE.format(
            id=f"plotly-{uuid.uuid4().hex[:12]}",
            height=height,
            # A "<" in the data could end the script or open a comment.
            data=json.dumps(json.loads(figure.to_json(engine="json"))).replace("<", "\\u003c"),
            cdn=f"https://cdn.plot.ly/plotly-{get_plotlyjs_version()}.min.js",
        )
    )
