"""Recorded runs: nothing of a person, a machine or a picture; no verdict older than its rule."""

import getpass
import html
import json

import pytest
import yaml
from markdown_it import MarkdownIt

from helpers import cli
from helpers.book import board, claims, provenance, recorded
from helpers.book.ledger import Ledger
from helpers.book.recorded_rows import KEYS
from helpers.book.root import from_root
from helpers.data.files import write_json

HOME = "/home/somebody/secret place/data/slices"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty place for recorded runs, in place of the book's."""
    folder = tmp_path / "book" / "recorded"
    monkeypatch.setattr(recorded, "SHELF", folder)
    return folder


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "mine"
    (folder / "tables").mkdir(parents=True)
    (folder / "figures").mkdir()
    (folder / ".brainbook-run").touch()
    (folder / "figures" / "slice.png").write_bytes(b"pixels")
    (folder / "tables" / "areas.csv").write_text("label,area\n1,L2/3 and cells/mm²\n")
    (folder / "tables" / "huge.csv").write_text("x\n" + "1\n" * recorded.LARGEST_TABLE)
    (folder / "tables" / "files.csv").write_text("file\n/home/somebody/data/z1.tif\n")
    ledger = Ledger(folder / "claims" / "02_area_classifier.json", "02_area_classifier", "q")
    for seed, value in enumerate((0.9, 0.86)):
        ledger.record("A.acc.test", value, seed=seed, control=0.6, interval=(0.8, 0.95))
    ledger.not_run("A.acc.slice", "no labels in /home/somebody/data/slices/z1.tif, says the reader")
    facts = {
        "datasets": {"q": {"path": HOME, "fingerprint": "ab12"}},
        "parameters": {"microct": HOME, "run": str(folder), "k": 15},
        "seconds": 12.5,
    }
    provenance.note(folder, "02_area_classifier", facts)
    return folder


def row(rows, id):
    return next(one for one in rows if one["id"] == id)


def test_what_is_kept_and_what_is_not(shelf, run):
    folder = recorded.record(run, "real_z159", "Hand annotation of z = 159, in ~/notes/labels.md")
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    tables = {"tables/areas.csv", "tables/files.csv"}
    assert kept == {".brainbook-recorded", "README.md", "claims.json", "provenance.json", *tables}
    texts = {name: (folder / name).read_text() for name in kept}
    for name, text in texts.items():
        assert "somebody" not in text and "/home" not in text and str(run.parent) not in text, name
    assert "1,L2/3 and cells/mm²" in texts["tables/areas.csv"]
    assert "z1.tif" in texts["tables/files.csv"]
    page = texts["README.md"]
    assert "Hand annotation of z = 159, in labels.md" in page and "huge" in page
    facts = json.loads(texts["provenance.json"])
    assert "machine" not in facts and facts["packages"]["numpy"]
    assert facts["notebooks"]["02_area_classifier"] == {
        "datasets": {"q": {"fingerprint": "ab12"}},
        "parameters": {"k": 15},
        "seconds": 12.5,
    }
    assert row(recorded.rows_of("real_z159"), "A.acc.slice")["reason"] == (
        "no labels in z1.tif, says the reader"
    )


@pytest.mark.parametrize(
    "text, expected",
    [
        ("/home/a b/c.tif", "a b/c.tif"),  # a space ends a path, the folder above is gone
        ("see /srv/x/y.csv, and", "see y.csv, and"),
        ("file:///srv/x/y.csv", "y.csv"),
        (r"in C:\Users\me\z.tif", "in z.tif"),
        ("'~/x/y'", "'y'"),
        ("L2/3 and L5/6, 3 cells/mm²; A/B §2", "L2/3 and L5/6, 3 cells/mm²; A/B §2"),
    ],
)
def test_paths_leave_their_last_part(text, expected):
    assert recorded.without_paths({"k": [text]}) == {"k": [expected]}


def test_rows_are_those_of_the_run(shelf, run):
    recorded.record(run, "one")
    before, after = claims.scoreboard(run), recorded.rows_of("one")
    assert [one["id"] for one in after] == [one["id"] for one in before]
    for key in ("values", "mean", "sd", "control", "control_passes", "interval", "verdict"):
        assert row(after, "A.acc.test")[key] == row(before, "A.acc.test")[key]
    assert row(after, "A.acc.test")["verdict"] == claims.REPRODUCED


def changed_claim(monkeypatch, **changes):
    book = claims.load()
    one = book["A.acc.test"]
    claim = claims.Claim(**{**vars(one), **changes})
    monkeypatch.setattr(claims, "load", lambda: {**book, claim.id: claim})


@pytest.mark.parametrize(
    "changes, verdict, reason",
    [
        ({"rule": "value >= 0.89"}, "not reproduced", ""),
        ({"rule": "value >= 0.5"}, "holds, but so does the control", ""),
        ({"by_construction": True}, "by construction", ""),
        ({"rule": "value > low"}, "not run", "today's rule needs low"),
        ({"controls": ("a", "b")}, "not run", "of its controls b was not computed"),
        ({"controls": ()}, "reproduced", ""),
    ],
)
def test_todays_rule_is_applied(shelf, run, monkeypatch, changes, verdict, reason):
    recorded.record(run, "one")
    changed_claim(monkeypatch, **changes)
    found = row(recorded.rows_of("one"), "A.acc.test")
    assert found["verdict"] == verdict and reason in found["reason"]


