"""Captions of figures: every figure of a page gets its own, names are found by family, references
to what a run did not make are words.
"""

import re
from fnmatch import fnmatch
from pathlib import Path

import nbformat
import pytest
import yaml

from helpers import cli
from helpers.book import captions, pages
from helpers.book.captions import METADATA
from helpers.data.datasets import Problem


@pytest.fixture
def written(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "captions.yml").write_text(
        "one: >-\n  **Paper A.** What\n  is seen, in {numref}`map_z1` too.\n"
        "map_*: A map.\nmap_of_*: Another map.\n"
    )
    monkeypatch.chdir(tmp_path)


def output(name, phantom=True):
    about = {METADATA: {"figure": name, "phantom": phantom}}
    return nbformat.v4.new_output("display_data", {"image/png": "AA=="}, metadata=about)


def words(text):
    return nbformat.v4.new_output("display_data", {"text/markdown": text})


def test_a_caption_is_found_by_its_name_or_its_longest_family(written):
    assert captions.caption("one") == "**Paper A.** What is seen, in {numref}`map_z1` too."
    assert captions.caption("map_z259") == "A map."
    assert captions.caption("map_of_x") == "Another map."
    assert captions.caption("two") == ""


def test_without_a_file_there_are_no_captions(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert captions.caption("one") == ""


@pytest.mark.parametrize(
    ("text", "figure", "words"),
    [
        ("one: fine\ntwo: a caption: with a colon\n", "two", "line 2, column 15"),
        ("one: >-\n  fine\nmap_*: >-\n not {\nbad\n", "map_*", "text that is not YAML"),
        ("two: a\none: fine\n\none: again\n", "one", "line 4, column 1"),
        ("one: fine\ntwo: [a, b]\n", "two", "list \"['a', 'b']\""),
        ("one: fine\ntwo:\n", "two", "nothing"),
        ("one: fine\n12: fine\n", "12", "the name 12"),
        ("- one\n", "", "a list"),
        ("", "", "a NoneType"),
        ("one: \x00", "", "text that is not YAML"),
    ],
)
def test_a_malformed_caption_is_named_in_one_line(written, tmp_path, text, figure, words, capsys):
    path = tmp_path / "book" / "captions.yml"
    path.write_text(text)
    with pytest.raises(Problem) as error:
        captions.caption("one")
    said = str(error.value)
    assert "book/captions.yml" in said and words in said and "\n" not in said
    assert f"figure {figure}" in said or not figure
    assert error.value.remedy in said


def test_a_book_of_malformed_captions_ends_in_that_line(written, tmp_path, monkeypatch, capsys):
    (tmp_path / "book" / "captions.yml").write_text("one: [a]\n")
    monkeypatch.setattr(cli, "_build", lambda arguments: captions.caption("one"))
    (tmp_path / "run").mkdir()
    assert cli.main(["build", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_words_in_place_of_a_picture_hold_no_markup(written):
    assert (
        captions.in_words(captions.caption("one"))
        == "Paper A. What is seen, in another figure too."
    )
    assert captions.in_words("A map.", phantom=True) == "Phantom: A map."


def test_each_figure_of_a_cell_gets_a_cell_and_its_caption(written):
    outputs = [words("before"), output("one"), output("map_z1"), words("after"), output("two")]
    cell = nbformat.v4.new_code_cell("code", outputs=outputs, id="cell")
    parts = captions.one_figure_a_cell(cell)
    assert [len(part.outputs) for part in parts] == [1, 1, 1, 1, 1]
    assert [part.source for part in parts] == ["code", *4 * ["# as above"]]
    assert all("remove-input" in part.metadata["tags"] for part in parts[1:])
    assert len({part.id for part in parts}) == 5
    named = [part.metadata.get("mystnb", {}).get("figure", {}).get("name") for part in parts]
    assert named == [None, "one", "map_z1", None, None]
    assert parts[2].metadata["mystnb"]["image"]["alt"] == "Phantom: A map."
    assert captions.one_figure_a_cell(nbformat.v4.new_code_cell("x"))[0].source == "x"


def test_references_to_what_was_not_made_are_words(written, tmp_path):
    text = "See {numref}`one` and {numref}`map_z1`."
    assert captions.resolved(text, {"one"}) == (
        "See {numref}`one` and a figure that this run did not make."
    )
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# T\n\nSee {numref}`two`."),
            nbformat.v4.new_code_cell("x", outputs=[output("one"), output("two")]),
        ]
    )
    path = tmp_path / "n.ipynb"
    nbformat.write(notebook, path)
    assert captions.shown_in(path) == ["one"]  # the other has no caption, hence no number
    page = pages.page_of(path, "n", None, {"one"})
    assert "See a figure that this run did not make." in page
    assert "in a figure that this run did not make too" in page  # in the caption of the first


def test_every_figure_of_a_notebook_has_a_caption_and_no_caption_is_left_over():
    root = Path(__file__).parent.parent
    text = "".join(path.read_text() for path in sorted((root / "notebooks").glob("*.py")))
    calls = re.findall(r"run\.show\((?:[^()]|\([^()]*(?:\([^()]*\)[^()]*)*\))*\)", text)
    names = {re.search(r'f?"([\w{}.\[\]]+)"(?:, of_data=False)?,?\s*\)$', one)[1] for one in calls}
    known = yaml.safe_load((root / "book" / "captions.yml").read_text())
    # a name that is filled in at run time stands for all keys that it can become
    filled = {name: re.sub(r"\{.*\}", "*", name) for name in names}
    keys = {name: {key for key in known if fnmatch(key, filled[name])} for name in names}
    assert len(calls) > 70
    lacking = [name for name in names if not keys[name] and not captions.caption(filled[name])]
    assert lacking == []
    general = {key for key in known for n in names if n.startswith(key.removesuffix("*"))}
    assert set().union(*keys.values(), general) == set(known)
