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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

NO_FAULTS: dict[str, Any] = {}


@dataclass(frozen=True)
class FolderServer:
    """A server of the files of a folder.

    ``faults`` are rules by a part of a path: a status, "reset", "stall"; with "share" for a share of
    the requests at random, with "times" for so many of them, with "retry_after" in seconds.
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
def serving(folder: Path) -> Iterator[FolderServer]:
    with tempfile.TemporaryDirectory() as control:
        server = FolderServer(folder, "", Path(control))
        server.works()
        Path(control, "requests").touch()
        command = [sys.executable, __file__, str(folder), control]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield replace(server, url=f"http://127.0.0.1:{int(process.stdout.readline())}")
            finally:
                process.kill()


class _Handler(BaseHTTPRequestHandler):
    folder: Path
    control: Path
    protocol_version = "HTTP/1.1"
    dice = random.Random(5)
    counted: ClassVar[dict[str, int]] = {}
    lock = Lock()

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, *, body: bool) -> None:
        name = unquote(urlsplit(self.path).path)
        rule = self._rule(name)
        said = rule.get("status", rule.get("kind", 200)) if rule else 200
        with self.lock, (self.control / "requests").open("a") as log:
            log.write(f"{self.command} {name} {said}\n")
        if rule is None:
            self._send_file(self.folder / name.lstrip("/"), body)
        elif rule.get("kind") == "reset":
            self.close_connection = True
            self.connection.close()
        elif rule.get("kind") == "stall":
            time.sleep(3600)
        else:
            self._refuse(rule)

    def _rule(self, name: str) -> dict[str, Any] | None:
        rules = json.loads((self.control / "faults").read_text())
        for part, rule in rules.items():
            if part not in name:
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
    _Handler.folder, _Handler.control = map(Path, sys.argv[1:])
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