def test_a_control_that_no_longer_serves_leaves_a_claim_undecided(shelf, run, monkeypatch):
    path = recorded.record(run, "one") / "claims.json"
    rows = json.loads(path.read_text())["claims"]
    row(rows, "A.acc.test")["control"] = {"of old": 0.3, "and": 0.2}
    write_json(path, {"claims": rows})
    found = row(recorded.rows_of("one"), "A.acc.test")
    assert found["verdict"] == "not run" and "gray baseline was not computed" in found["reason"]
    write_json(path, {"claims": []})
    assert "newer" in row(recorded.rows_of("one"), "A.acc.test")["reason"]


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "-x", "x" * 61, "ä"])
def test_names_are_plain(shelf, run, name):
    with pytest.raises(ValueError, match="expected letters, digits, - and _"):
        recorded.record(run, name)
    assert not shelf.exists()


def test_what_lies_there_is_kept_unless_it_is_ours_and_force_is_given(shelf, run):
    folder = recorded.record(run, "one", "first")
    with pytest.raises(FileExistsError, match="--force"):
        recorded.record(run, "one")
    assert "first" in (folder / "README.md").read_text()
    assert "second" in (recorded.record(run, "one", "second", True) / "README.md").read_text()
    (shelf / "theirs").mkdir()
    with pytest.raises(FileExistsError, match="no recorded run"):
        recorded.record(run, "theirs", force=True)
    assert recorded.names() == ["one"]


