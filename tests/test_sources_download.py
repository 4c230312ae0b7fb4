"""One file over HTTP: resumed, retried politely, verified, renamed when whole."""

import hashlib
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from local_server import Fault, nobody, serve

from helpers.data.sources import download, transfer
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
            transfer.fetch_file(
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
        transfer.fetch_file(
            f"http://{server.address}/file", tmp_path / "file", sha256=SHA256, patience=QUICK
        )
    assert [asked for _, asked in server.requests] == ["bytes=10-", None]
    (tmp_path / "again.part").write_bytes(b"x" * 10)
    with serve(
        lambda _: Fault(status=203, body=BODY)
    ) as server:  # it sends the whole file although a part was asked for
        transfer.fetch_file(
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
        transfer.fetch_file(
            f"http://{server.address}/file", tmp_path / "file", sha256=SHA256, patience=QUICK
        )
    assert list(tmp_path.iterdir()) == [] and len(server.requests) == 3


def test_what_cannot_get_better_is_asked_once(tmp_path):
    with serve(lambda path: None if "gone" in path else Fault(status=403)) as server:
        with pytest.raises(NotThere, match="answers 404: there is no such thing"):
            transfer.fetch_file(f"http://{server.address}/gone", tmp_path / "file", patience=QUICK)
        with pytest.raises(DownloadError, match=r"refuses \(403\)"):
            transfer.fetch_file(
                f"http://{server.address}/secret", tmp_path / "file", patience=QUICK
            )
        assert len(server.requests) == 2


def test_silence_and_absence_are_unreachable(tmp_path):
    with (
        serve(lambda _: Fault(sleep=1.0)) as server,
        pytest.raises(Unreachable, match="is there a network"),
    ):
        transfer.fetch_file(
            f"http://{server.address}/file", tmp_path / "file", patience=Patience(0.1, 2, 0.01)
        )
    with pytest.raises(Unreachable, match="ConnectionError: no answer"):
        transfer.fetch_file(f"http://{nobody()}/file", tmp_path / "file", patience=QUICK)


def test_the_pause_asked_for_is_kept_else_pauses_double(tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with serve(
        script(
            Fault(status=429, headers={"Retry-After": "7"}), Fault(status=503), Fault(status=500)
        )
    ) as server:
        transfer.fetch_file(
            f"http://{server.address}/file", tmp_path / "file", patience=Patience(0.3, 4, 2.0)
        )
    assert pauses[0] == 7 and 3.2 <= pauses[1] <= 4.8 and 6.4 <= pauses[2] <= 9.6


def test_a_download_can_be_stopped_and_keeps_its_part(tmp_path):
    stop = threading.Event()
    stop.set()
    with serve(lambda _: BODY) as server:
        with pytest.raises(DownloadError, match="stopped"):
            transfer.fetch_once(f"http://{server.address}/file", tmp_path / "file", stop=stop)
        assert not (tmp_path / "file").exists() and (tmp_path / "file.part").stat().st_size > 0
        assert (
            transfer.fetch_once(f"http://{server.address}/file", tmp_path / "file", sha256=SHA256)
            == SHA256
        )


def get(server, path, **options):
    return transfer.fetch_file(f"http://{server.address}/file", path, patience=QUICK, **options)


OTHER = BODY[::-1]


def test_a_file_that_changed_meanwhile_is_not_mixed(tmp_path):
    """Without a hash: continued only if the server says that it is the same file."""
    tag = {"ETag": '"one"'}
    with serve(
        script(
            Fault(body=BODY, cut=600_000, headers=tag),
            Fault(body=BODY, cut=200_000, headers=tag),
            Fault(body=BODY, headers=tag),
        )
    ) as server:
        assert get(server, tmp_path / "same") == SHA256
    ranges = [asked for _, asked in server.requests]
    assert ranges[0] is None and ranges[1] and ranges[2]  # it was continued twice
    for deaf in (False, True):  # a server that heeds If-Range, and one that does not
        now = Fault(body=OTHER, headers={"ETag": '"two"'}, deaf=deaf)
        with serve(script(Fault(body=BODY, cut=600_000, headers=tag), now, now)) as server:
            get(server, tmp_path / "changed")
        assert (tmp_path / "changed").read_bytes() == OTHER
    with serve(script(Fault(body=BODY, cut=600_000), Fault(body=OTHER))) as server:  # says nothing
        get(server, tmp_path / "unknown")
        assert [asked for _, asked in server.requests] == [None, None]
    assert (tmp_path / "unknown").read_bytes() == OTHER
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed", "same", "unknown"]


@pytest.mark.parametrize("content_range", ["from zero", None, "bytes 7-9/10", "nonsense"])
def test_a_range_that_was_not_asked_for_is_not_appended(tmp_path, content_range):
    tag = {"ETag": '"one"'}
    odd = Fault(body=BODY, headers=tag, from_zero=True)
    if content_range != "from zero":
        odd.headers = {**tag, "Content-Range": content_range}
    with serve(script(Fault(body=BODY, cut=600_000, headers=tag), odd)) as server:
        assert get(server, tmp_path / "file") == SHA256
    assert server.requests[-1][1] is None  # it started over


def test_a_body_of_unknown_length_is_not_taken_for_whole(tmp_path):
    with (
        serve(lambda _: Fault(body=BODY, cut=1000, silent=True)) as server,
        pytest.raises(WrongContent, match="does not say how long the file is"),
    ):
        get(server, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
    with serve(lambda _: Fault(body=BODY, silent=True)) as server:  # a hash tells
        assert get(server, tmp_path / "file", sha256=SHA256) == SHA256


def test_a_redirect_stays_on_its_host_unless_a_hash_decides(tmp_path):
    def answer(path):
        port = server.address.split(":")[1]
        place = {"/file": f"http://localhost:{port}/there", "/near": "/there", "/loop": "/loop"}
        if path in place:
            return Fault(status=302, headers={"Location": place[path]})
        return BODY if path == "/there" else Fault(status=301, headers={"Location": "file:///etc"})

    with serve(answer) as server:
        with pytest.raises(DownloadError, match=r"redirects to another host \(localhost\)"):
            get(server, tmp_path / "file")
        assert "/there" not in server.paths()
        assert get(server, tmp_path / "file", sha256=SHA256) == SHA256
        address = f"http://{server.address}"
        assert transfer.fetch_file(f"{address}/near", tmp_path / "near", patience=QUICK) == SHA256
        with pytest.raises(DownloadError, match="redirects more than 5 times"):
            transfer.fetch_file(f"{address}/loop", tmp_path / "loop", patience=QUICK)
        with pytest.raises(DownloadError, match="which is not safe"):
            transfer.fetch_file(f"{address}/odd", tmp_path / "odd", patience=QUICK)


def test_a_body_without_end_is_cut_off(tmp_path):
    for fault in (
        Fault(body=BODY, endless=True),
        Fault(body=BODY, headers={"Content-Length": str(10**15)}),
    ):
        with (
            serve(lambda _, fault=fault: fault) as server,
            pytest.raises(WrongContent, match="expected at most 3.0 MB; nothing was kept"),
        ):
            get(server, tmp_path / "file", most=3_000_000, sha256=SHA256)
        assert list(tmp_path.iterdir()) == []


def test_what_arrives_encoded_is_refused(tmp_path):
    with (
        serve(lambda _: Fault(body=BODY, headers={"Content-Encoding": "gzip"})) as server,
        pytest.raises(WrongContent, match="arrives encoded"),
    ):
        get(server, tmp_path / "file")


def test_archives_are_asked_over_https():
    text = download.REGISTRY.read_text()
    assert "http://" not in text and text.count("https://") >= 6


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
