"""Executing notebooks: strict parameters, nothing twice, loud failures. A toy project stands in for
the book.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import cli
from helpers.book import execution, parameters
from helpers.book.root import project_root
from helpers.book.run import PHANTOMS


def plan(names=(), data="", profile=None, overrides=()):
    return execution.plan(
        list(names),
        "runs/x",
        {"microct": data, "population": "", "weights": ""},
        profile or {},
        list(overrides),
    )


def test_phantoms_serve_only_without_a_dataset(project, two_area_folder):
    assert [job.notebook for job in plan()] == ["01_one", "08_two"]
    assert plan()[0].parameters["microct"] == PHANTOMS["microct"]
    (job,) = plan(data=str(two_area_folder.folder))
    assert job.notebook == "01_one" and job.parameters["microct"] == str(two_area_folder.folder)
    with pytest.raises(
        parameters.UsageError, match="08_two needs a population dataset: give --population"
    ):
        plan(["08_two"], data=str(two_area_folder.folder))


def test_parameters_come_from_profile_and_overrides(project):
    (job, _) = plan(profile={"01_one": {"value": 2}}, overrides=["01_one.name=b", "seeds=[1, 2]"])
    assert job.parameters["value"] == 2.0 and isinstance(job.parameters["value"], float)
    assert job.parameters["name"] == "b" and job.parameters["seeds"] == [1, 2]


@pytest.mark.parametrize(
    "names, profile, overrides, message",
    [
        (["01_on"], {}, [], "unknown notebook '01_on' .did you mean '01_one'"),
        ([], {"01_on": {}}, [], "the profile names an unknown notebook"),
        ([], {"01_one": {"valeu": 1}}, [], "no parameter 'valeu' .did you mean 'value'"),
        ([], {}, ["valeu=1"], "no selected notebook has a parameter 'valeu' .did you mean 'value'"),
        ([], {}, ["value"], "expected name=value"),
        ([], {}, ["value=text"], "01_one.value: found 'text' .str.; expected float, such as 1.5"),
        ([], {}, ["seeds=3"], "expected list"),
        ([], {}, ["seeds=[1"], "does not parse"),
        ([], {}, ["03_x.value=1"], "not among the selected notebooks"),
    ],
)
def test_wrong_requests_are_refused_with_the_near_name(project, names, profile, overrides, message):
    with pytest.raises(parameters.UsageError, match=message):
        plan(names, profile=profile, overrides=overrides)


def test_keys_follow_parameters_text_and_data(project, two_area_folder):
    folder = str(two_area_folder.folder)
    first = plan(data=folder)[0].key
    assert plan(data=folder)[0].key == first
    assert plan(data=folder, overrides=["value=3"])[0].key != first
    image = two_area_folder.folder / "z0.tif"
    image.write_bytes(image.read_bytes() + b"x")
    assert plan(data=folder)[0].key != first


def run_cli(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_run_records_skips_and_repeats_when_asked(project, two_area_folder, capsys):
    command = ("run", "--microct", two_area_folder.folder, "--out", "runs/a")
    assert run_cli(*command) == 0
    out = project_root() / "runs" / "a"
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["notebooks"]["01_one"]["parameters"]["value"] == 1.5
    assert len(provenance["notebooks"]["01_one"]["datasets"]["two"]["fingerprint"]) == 64
    assert run_cli(*command) == 0 and "01_one: up to date" in capsys.readouterr().out
    assert (out / "count").read_text() == "x"
    assert run_cli(*command, "-p", "value=0.5") == 0  # a claim that fails is a result, not an error
    assert (out / "count").read_text() == "xx"
    assert run_cli("scores", out, "--format", "json") == 0
    text = capsys.readouterr().out
    (row,) = json.loads(text[text.index("{") :])["claims"]
    assert (row["id"], row["verdict"], row["mean"], row["dataset"]) == (
        "A.one",
        "not reproduced",
        0.5,
        "two",
    )
    assert run_cli("scores", out, "--strict") == 1
    assert run_cli("clean", out) == 0 and not out.exists()


def test_a_failing_notebook_is_named_with_its_cell_and_error(project, two_area_folder, capsys):
    assert (
        run_cli("run", "--microct", two_area_folder.folder, "--out", "runs/b", "-p", "value=-1")
        == 1
    )
    captured = capsys.readouterr()
    assert (
        "01_one failed in cell" in captured.err and "ValueError: value is negative" in captured.err
    )
    assert (project_root() / "runs" / "b" / "notebooks" / "01_one.ipynb").exists()
    assert (
        run_cli("run", "--microct", two_area_folder.folder, "--out", "runs/b") == 0
    )  # and it runs again


def test_folders_that_are_not_ours_are_refused_and_untouched(
    project, two_area_folder, capsys, tmp_path
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert run_cli("run", "--microct", two_area_folder.folder, "--out", tmp_path / "mine") == 2
    assert "is not a run folder; nothing was written" in capsys.readouterr().err
    assert run_cli("clean", tmp_path / "mine") == 2
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (("run", "--microct", "nowhere"), 2, "no such folder"),
        (("run", "--weights", "nowhere"), 2, "brainbook fetch weights nowhere"),
        (("run", "--profile", "nowhere"), 2, "expected quick, thorough, paper, or a YAML file"),
        (("run", "-p", "value=[1"), 2, "the value '[1' does not parse; expected a value such as 3"),
        (("run", "-p", "01_one.nothing=[1"), 2, "the value '[1' does not parse"),
        (("scores", "nowhere"), 2, "is not a run folder"),
        (("build", "nowhere"), 2, "is not a run folder"),
        (("params", "02_two"), 2, "unknown notebook '02_two'"),
        (("check", "nowhere"), 1, "no such folder"),
    ],
)
def test_exit_codes_and_messages(project, capsys, arguments, code, words):
    assert run_cli(*arguments) == code
    captured = capsys.readouterr()
    assert words in captured.err + captured.out and "Traceback" not in captured.err


def test_unknown_commands_and_options_are_usage_errors(capsys):
    for arguments in (
        ["dance"],
        ["run", "--dance"],
        ["run", "--jobs", "0"],
        ["phantom", "microct"],
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 2
    assert cli.main([]) == 2


def test_interruption_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_params", interrupted)
    assert cli.main(["params", "01_one"]) == 130 and "resume" in capsys.readouterr().err


def test_params_lists_defaults(project, capsys):
    assert run_cli("params", "01_one") == 0
    assert "value = 1.5" in capsys.readouterr().out


def _jobs(*names):
    kind = lambda name: "population" if "08" <= name[:2] <= "11" or name[:2] == "14" else "microct"
    return [execution.Job(name, {kind(name): "x"}, "") for name in names]


@pytest.mark.parametrize(
    "cores, names, at_a_time",
    [
        (2, ("01", "08"), 2),
        (8, ("01", "02", "08"), 2),
        (1, ("01", "08"), 1),
        (2, ("01", "02"), 1),
        (2, (), 1),
    ],
)
def test_two_at_a_time_only_where_branches_and_cores_allow(monkeypatch, cores, names, at_a_time):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert execution.branches(_jobs(*names)) == at_a_time


def test_one_thread_keeps_the_order():
    order = execution.Order(_jobs("01", "08", "13", "14"), 1)
    assert [order.next().notebook for _ in range(4)] == ["01", "08", "13", "14"]


def test_two_threads_take_a_branch_each_and_help_from_the_end():
    order = execution.Order(_jobs("01", "02", "03", "08", "09", "13"), 2)
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        said = lambda thread: thread.submit(order.next).result().notebook
        assert [said(first), said(second)] == ["01", "08"]
        assert [said(second), said(second), said(first), said(second)] == ["09", "13", "02", "03"]


def test_who_comes_to_help_begins_with_the_page_that_another_waits_for():
    order = execution.Order(_jobs("02", "03", execution.FACTORS, "07", "08"), 2)
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        said = lambda thread: thread.submit(order.next).result().notebook
        assert [said(first), said(second)] == ["02", "08"]
        assert [said(second), said(second)] == [execution.FACTORS, "07"]
        assert said(first) == "03"


def test_notebooks_side_by_side_give_what_they_give_in_a_row(project, tmp_path):
    for jobs in (1, 2):
        out = tmp_path / f"run{jobs}"
        assert run_cli("run", "--out", out, "--microct", tmp_path, "--jobs", jobs) == 0
    one, two = (json.loads((tmp_path / f"run{jobs}/claims.json").read_text()) for jobs in (1, 2))
    assert one == two and one


def test_provenance_says_how_many_threads_computed(project, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert run_cli("run", "--out", tmp_path / "run", "--microct", tmp_path) == 0
    noted = json.loads((tmp_path / "run" / "provenance.json").read_text())["notebooks"]
    assert noted["01_one"]["threads"] == 3
    assert execution.threads_of({"OMP_NUM_THREADS": "1"}) == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert execution.threads_of({}) == os.cpu_count()