def test_a_run_without_values_is_not_recorded(shelf, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no recorded value"):
        recorded.record(tmp_path / "empty", "one")
    assert not shelf.exists()


def test_command_records_and_scores_by_name(shelf, run, capsys):
    assert cli.main(["record", str(run), "one", "--note", "phantom"]) == 0
    assert cli.main(["record", str(run), "one"]) == 2
    assert cli.main(["record", str(run), "a/b"]) == 2
    assert cli.main(["record", str(shelf), "two"]) == 2
    capsys.readouterr()
    assert cli.main(["scores", str(run), "one", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["claims"]
    assert [one["run"] for one in rows if one["id"] == "A.acc.test"] == [str(run), "one"]
    assert cli.main(["scores", "another"]) == 2


def test_scoreboard_shows_recorded_runs_beside_the_present_one(shelf, run):
    rows = claims.scoreboard(run)
    assert recorded.all_rows() == {} and recorded.notes() == ""
    assert "board-other" not in board.board(rows, recorded.all_rows()).data
    recorded.record(run, "one", "Data of z = 159")
    assert [set(one) for one in recorded.rows_of("one")] == [set(one) for one in rows]
    page = board.board(rows, recorded.all_rows()).data
    assert page.count("one: 0.88") == 1
    assert page.count('board-other" title="one') == len(rows)
    assert "### one" in recorded.notes()


def test_recorded_runs_of_the_book_stand_under_todays_rules():
    """Every recorded run can be read, names no path and no user, and has the verdicts of today."""
    known = yaml.safe_load(from_root("book/claims.yml").read_text(encoding="utf-8"))
    for name, rows in recorded.all_rows().items():
        assert [one["id"] for one in rows] == [claim["id"] for claim in known]
        assert {one["verdict"] for one in rows} <= set(claims.VERDICTS)
        folder = from_root(recorded.SHELF) / name
        for path in (path for path in folder.rglob("*") if path.is_file()):
            assert path.suffix in {".json", ".csv", ".md", ""}, path
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".json":  # as it reads: an escaped letter is no backslash of a path
                text = json.dumps(json.loads(text), ensure_ascii=False)
            assert recorded.without_paths(text) == text, path
            assert f"/{getpass.getuser()}/" not in text, path
        assert "not recorded" not in " ".join(one["reason"] for one in rows), (
            f"{name} lacks a value that today's rule compares: record it anew"
        )


def rewritten(change):
    """Damage that rewrites the first row which holds a value."""

    def damage(folder):
        path = folder / "claims.json"
        content = json.loads(path.read_text())
        change(row(content["claims"], "A.acc.test"), content)
        path.write_text(json.dumps(content))

    return damage


def replaced(**changes):
    return rewritten(lambda one, content: one.update(changes))


DAMAGES = {
    "truncated": lambda folder: (folder / "claims.json").write_text('{"claims": [{"id": "A'),
    "deleted": lambda folder: (folder / "claims.json").unlink(),
    "a folder": lambda folder: [
        (folder / "claims.json").unlink(),
        (folder / "claims.json").mkdir(),
    ],
    "no UTF-8": lambda folder: (folder / "claims.json").write_bytes(b"\xff\xfe{}"),
    "deep": lambda folder: (folder / "claims.json").write_text("[" * 100_000),
    "a list": lambda folder: (folder / "claims.json").write_text("[]"),
    "no claims": lambda folder: (folder / "claims.json").write_text("{}"),
    "a row that is none": rewritten(lambda one, content: content["claims"].append(3)),
    "twice": rewritten(lambda one, content: content["claims"].append(dict(one))),
    "no values": rewritten(lambda one, content: one.pop("values")),
    "no control": rewritten(lambda one, content: one.pop("control")),
    "a key more": replaced(green=True),
    "id": replaced(id=["A"]),
    "text": replaced(values=["0.95"]),
    "null": replaced(values=[None]),
    "lists": replaced(values=[[0.9]]),
    "no list": replaced(values=0.9),
    "Infinity": replaced(values=[float("inf")]),
    "NaN": replaced(control=float("nan")),
    "huge": replaced(values=[10**400]),
    "true": replaced(values=[True]),
    "of two kinds": replaced(values=[0.9, {"value": 0.9}]),
    "empty": replaced(values=[{}]),
    "named text": replaced(values=[{"value": "0.9"}]),
    "control true": replaced(control=True),
    "control by name": replaced(control={"gray": {"value": None}}),
    "interval": replaced(interval=[0.9, 0.1]),
    "interval by name": replaced(interval={"value": {"a": [0, 1]}}),
    "reason": replaced(reason=3),
    "an address": replaced(notebook="javascript:alert(1)//"),
    "README": lambda folder: (folder / "README.md").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_recorded_run_is_named_and_left_out(shelf, run, capsys, damage):
    recorded.record(run, "sound", "first data")
    folder = recorded.record(run, "spoilt", "second data")
    damage(folder)
    file = "claims.json" if (folder / "README.md").exists() else "README.md"
    capsys.readouterr()
    assert cli.main(["scores", "spoilt", "sound"]) == 1
    said, told = capsys.readouterr()
    assert f"the recorded run spoilt is left out: {file}: found " in told and "expected" in told
    assert "A.acc.test" in said
    assert list(recorded.all_rows()) == ["sound"]
    notes = recorded.notes()
    assert "### sound" in notes and "first data" in notes and "second data" not in notes
    assert "the recorded run spoilt is left out" in notes


def test_a_record_holds_the_known_keys_and_what_is_sound_passes(shelf, run):
    content = json.loads((recorded.record(run, "one") / "claims.json").read_text())
    assert all(set(one) == KEYS for one in content["claims"])
    assert recorded.faults() == {}
    (shelf / ".two.partial").mkdir()
    (shelf / ".two.partial" / recorded.MARKER).touch()
    assert recorded.names() == ["one"]


LIVE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> {raw}`x` `{download}x` [a](b) ![c](d)",
    "```{raw} html\n<b>x</b>\n```",
    ":::{error}\nx\n:::",
    "$$x$$ {{ y }} | a | b |\n\n# big\n\n***\n\n(here)=\n\n% gone\n\n&lt;script&gt; &#60;b&#62;",
    "_a_ __b__ 1. one\n\n- two\n\n<https://a.b> [1]: http://a.b javascript:alert(1)",
)


@pytest.mark.parametrize("note", LIVE)
def test_notes_and_names_of_data_are_shown_as_they_are(shelf, run, note):
    ledger = Ledger(run / "claims" / "02_area_classifier.json", "02_area_classifier", note)
    ledger.record("A.acc.test", 0.9)
    folder = recorded.record(run, "one", note)
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for text in (recorded.notes(), (folder / "README.md").read_text()):
        tokens = parser.parse(text)
        kinds = {one.type for token in tokens for one in (token, *(token.children or ()))}
        assert kinds <= {
            *("heading_open", "inline", "text", "heading_close"),
            *("paragraph_open", "paragraph_close", "text_special"),
        }, kinds
        assert not set("`<{$|") & set(text)
        shown = parser.renderer.render(tokens, parser.options, {})
        assert html.unescape(shown).count(" ".join(note.split())) == 2, shown


def test_a_page_of_text_that_was_written_by_hand_is_data_too(shelf, run):
    folder = recorded.record(run, "one")
    (folder / "README.md").write_text("# Recorded run: two\n\n```{raw} html\n<script>\n```\n")
    assert not set("`<{") & set(recorded.notes())


def test_pages_that_did_not_end_well_are_named(shelf, run, capsys):
    ends = {"key": "1"}, {"failed": {"cell": 3, "error": "no memory"}, "key": "2"}, {"seconds": 9.0}
    pages = "02_area_classifier", "03_transfer_and_noise", "04_gram_structure"
    for page, facts in zip(pages, ends):
        provenance.note(run, page, facts)
    assert cli.main(["record", str(run), "one"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == ["failed: 03_transfer_and_noise", "not finished: 04_gram_structure"]
    assert told[2].startswith("not run: 05_cortical_kmeans, ") and len(told) == 3
    page = (shelf / "one" / "README.md").read_text()
    assert "Pages: 02_area_classifier. Failed: 03_transfer_and_noise. " in page
    assert "Not finished: 04_gram_structure. Not run: 05_cortical_kmeans, " in page
