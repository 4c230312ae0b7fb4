"""A small HTTP server on this machine that stands for an archive in the tests, faults included."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Fault:
    """What a server can do wrong: ``status``, ``cut`` (bytes sent before it hangs up) or ``sleep``
    (seconds of silence).
    """

    def __init__(self, status=None, cut=None, sleep=None, body=None, headers=None):
        self.status, self.cut, self.sleep, self.body, self.headers = (
            status,
            cut,
            sleep,
            body,
            headers or {},
        )


class Archive:
    """Answers requests with ``answer(path) -> bytes, None (404) or Fault``; keeps the requests it
    saw.
    """

    def __init__(self, answer):
        self.answer, self.requests, self.address = answer, [], None

    def asked(self, part):
        """Requests whose path holds ``part``, as (path, range header)."""
        return [request for request in self.requests if part in request[0]]


@contextmanager
def serve(answer):
    """Run an archive on a free port of this machine; ``archive.address`` is its host and port."""
    archive = Archive(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            archive.requests.append((self.path, self.headers.get("Range")))
            found = archive.answer(self.path)
            fault = found if isinstance(found, Fault) else Fault()
            body = (fault.body or b"") if found is fault else found
            if fault.sleep:
                time.sleep(fault.sleep)
            status = 404 if found is None else fault.status or 200
            body = body or b""
            start = 0
            if self.headers.get("Range") and status == 200:
                start, status = int(self.headers["Range"][6:-1]), 206
            body = body[start:]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body[: fault.cut] if fault.cut is not None else body)
            except OSError:
                pass  # the client gave up waiting
            if fault.cut is not None:
                self.close_connection = True

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
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
