"""A web server of one folder, with ranges, whose requests fail as a test says.

It runs in a process of its own and not in a thread: rasterio keeps the interpreter's lock while it
opens a file.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import unquote

NO_FAULTS: dict[str, Any] = {}
# What one connection says of itself, and not of the request.
_HOPS = frozenset({"connection", "keep-alive", "transfer-encoding", "host"})


@dataclass(frozen=True)
class FolderServer:
    """A server of the files of a folder.

    ``faults`` are rules by a part of a path: a status, "reset", "stall", "lost" (done, but the answer
    does not come); with "share" for a share of the requests at random, with "times" for so many of
    them, with "query" for those with that text in their query, with "retry_after" in seconds.
    """

    folder: Path
    url: str
    control: Path
    """Of files by which the server is told what fails, and tells what it was asked."""

    def fails(self, path: str, **rule: Any) -> None:
        """From now on requests for paths that hold this text fail."""
        self._say({path: rule})

    def works(self) -> None:
        """From now on nothing fails."""
        self._say(NO_FAULTS)

    def requests(self) -> list[str]:
        """Method, path and status of all requests so far."""
        return (self.control / "requests").read_text().splitlines()

    def _say(self, rules: Mapping[str, Any]) -> None:
        new = self.control / "faults-new"
        new.write_text(json.dumps(rules))
        new.replace(self.control / "faults")


@contextmanager
def serving(folder: Path, upstream: int = 0) -> Iterator[FolderServer]:
    """Start a server; ``upstream``: the port of this host to which it hands on, in place of a folder."""
    with tempfile.TemporaryDirectory() as control:
        server = FolderServer(folder, "", Path(control))
        server.works()
        Path(control, "requests").touch()
        command = [sys.executable, __file__, str(folder), control, str(upstream)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield replace(server, url=f"http://127.0.0.1:{int(process.stdout.readline())}")
            finally:
                process.kill()


class _Handler(BaseHTTPRequestHandler):
    folder: Path
    control: Path
    upstream: int
    protocol_version = "HTTP/1.1"
    dice = random.Random(5)
    counted: ClassVar[dict[str, int]] = {}
    lock = Lock()

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, *, body: bool) -> None:
        path, _, query = self.path.partition("?")
        name = unquote(path)
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        rule = self._rule(name, query)
        said = rule.get("status", rule.get("kind", 200)) if rule else 200
        asked = "?list" if "comp=list" in query or "list-type" in query else ""
        with self.lock, (self.control / "requests").open("a") as log:
            log.write(f"{self.command} {name}{asked} {said}\n")
        if rule is None and self.upstream:
            self._hand_on(body)
        elif rule is None:
            self._send_file(self.folder / name.lstrip("/"), body)
        elif rule.get("kind") in ("reset", "lost"):
            if rule["kind"] == "lost":
                self._asked_upstream()
            self.close_connection = True
            self.connection.close()
        elif rule.get("kind") == "stall":
            time.sleep(3600)
        else:
            self._refuse(rule)

    def _asked_upstream(self) -> tuple[HTTPResponse, bytes]:
        other = HTTPConnection("127.0.0.1", self.upstream, timeout=120)
        sent = {key: value for key, value in self.headers.items() if key.lower() not in _HOPS}
        other.request(self.command, self.path, self.content, sent)
        answer = other.getresponse()
        return answer, answer.read()

    def _hand_on(self, body: bool) -> None:
        answer, content = self._asked_upstream()
        self.send_response_only(answer.status, answer.reason)
        for key, value in answer.getheaders():
            if key.lower() not in {*_HOPS, "content-length"}:
                self.send_header(key, value)
        size = len(content) if body else answer.getheader("Content-Length", "0")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(content)

    def _rule(self, name: str, query: str) -> dict[str, Any] | None:
        rules = json.loads((self.control / "faults").read_text())
        for part, rule in rules.items():
            if part not in name or rule.get("query", "") not in query:
                continue
            with self.lock:
                self.counted[part] = self.counted.get(part, 0) + 1
                if self.counted[part] <= rule.get("after", 0):
                    return None
                if self.counted[part] > rule.get("times", 10**9):
                    return None
                if self.dice.random() >= rule.get("share", 1):
                    return None
            return rule
        return None

    def _refuse(self, rule: dict[str, Any]) -> None:
        self.send_response(rule["status"])
        self.send_header("Content-Length", "0")
        if "retry_after" in rule:
            self.send_header("Retry-After", str(rule["retry_after"]))
        self.end_headers()

    def _send_file(self, path: Path, body: bool) -> None:
        if not path.is_file():
            self._refuse({"status": 404})
            return
        content = path.read_bytes()
        start, stop = 0, len(content)
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1 if last else stop, stop)
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        self.send_header("Content-Length", str(stop - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.end_headers()
        if body:
            self.wfile.write(content[start:stop])


if __name__ == "__main__":
    _Handler.folder, _Handler.control = map(Path, sys.argv[1:3])
    _Handler.upstream = int(sys.argv[3])
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
