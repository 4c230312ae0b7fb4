"""How runs end: killed, interrupted, out of memory, failed. Nothing is lost, nothing is left."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from helpers import cli
from helpers.book import claims, endings, execution, kernels, pages, provenance
from helpers.book.root import project_root

PARAMETERS = 'microct = "data/phantom-microct"\nrun = "runs/quick"\nseeds = [0]\nvalue = 1.5\n'
# A page of a few long steps, each an artifact, with a table and a claim.
SLOW = """
import time, tempfile
import pandas as pd
import slow_stage
from helpers.book import open_run
opened = open_run(run, notebook="01_one", microct=microct)

# %%
found = [slow_stage.step(opened, i) for i in range(4)]

# %%
opened.save_table(pd.DataFrame({"value": found}), "one")
opened.record("A.one", sum(found), seed=seeds[0])
"""
STAGE = """
import time
import numpy as np
from helpers.data.files import atomic

def step(run, i):
    def compute():
        for n in range(6):
            with atomic(run.path / "tables" / f"part{i}.txt") as temporary:
                temporary.write_text("half")
                time.sleep(0.05)
                temporary.write_text("whole")
        return {"x": np.arange(i + 1.0)}
    return float(run.stored(f"step{i}", {}, compute).value["x"].sum())
"""


@pytest.fixture
def slow(project, two_area_folder, monkeypatch):
    """The toy project with a slow page; gives its run folder and how to start brainbook on it."""
    root = project_root()
    (root / "slow_stage.py").write_text(STAGE)
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), str(root)])
    monkeypatch.setenv("PYTHONPATH", path)
    project("01_one", SLOW, PARAMETERS)

    def start(out="runs/a"):
        command = [sys.executable, "-m", "helpers.cli", "run", "01_one", "--out", out]
        command += ["--microct", str(two_area_folder.folder)]
        return subprocess.Popen(
            command,
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # what is started in the background of a shell inherits that it ignores Ctrl-C
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    start.out = root / "runs" / "a"
    return start


def result(run):
    """The bytes of what a run is for."""
    tables = sorted((run / "tables").glob("*.csv"))
    assert tables
    return [(run / "claims.json").read_bytes(), *(path.read_bytes() for path in tables)]


def left_behind(run):
    """Temporary files and folders of a run that lie anywhere."""
    inside = [path for path in run.rglob(".[0-9]*-*") if ".book" not in path.parts]
    partial = list((run / "artifacts").glob(".*.partial"))
    outside = Path(tempfile.gettempdir()).glob(f"{endings.temporary_prefix(run)}*")
    return [*inside, *partial, *outside]


def kernel_of(process):
    """Number of the kernel's process that brainbook started; 0 if there is none yet."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True).stdout
    for line in listed.splitlines()[1:]:
        number, parent, arguments = line.split(None, 2)
        if int(parent) == process.pid and "ipykernel" in arguments:
            return int(number)
    return 0


def wait_for(what, seconds=300):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def runs(number):
    try:
        state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@needs_proc
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_leaves_nothing_and_resumes(slow, sign):
    process = slow()
    wait_for(lambda: list(slow.out.glob("artifacts/step1-*")))
    kernel = kernel_of(process)
    process.send_signal(sign)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 130 and "run the same command again to resume" in said
    assert "Traceback" not in said
    assert not runs(kernel)
    # a half-made artifact may stay, to go on from; nothing else may
    assert all(path.name.endswith(".partial") for path in left_behind(slow.out))
    made = {path.name for path in slow.out.glob("artifacts/step*")}
    assert "interrupted" in (slow.out / "log.txt").read_text()
    process = slow()
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0 and left_behind(slow.out) == []
    assert "01_one: done in" in said and "at most" in said
    assert made <= {path.name for path in slow.out.glob("artifacts/step*")}


@needs_proc
def test_a_kernel_that_is_killed_is_called_that(slow):
    process = slow()
    wait_for(lambda: list(slow.out.glob("artifacts/step1-*")))
    os.kill(kernel_of(process), signal.SIGKILL)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 1
    assert "01_one failed in cell 4: its kernel was killed (SIGKILL), as a system does" in said
    assert "when memory runs out; it held" in said and "did not start" not in said
    (row,) = claims.scoreboard(slow.out)
    assert row["verdict"] == "not run"
    assert row["reason"].startswith("its notebook failed in cell 4: its kernel was killed")
    assert (slow.out / "notebooks" / "01_one.ipynb").exists()
    process = slow()
    assert "it failed last time; made again" in process.communicate(timeout=300)[0]
    assert process.returncode == 0 and left_behind(slow.out) == []


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("whom", ["brainbook", "kernel"])
def test_twenty_kills_change_nothing(slow, whom):
    assert slow("runs/whole").wait(300) == 0
    whole = result(project_root() / "runs" / "whole")
    chance = random.Random(0)
    signs = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
    for number in range(20):
        process = slow()
        if whom == "kernel":
            victim = wait_for(lambda p=process: kernel_of(p) or p.poll() is not None)
            time.sleep(chance.uniform(0, 3))
        else:
            victim = process.pid
            time.sleep(chance.uniform(0, 6))
        if process.poll() is None:
            os.kill(victim, signs[number % 3])
        process.communicate(timeout=300)
    process = slow()
    assert process.communicate(timeout=300) and process.returncode == 0
    assert result(slow.out) == whole
    assert left_behind(slow.out) == []


