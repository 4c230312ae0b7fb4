"""Names and reasons that a dataset brings are shown, never read as markup or as a path."""

import html

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from helpers.book import board, interactive, markup, pages
from helpers.book.run import Run
from helpers.tissue import figures

SCRIPT, IMAGE = "<script>alert(1)</script>", "<img src=http://x/>"
HOSTILE = [SCRIPT, IMAGE, "![a](http://x/)", "[a](javascript:b)", "**bold** $x$ `c`", "a_b|c\n# d"]


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_a_name_as_it_is(name):
    page = MarkdownIt().enable("table").render(f"**{markup.plain(name)}**, found")
    shown = html.escape(" ".join(name.split()), quote=False)
    assert page == f"<p><strong>{shown}</strong>, found</p>\n"


def test_scoreboard_escapes_datasets_reasons_and_statements():
    row = {"id": "A.x", "where": IMAGE, "statement": SCRIPT, "published": 1, "values": []}
    row |= {"mean": None, "sd": None, "rule": "r", "verdict": "not run", "dataset": ""}
    row |= {"control": None, "control_in_words": IMAGE, "interval": None}
    rows = [{**row, "reason": IMAGE, "notebook": "01_data"}]
    page = board.board([*rows, {**rows[0], "dataset": SCRIPT}]).data
    assert page.count("<script") == 1 and "<img" not in page and "&lt;script" in page
    assert '<a href="01_data.html">' in page


def test_parameter_table_escapes_values():
    page = pages.parameter_table("01_data", {"microct": f"{SCRIPT} | `{IMAGE}`"})
    table = "\n".join(line for line in page.splitlines() if line.startswith("|"))  # in a dropdown
    shown = MarkdownIt().enable("table").render(table)
    assert (
        "<table" in shown
        and "<script" not in shown
        and "<img" not in shown
        and "&lt;script&gt;alert(1)" in shown
    )


def test_plotly_text_cannot_end_its_script():
    import numpy as np

    scores = {f"{SCRIPT}<!--": np.zeros((2, 3))}
    figure = figures.scatter_3d(scores, np.array([1, 2]), [SCRIPT, IMAGE])
    page = interactive.plotly_html(figure).data
    assert page.count("<script") == 2 and "<img" not in page and "<!--" not in page
    assert figure.data[0].name == html.escape(SCRIPT)


@pytest.mark.parametrize("name", ["../../../x", "/etc/x", ".hidden", "a\\b", "x" * 300, ".."])
def test_tables_stay_in_their_folder(tmp_path, name):
    run = Run(tmp_path / "run", "01_data", {})
    run.save_table(pd.DataFrame({"a": [1]}), f"area_similarity_{name}")
    run.save_table(pd.DataFrame({"a": [2]}), name)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 2 and {path.parent for path in written} == {tmp_path / "run" / "tables"}
    assert not any(path.name.startswith(".") for path in written)


def test_usual_names_of_files_stay():
    for name in ("A_fig3_area_map_z-5", "features-z159", "area_similarity_ResNet18", "β_2.5"):
        assert markup.file_name(name) == name
    assert markup.file_name("a/b") != markup.file_name("a_b") != markup.file_name("a?b")
