"""Running cases in a few processes that live long, and what must hold of how each ends."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from hostile.cases import Case, Ground, begin, good_folder
from hostile.processes import Child

# Of a processor; the clock has longer, as other work of the machine counts on it.
SECONDS = 20
CLOCK = 3 * SECONDS
BYTES = 2**30
_LARGEST_PAGE = 2**26  # files of many gigabytes are inputs
_MOST_SAID = 100_000  # characters: sentences about names of any length have an end


@dataclass(frozen=True)
class Verdict:
    """How a case ended.

    Args:
        case: which.
        ended: "done", "refused", or what is wrong with how it ended.
        said: what the command said.
    """

    case: Case
    ended: str
    said: str

    @property
    def good(self) -> bool:
        return self.ended in ("done", "refused")


def judged(cases: Iterable[Case], jobs: int = 2, run: Path | None = None) -> Iterator[Verdict]:
    """Run cases and judge each.

    Args:
        cases: which.
        jobs: how many at the same time.
    """
    place = Path(tempfile.mkdtemp(prefix="hostile-"))
    template = place / "template"
    good_folder(template)
    outside = place / "outside"
    shutil.copytree(template, outside)
    seen = [_snapshot(outside)]
    children: SimpleQueue[Child] = SimpleQueue()
    with _server() as (url, asked), ThreadPoolExecutor(jobs) as pool:
        for _ in range(jobs):
            children.put(Child(place))
        usual = _usual(children, template, place)

        def judge(numbered: tuple[int, Case]) -> Verdict:
            number, case = numbered
            ground = Ground(place / str(number), outside, url)
            begin(template, ground.folder)
            child = children.get()
            try:
                case.make(ground)
                answer = child.run(case.command, ground.folder, CLOCK)
            finally:
                children.put(child)
            ended = _ended(case, answer, usual)
            if answer["outside"]:
                ended = f"touched what lies outside: {answer['outside'][:3]}"
            if ground.canary.exists() or _snapshot(outside) != seen[-1]:
                ended = "changed what lies outside"
                _cleared(ground.canary)
                seen.append(_snapshot(outside))  # one that did hides none that follows
            if told := _pages(ground.folder):
                ended = f"wrote a page that runs what a file says: {told}"
            if asked:
                ended = f"asked a server: {asked[0]}"
                asked.clear()
            _removed(ground.folder)
            return Verdict(case, ended, answer["err"])

        yield from pool.map(judge, enumerate(cases))
        while not children.empty():
            children.get().close()
    shutil.rmtree(place, ignore_errors=True)


def _usual(children: SimpleQueue[Child], template: Path, place: Path) -> int:
    """Bytes that a process has at most in a good run, of which each child does one first."""
    most, held = 0, [children.get() for _ in range(children.qsize())]
    for number, child in enumerate(held):
        for config in ("config.yaml", "images.yaml"):
            folder = place / f"good{number}{config}"
            begin(template, folder)
            answer = child.run(("score", config, "--quiet"), folder, 120)
            assert answer["code"] == 0, answer
            most = max(most, answer["peak"])
        children.put(child)
    return most


def _ended(case: Case, answer: dict[str, object], usual: int) -> str:
    code, err = answer["code"], str(answer["err"])
    if code is None:
        return f"did not end within {CLOCK} s" if answer["late"] else "crashed"
    if float(str(answer["spent"])) > SECONDS:
        return f"took {answer['spent']:.0f} s of a processor"
    # A process runs one case after another: what it holds already is none of this one's.
    more = int(str(answer["peak"])) - max(usual, int(str(answer["held"])))
    if more > BYTES:
        return f"took {more / 2**20:.0f} MiB more than a good run"
    if any(ord(letter) < 32 and letter not in "\n\t\r" for letter in err) or "\u202e" in err:
        return "sent control characters"
    if len(err) > _MOST_SAID:
        return f"said {len(err):,} characters"
    if "Traceback" in err or "defect of landcover" in err:
        return "called itself a defect"
    if code == 0:
        return "done"
    if code not in (1, 2):
        return f"ended with code {code}"
    # What follows an empty line is a proposal for a sidecar.
    told = err.split("\n\n")[0].splitlines()
    lines = [line for line in told if not line.startswith(("WARNING ", "INFO "))]
    if len(lines) != 1:
        return f"said {len(lines)} lines"
    if case.names and not any(name in lines[0] for name in case.names):
        return "named no file"
    return "refused"


def _snapshot(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path} {path.lstat().st_mtime_ns} {path.lstat().st_size}\n".encode())
    return digest.hexdigest()


def _pages(folder: Path) -> list[str]:
    """The pages and pictures below a folder in which the text of a file has become an element."""
    kinds = (".html", ".svg", ".xml", ".qml", ".vrt")
    there = [path for path in folder.rglob("*") if path.suffix in kinds and not path.is_symlink()]
    files = [path for path in there if path.is_file() and path.stat().st_size <= _LARGEST_PAGE]
    return [path.name for path in files if b"<canary" in path.read_bytes()]


def _cleared(canary: Path) -> None:
    """Remove what a case has made, whatever it is."""
    if canary.is_dir() and not canary.is_symlink():
        shutil.rmtree(canary)
    canary.unlink(missing_ok=True)


def _removed(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
