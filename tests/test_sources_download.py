"""One file over HTTP: resumed, retried politely, verified, renamed when whole."""

import hashlib
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from local_server import Fault, nobody, serve

from helpers.data.sources import download
from helpers.data.sources.download import (
    DownloadError,
    NotThere,
    Patience,
    Unreachable,
    WrongContent,
)

QUICK = Patience(timeout=0.3, attempts=3, wait=0.01)
BODY = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


def script(*answers):
    """A server that gives these answers in turn, then the whole file."""
    waiting = list(answers)
    return lambda path: waiting.pop(0) if waiting else BODY


def test_a_broken_transfer_is_continued_and_hashed_as_a_whole(tmp_path):
    with serve(script(Fault(body=BODY, cut=600_000))) as server:
        assert (
            download.fetch_file(
                f"http://{server.address}/file",
                tmp_path / "deep" / "file",
                sha256=SHA256,
                patience=QUICK,
            )
            == SHA256
        )
    assert (tmp_path / "deep" / "file").read_bytes() == BODY and not list(tmp_path.rglob("*.part"))
    first, second = (asked for _, asked in server.requests)
    assert first is None and 0 < int(second[6:-1]) <= 600_000


def test_a_server_that_cannot_continue_starts_over(tmp_path):
    (tmp_path / "file.part").write_bytes(b"x" * 10)
    with serve(script(Fault(status=416))) as server:
        download.fetch_file(
            f"http://{server.address}/file", tmp_path / "file", sha256=SHA256, patience=QUICK
        )
    assert [asked for _, asked in server.requests] == ["bytes=10-", None]
    (tmp_path / "again.part").write_bytes(b"x" * 10)
    with serve(
        lambda _: Fault(status=203, body=BODY)
    ) as server:  # it sends the whole file although a part was asked for
        download.fetch_file(
            f"http://{server.address}/file", tmp_path / "again", sha256=SHA256, patience=QUICK
        )


def test_another_content_is_refused_and_not_kept(tmp_path):
    with (
        serve(lambda _: b"something else") as server,
        pytest.raises(
            WrongContent,
            match=rf"file: http://.*SHA-256 is \w{{64}}; expected {SHA256}.*tried 3 times",
        ),
    ):
        download.fetch_file(
            f"http://{server.address}/file", tmp_path / "file", sha256=SHA256, patience=QUICK
        )
    assert list(tmp_path.iterdir()) == [] and len(server.requests) == 3


def test_what_cannot_get_better_is_asked_once(tmp_path):
    with serve(lambda path: None if "gone" in path else Fault(status=403)) as server:
        with pytest.raises(NotThere, match="answers 404: there is no such thing"):
            download.fetch_file(f"http://{server.address}/gone", tmp_path / "file", patience=QUICK)
        with pytest.raises(DownloadError, match=r"refuses \(403\)"):
            download.fetch_file(
                f"http://{server.address}/secret", tmp_path / "file", patience=QUICK
            )
        assert len(server.requests) == 2


def test_silence_and_absence_are_unreachable(tmp_path):
    with (
        serve(lambda _: Fault(sleep=1.0)) as server,
        pytest.raises(Unreachable, match="is there a network"),
    ):
        download.fetch_file(
            f"http://{server.address}/file", tmp_path / "file", patience=Patience(0.1, 2, 0.01)
        )
    with pytest.raises(Unreachable, match="ConnectionError: no answer"):
        download.fetch_file(f"http://{nobody()}/file", tmp_path / "file", patience=QUICK)


def test_the_pause_asked_for_is_kept_else_pauses_double(tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with serve(
        script(
            Fault(status=429, headers={"Retry-After": "7"}), Fault(status=503), Fault(status=500)
        )
    ) as server:
        download.fetch_file(
            f"http://{server.address}/file", tmp_path / "file", patience=Patience(0.3, 4, 2.0)
        )
    assert pauses[0] == 7 and 3.2 <= pauses[1] <= 4.8 and 6.4 <= pauses[2] <= 9.6


def test_a_download_can_be_stopped_and_keeps_its_part(tmp_path):
    stop = threading.Event()
    stop.set()
    with serve(lambda _: BODY) as server:
        with pytest.raises(DownloadError, match="stopped"):
            download.fetch_once(f"http://{server.address}/file", tmp_path / "file", stop=stop)
        assert not (tmp_path / "file").exists() and (tmp_path / "file.part").stat().st_size > 0
        assert (
            download.fetch_once(f"http://{server.address}/file", tmp_path / "file", sha256=SHA256)
            == SHA256
        )


def test_bytes_in_words():
    assert [download.in_words(n) for n in (999, 1500, 2_500_000, 3_210_000_000)] == [
        "999 bytes",
        "1.5 kB",
        "2.5 MB",
        "3.2 GB",
    ]


def test_the_registry_names_what_the_project_downloads():
    for section in ("weights", "allen"):
        for name, entry in download.registered(section).items():
            if isinstance(entry, dict) and "sha256" in entry:
                assert len(entry["sha256"]) == 64 and entry["url"].startswith("http"), name
    assert download.registered("bossdb")["thalamocortical"]["shape"] == [720, 1420, 5805]


@pytest.mark.parametrize(
    "source, package, remedy",
    [("allen", "allensdk", "full lock"), ("bossdb", "intern", "pip install intern")],
)
def test_an_absent_package_is_one_clear_line_and_nothing_is_written(
    tmp_path, source, package, remedy
):
    code = (
        f"import sys; sys.modules[{package!r}] = None\nfrom helpers.data.sources import {source}\n"
        f"try: {source}.fetch('out')\nexcept ImportError as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert remedy in said and said.count("\n") == 1 and list(tmp_path.iterdir()) == []
