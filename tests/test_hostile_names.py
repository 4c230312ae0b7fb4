"""Names and reasons that a dataset brings are shown, never read as markup or as a path."""

import csv
import html
import io

import numpy as np
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


FORMULAS = ["=cmd|'/c calc'!A0", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-"]
PLAIN = ["L2/3 = a", "−3", "'quoted'", 'with "signs", and\nlines\r', "", "-3.5", "+1e-5", "a@b"]


@pytest.mark.parametrize("text", FORMULAS + PLAIN)
def test_no_name_of_a_table_becomes_a_formula(tmp_path, text):
    run = Run(tmp_path, "01_data", None, None)
    numbers = [-1.5, float("-inf"), np.nan]
    table = pd.DataFrame({"area": ["a", text, "b"], "-x": numbers, text: [-1, 2, -3]})
    index = pd.MultiIndex.from_tuples([(text, 1), ("b", 2), ("c", -3)], names=["layer", text])
    for form in (table, table.set_index(index), table.set_index("area")[text]):
        run.save_table(form, "one")
        with open(tmp_path / "tables" / "one.csv", newline="", encoding="utf-8") as stream:
            found = list(csv.reader(stream))
        before = form.to_csv(index=form.index.name is not None)
        expected = list(csv.reader(io.StringIO(before, newline="")))
        changed = [*FORMULAS, "-x", "=1"]  # pandas ends a line at the sign before =1
        assert found == [[f"'{c}" if c in changed else c for c in row] for row in expected]


def test_a_table_without_formulas_is_as_pandas_writes_it(tmp_path):
    table = pd.DataFrame({"a": [1.25, -2e-9, np.nan], "b": ["x, y", 'say "z"', None]})
    for form in (table, table[["b"]], table.set_index("b"), table.iloc[:0]):
        text = form.to_csv(index=form.index.name is not None)
        assert markup.without_formulas(text) == text
