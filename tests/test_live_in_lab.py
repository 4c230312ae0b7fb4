"""The third way to use the book: a notebook in JupyterLab, whose controls answer."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import jupytext
import pytest

from helpers.book.root import project_root

LIVE = [path.stem for path in sorted((project_root() / "notebooks").glob("*.py"))]
LIVE = [name for name in LIVE if "live." in (project_root() / f"notebooks/{name}.py").read_text()]
# Seconds from a control to its picture: below 0.3 on a quiet machine; `-s` prints them. What
# is looked for here are views that stand still.
STILL = 3.0
# Output cells that are far from the screen stay in the page, where the test looks for them.
SETTINGS = {"windowingMode": "none"}
IDLE = "document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status == 'idle'"
NOTHING_WAITS = (
    "![...document.querySelectorAll('.jp-InputPrompt')].some(p => p.innerText.includes('*'))"
)
WATCH = """() => {
    window.answers = 0;
    const seen = new MutationObserver(all => {
        for (const one of all) for (const node of one.addedNodes)
            if (node.querySelector && (node.tagName == 'IMG' || node.querySelector('img')))
                { window.answers += 1; window.answered = performance.now(); }
    });
    for (const place of document.querySelectorAll('.widget-output'))
        seen.observe(place, {childList: true, subtree: true});
}"""


@pytest.fixture(scope="module")
def lab(tiny_run, tmp_path_factory):
    """Address of a JupyterLab over the notebooks, with the parameters of the executed run."""
    folder = tmp_path_factory.mktemp("lab")
    run, _ = tiny_run
    for name in LIVE:
        executed = jupytext.read(run / "notebooks" / f"{name}.ipynb")
        for cell in executed.cells:
            cell.get("outputs", []).clear()
        jupytext.write(executed, folder / f"{name}.ipynb")
    settings = folder / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps(SETTINGS))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        f"JUPYTER{name}": str(folder / "jupyter")
        for name in ("_CONFIG_DIR", "_DATA_DIR", "_RUNTIME_DIR")
    }
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "OMP_NUM_THREADS": "2"}
    own |= {"IPYTHONDIR": str(folder / "ipython")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"]
    command += ["--IdentityProvider.token=", "--ServerApp.ip=127.0.0.1"]
    command += [
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log, cwd=folder)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5)
                break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail((folder / "log.txt").read_text()[-2000:])
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def moved(tab, move):
    """Seconds from a move of a control to the picture that answers it."""
    tab.evaluate("() => { window.answers = 0; window.asked = performance.now(); }")
    move()
    tab.wait_for_function("window.answers > 0", timeout=20_000)
    tab.wait_for_timeout(150)  # a second picture of the same answer belongs to it
    return tab.evaluate("(window.answered - window.asked) / 1000")


@pytest.mark.long
@pytest.mark.parametrize("name", LIVE)
def test_every_control_of_a_live_notebook_answers(name, lab, browser):
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(f"{lab}/lab/tree/{name}.ipynb?reset")
    tab.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    tab.wait_for_function(IDLE, timeout=60_000)
    tab.click("text=Run >> nth=0")
    tab.click("text=Run All Cells")
    tab.wait_for_timeout(2000)
    tab.wait_for_function(f"{IDLE} && {NOTHING_WAITS}", timeout=300_000)
    errors = tab.locator('.jp-OutputArea-output[data-mime-type*="stderr"], .jp-RenderedText pre')
    said = [text for text in errors.all_inner_texts() if "Traceback" in text or "Error" in text]
    assert said == []
    tab.evaluate(WATCH)
    answers = {}
    handles = tab.locator(".widget-slider .noUi-handle")
    for index in range(handles.count()):
        handle = handles.nth(index)
        handle.scroll_into_view_if_needed()
        handle.focus()
        low, now = (float(handle.get_attribute(f"aria-value{end}")) for end in ("min", "now"))
        key = "ArrowLeft" if now > low else "ArrowRight"
        tab.keyboard.press("ArrowRight" if key == "ArrowLeft" else "ArrowLeft")
        tab.wait_for_timeout(1500)
        answers[f"slider {index}"] = min(
            moved(tab, lambda key=key: tab.keyboard.press(key)) for key in (key, "ArrowRight")
        )
    menus = tab.locator(".widget-dropdown select")
    for index in range(menus.count()):
        menu = menus.nth(index)
        count = menu.locator("option").count()
        answers[f"menu {index}"] = min(
            moved(tab, lambda i=i, menu=menu: menu.select_option(index=i))
            for i in range(1, min(3, count))
        )
    tab.close()
    assert answers, "no control was found"
    print(name, {control: round(seconds, 2) for control, seconds in answers.items()})
    assert max(answers.values()) < STILL, answers
