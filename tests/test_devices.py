"""GPUs that are not there: what lists of them mean, and real processes that contend for them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from landcover import devices
from landcover.devices import Gpu, hold, holders, let_go, visible_gpus
from landcover.errors import LandcoverError

THREE = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa1111-0000-0000-0000-000000000000)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa2222-0000-0000-0000-000000000000)
GPU 2: NVIDIA T4 (UUID: GPU-bbbb3333-0000-0000-0000-000000000000)
"""
DIVIDED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa1111-0000-0000-0000-000000000000)
  MIG 3g.20gb     Device  0: (UUID: MIG-c1)
  MIG 3g.20gb     Device  1: (UUID: MIG-c2)
"""
PAIR = [Gpu("GPU-one", "made", 0, 0), Gpu("GPU-two", "made", 1, 1)]

# Takes a GPU, says which, and keeps it until its standard input ends.
WORKER = """
import sys
from pathlib import Path
from landcover.devices import Gpu, hold
gpus = [Gpu(uuid, "made", at, at) for at, uuid in enumerate(sys.argv[2].split(","))]
gpu = hold(gpus, Path(sys.argv[1]), patience=float(sys.argv[3]))
print(gpu.uuid if gpu else "none", flush=True)
sys.stdin.read()
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def _nothing_is_held() -> Iterator[None]:
    yield
    let_go()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes that want one of two GPUs; they end with the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(patience: float = 0) -> subprocess.Popen[str]:
        names = ",".join(gpu.uuid for gpu in PAIR)
        command = [sys.executable, "-c", WORKER, str(tmp_path), names, str(patience)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _numbers(told: str | None, listing: str = THREE) -> list[tuple[int, int]]:
    environment = {} if told is None else {"CUDA_VISIBLE_DEVICES": told}
    return [(gpu.index, gpu.ordinal) for gpu in visible_gpus(environment, listing)]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, [(0, 0), (1, 1), (2, 2)]),
        ("2,0", [(2, 0), (0, 1)]),
        ("1,2,0", [(1, 0), (2, 1), (0, 2)]),  # as dask-cuda tells its second worker
        ("GPU-bbbb,GPU-aaaa2222", [(2, 0), (1, 1)]),
        ("GPU-aaaa", []),  # could be either of two
        ("0,-1,1", [(0, 0)]),
        ("0,7,1", [(0, 0)]),
        ("", []),
        ("-1", []),
    ],
)
def test_cuda_visible_devices_means_what_it_means_to_cuda(
    told: str | None, expected: list[tuple[int, int]]
) -> None:
    assert _numbers(told) == expected


def test_of_divided_gpus_a_process_sees_one_instance() -> None:
    first = visible_gpus({}, DIVIDED)
    assert [gpu.uuid for gpu in first] == ["MIG-c1"]
    assert first[0].name == "NVIDIA A100-SXM4-40GB MIG 3g.20gb"
    cards = f"GPU 0: NVIDIA T4 (UUID: GPU-bbbb)\n{DIVIDED.replace('GPU 0', 'GPU 3')}"
    found = visible_gpus({"CUDA_VISIBLE_DEVICES": "MIG-c2"}, cards)
    assert [(gpu.index, gpu.ordinal) for gpu in found] == [(3, 0)]
    named = visible_gpus({"CUDA_VISIBLE_DEVICES": "MIG-c2,MIG-c1"}, DIVIDED)
    assert [(gpu.uuid, gpu.ordinal) for gpu in named] == [("MIG-c2", 0)]


def test_without_the_driver_there_are_no_gpus() -> None:
    assert visible_gpus({}, "") == visible_gpus({"CUDA_VISIBLE_DEVICES": "0"}, "") == []
    failed = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"
    assert visible_gpus({}, failed) == []


