"""A small HTTP server on this machine that stands for an archive in the tests, faults included."""

import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Fault:
    """What a server can do wrong: ``status``, ``cut`` (bytes sent before it hangs up), ``sleep``
    (seconds of silence), ``silent`` (on the length; it hangs up at the end), ``endless`` (the body
    again and again), ``from_zero`` (answers every range from the first byte, as a 206) or ``deaf``
    (to If-Range); or just a ``body``. A header that is None is not sent.
    """

    status: int = 200
    cut: int | None = None
    sleep: float = 0
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    silent: bool = False
    endless: bool = False
    from_zero: bool = False
    deaf: bool = False


class Archive:
    """Answers requests with ``answer(path) -> bytes, None (404) or Fault``; keeps the requests it
    saw.
    """

    def __init__(self, answer):
        self.answer, self.requests, self.address = answer, [], None

    def paths(self):
        """What was asked for, in order."""
        return [path for path, _ in self.requests]

    def asked(self, part):
        """Requests whose path holds ``part``, as (path, range header)."""
        return [request for request in self.requests if part in request[0]]


@contextmanager
def serve_folder(folder):
    """Address of a folder's files, as a rendered book is served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@contextmanager
def serve(answer):
    """Run an archive on a free port of this machine; ``archive.address`` is its host and port."""
    archive = Archive(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            archive.requests.append((self.path, self.headers.get("Range")))
            found = archive.answer(self.path)
            if not isinstance(found, Fault):
                found = Fault(status=404) if found is None else Fault(body=found)
            if found.sleep:
                time.sleep(found.sleep)
            body, status, headers = found.body, found.status, {}
            condition = self.headers.get("If-Range")
            same = found.deaf or condition in (None, found.headers.get("ETag"))
            if self.headers.get("Range") and status == 200 and same:
                start = 0 if found.from_zero else int(self.headers["Range"][6:-1])
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                body, status = body[start:], 206
            if not (found.silent or found.endless):
                headers["Content-Length"] = str(len(body))
            self.send_response(status)
            for name, value in {**headers, **found.headers}.items():
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the client gave up waiting
                self.wfile.write(body[: found.cut])
                while found.endless:
                    self.wfile.write(body)
            hangs_up = found.cut is not None or found.silent or found.endless
            self.close_connection = self.close_connection or hangs_up

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    archive.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()


def nobody():
    """An address on this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