def test_processes_of_a_pool_end_with_the_one_that_started_them(tmp_path):
    script = (
        "import subprocess, sys, time\n"
        "child = 'from helpers.book.endings import end_with_parent as e; import time; e(); '\n"
        "child += 'print(1, flush=True); time.sleep(60)'\n"
        "p = subprocess.Popen([sys.executable, '-c', child], stdout=subprocess.PIPE)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert runs(child)
    parent.kill()
    parent.wait()
    wait_for(lambda: not runs(child))


def test_a_failed_page_is_called_failed_everywhere(project, two_area_folder, capsys):
    """On the scoreboard, in provenance and in exit codes; and it runs again."""
    root = project_root()
    command = ["run", "01_one", "--microct", str(two_area_folder.folder), "--out", "runs/b"]
    assert cli.main([*command, "-p", "value=-1"]) == 1
    said = capsys.readouterr().err
    assert "01_one failed in cell 3: ValueError: value is negative" in said
    out = root / "runs" / "b"
    (row,) = claims.scoreboard(out)
    assert (row["verdict"], row["reason"]) == (
        "not run",
        "its notebook failed in cell 3: ValueError: value is negative",
    )
    page = json.loads((out / "notebooks" / "01_one.ipynb").read_text())
    counted = [cell.get("execution_count") for cell in page["cells"] if "outputs" in cell]
    assert 3 in counted  # the number is the one that the notebook shows
    failed = endings.failures(out)["01_one"]
    assert failed == kernels.Failure(3, "ValueError: value is negative")
    text = pages.page_of(out / "notebooks" / "01_one.ipynb", "01_one", failed)
    assert "This notebook failed in cell 3" in text and "papermill-error-cell" not in text
    cells = json.loads(text)["cells"]
    marked = next(i for i, cell in enumerate(cells) if "which failed" in "".join(cell["source"]))
    assert cells[marked + 1]["execution_count"] == 3
    assert cli.main(command) == 0 and "it failed last time; made again" in capsys.readouterr().out
    assert endings.failures(out) == {} and claims.scoreboard(out)[0]["verdict"] == "reproduced"


def test_an_error_is_never_markup():
    box = pages._failure_box(kernels.Failure(None, "ValueError: <script>alert(1)</script> `x`"))
    assert "<script>" not in box and "`" not in box and "failed:**" in box


def test_a_notebook_that_fails_after_it_was_done_is_not_up_to_date(project, two_area_folder):
    """The page of other parameters that failed must not pass for the one that was done before."""
    command = ["run", "01_one", "--microct", str(two_area_folder.folder), "--out", "runs/c"]
    assert cli.main(command) == 0
    assert cli.main([*command, "-p", "value=-1"]) == 1
    facts = provenance.read(project_root() / "runs" / "c")["notebooks"]["01_one"]
    assert "key" not in facts and facts["failed"]["cell"] == 3
    assert cli.main(command) == 0
    assert (project_root() / "runs" / "c" / "count").read_text() == "xxx"


def test_the_time_that_is_left_is_estimated():
    job = lambda name: execution.Job(name, {}, "")
    clock = endings.Clock({"a": 10.0, "b": 30.0, "c": None})
    assert clock.left("a", 20.0, [job("b"), job("c")], 1) == "; about 80 s left"
    assert clock.left("b", 60.0, [job("c")], 2) == "; about 40 s left"
    assert clock.left("c", 1.0, [], 1) == ""
    assert endings.Clock({}).left("a", 300.0, [job("b")], 1) == "; about 5 min left"


@pytest.mark.long
def test_twenty_kills_of_the_book_change_nothing(tiny_run, tmp_path, tiny_microct, tiny_population):
    """All pages, killed twenty times on the way, end with the same claims and tables."""
    whole, failure = tiny_run
    assert not failure
    profile = Path(__file__).parent / "tiny.yml"
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "helpers.cli", "run", "--out", str(out)]
    command += ["--profile", str(profile), "--microct", str(tiny_microct)]
    command += ["--population", str(tiny_population)]
    seconds = [
        row.get("seconds", 0) for row in provenance.read(whole).get("notebooks", {}).values()
    ]
    chance = random.Random(1)
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    killed = 0
    for number in range(20):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        # pages run two at a time, and what was done before a kill is kept
        time.sleep(chance.uniform(5, 5 + sum(seconds) / 20))
        if process.poll() is None:
            process.send_signal([signal.SIGKILL, signal.SIGTERM, signal.SIGINT][number % 3])
            killed += 1
        process.communicate(timeout=300)
    assert killed > 5
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert result(out) == result(whole)
    assert left_behind(out) == []