def test_a_spark_task_sees_the_gpus_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = types.SimpleNamespace(name="gpu", addresses=["1"])
    context = types.SimpleNamespace(resources=lambda: {"gpu": given})
    module = types.ModuleType("pyspark.taskcontext")
    module.TaskContext = types.SimpleNamespace(get=lambda: context)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyspark.taskcontext", module)
    assert _numbers(None) == [(1, 1)]
    assert _numbers("2,1") == [(1, 1)]
    assert _numbers("2") == []


def test_two_processes_never_hold_the_same_gpu(start: Start, tmp_path: Path) -> None:
    first, second = start(), start()
    assert {_said(first), _said(second)} == {"GPU-one", "GPU-two"}
    assert _said(start()) == "none"
    assert hold(PAIR, tmp_path, patience=0) is None
    assert sorted(holders(PAIR, tmp_path)) == sorted([first.pid, second.pid])


def test_the_gpu_of_a_killed_process_is_free_again(start: Start, tmp_path: Path) -> None:
    first, second = start(), start()
    lost = _said(first)
    assert _said(second) != lost
    waiting = start(patience=60)
    os.kill(first.pid, signal.SIGKILL)
    assert _said(waiting) == lost
    assert hold(PAIR, tmp_path, patience=0) is None


def test_a_process_holds_one_gpu_however_often_it_asks(tmp_path: Path) -> None:
    assert hold(PAIR, tmp_path) == hold(PAIR, tmp_path) == hold(PAIR[::-1], tmp_path) == PAIR[0]
    let_go()
    assert hold(PAIR[::-1], tmp_path) == PAIR[1]


def test_a_forked_child_does_not_keep_the_gpu_of_its_parent(start: Start, tmp_path: Path) -> None:
    assert hold(PAIR[:1], tmp_path) == PAIR[0]
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        held = devices._mine is None
        os.write(ready[1], b"1" if held else b"0")
        os.read(go[0], 1)
        os._exit(0)
    try:
        assert os.read(ready[0], 1) == b"1"
        let_go()
        assert _said(start()) == "GPU-one"
    finally:
        os.write(go[1], b"1")
        os.waitpid(child, 0)
        for end in (*ready, *go):
            os.close(end)


def test_locks_lie_only_in_a_folder_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(LandcoverError, match="belongs to another user"):
        hold(PAIR, tmp_path / "link")
    (tmp_path / "file").write_text("")
    with pytest.raises(LandcoverError, match="no locks of GPUs can be kept here"):
        hold(PAIR, tmp_path / "file")


@pytest.mark.parametrize("call", ["open_lock", "fcntl.flock"])
def test_where_locks_cannot_be_had_no_gpu_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuses(*_: object) -> int:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(f"landcover.devices.{call}", refuses)
    with pytest.raises(LandcoverError, match="no locks of GPUs can be kept here"):
        hold(PAIR, tmp_path)


def test_a_gpu_is_held_where_the_disk_has_no_room_to_say_by_whom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr("landcover.devices.os.write", Mock(side_effect=OSError(errno.ENOSPC, "full")))
        assert hold(PAIR, tmp_path) == PAIR[0]
    assert hold(PAIR, tmp_path) == PAIR[0]
    let_go()


def test_a_folder_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = os.getuid() + 1
    monkeypatch.setattr("landcover.devices.os.getuid", lambda: another)
    with pytest.raises(LandcoverError, match="belongs to another user"):
        hold(PAIR, tmp_path)


def test_the_folder_of_locks_is_for_its_user_alone_and_a_lock_names_who_holds_it(
    tmp_path: Path,
) -> None:
    folder, before = tmp_path / "locks", os.umask(0)
    try:
        folder.mkdir(mode=0o700)
        (folder / "GPU-one.lock").write_text("99999999999")  # of a holder that is gone
        assert hold(PAIR, folder) == PAIR[0]
        assert holders(PAIR, folder) == [os.getpid()]
        let_go()
        assert hold(PAIR, tmp_path / "new") == PAIR[0]
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
