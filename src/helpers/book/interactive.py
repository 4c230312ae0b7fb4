"""Interactive plots that work on a static page without any outside host, and without a kernel."""

from __future__ import annotations

import json
import uuid

SCRIPT = "vendor/plotly.min.js"  # beside the rendered pages, see helpers.book.render

_PAGE = """<div id="{id}" style="width:100%;height:{height}px"></div>
<script type="application/json" id="{id}-data">{data}</script>
<script>(function () {{
  const draw = () => {{
    const figure = JSON.parse(document.getElementById("{id}-data").textContent);
    Plotly.newPlot("{id}", figure.data, figure.layout, {{responsive: true, displaylogo: false}});
  }};
  if (window.Plotly) return draw();
  // Several plots of one page share one script; a live notebook has no copy beside it and asks the CDN.
  let script = document.getElementById("plotly-script");
  if (!script) {{
    script = document.createElement("script");
    script.id = "plotly-script";
    script.src = "../_static/{script}";
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


def plotly_html(figure, height: int = 520):
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
    from IPython.display import HTML
    from plotly.offline import get_plotlyjs_version

    figure.update_layout(height=height)
    data = json.dumps(json.loads(figure.to_json(engine="json"))).replace("</", "<\\/")
    cdn = f"https://cdn.plot.ly/plotly-{get_plotlyjs_version()}.min.js"
    return HTML(
        _PAGE.format(
            id=f"plotly-{uuid.uuid4().hex[:12]}", height=height, data=data, script=SCRIPT, cdn=cdn
        )
    )


def scatter_3d(scores, labels, areas, phantom=False):
    """Points of several networks in three dimensions; a menu chooses the network, a legend hides
    areas.

    Parameters
    ----------
    scores : dict
        Network to (N, 3) scores.
    labels : (N,) int array
        Area 1…n.
    areas : sequence of str
    phantom : bool
        Say so in the title.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    import plotly.graph_objects as go
    from matplotlib.colors import to_hex

    from helpers.book.style import area_colours

    figure, names = go.Figure(), list(scores)
    for name, points in scores.items():
        for number, (area, colour) in enumerate(zip(areas, area_colours(areas)), start=1):
            x, y, z = points[labels == number].T.round(4).tolist()
            figure.add_scatter3d(
                x=x,
                y=y,
                z=z,
                mode="markers",
                name=area,
                visible=name == names[0],
                marker={"size": 2.5, "color": to_hex(colour)},
                hovertemplate=f"{area}<extra></extra>",
            )
    buttons = [
        {
            "label": name,
            "method": "update",
            "args": [{"visible": [name == other for other in names for _ in areas]}],
        }
        for name in names
    ]
    title = "PCA of normalised features" + (" (phantom)" if phantom else "")
    figure.update_layout(
        title={"text": title, "x": 0.5},
        margin={"l": 0, "r": 0, "t": 40, "b": 0},
        template="simple_white",
        legend={"itemsizing": "constant"},
        updatemenus=[
            {
                "buttons": buttons,
                "x": 0,
                "y": 1.02,
                "xanchor": "left",
                "yanchor": "bottom",
                "direction": "down",
            }
        ],
        scene={
            f"{axis}axis": {"title": f"PC {i}", "showticklabels": False}
            for i, axis in enumerate("xyz", start=1)
        },
    )
    return figure
