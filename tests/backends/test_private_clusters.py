"""Another user of this machine can connect to the ports of an own cluster, and gets nothing there."""

from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pyspark
import pytest
from distributed import LocalCluster

from landcover.plugins import load_backend

# What a user without the secrets of the cluster tries at each port: Dask's protocol without and with a
# certificate of one's own, the pages of Dask and Spark, and the messages of Spark. Who that is, is settled after
# all libraries have been imported, as the other user may not be allowed to read them.
STRANGER = r"""
import asyncio, json, os, socket, sys, urllib.request
from concurrent.futures import ThreadPoolExecutor
from distributed.core import connect
from distributed.protocol import Serialize
from distributed.security import Security

async def dask(address, seconds, **how):
    comm = await asyncio.wait_for(connect(address, timeout=seconds, **how), seconds + 1)
    await comm.write({"op": "identity", "reply": True})
    return await asyncio.wait_for(comm.read(), seconds)

def gateway(port, seconds):
    # The door of Spark's Java to Python: a property of the machine, without the secret.
    with socket.create_connection(("127.0.0.1", port), seconds) as door:
        door.settimeout(seconds)
        door.sendall(b"c\nz:java.lang.System\ngetProperty\nsuser.home\ne\n")
        said = door.makefile().readline()
    return said if said.startswith("!y") else None

def greeting(port, seconds):
    # What is said to whoever connects, as the number of a process that was forked for it.
    with socket.create_connection(("127.0.0.1", port), seconds) as door:
        door.settimeout(seconds)
        return door.recv(100) or None

def unix(path, seconds):
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(seconds)
        door.connect(path)
        return "let in"

def opened(path):
    with open(path, "rb") as file:
        return file.read(100) or None

def page(port, path, seconds):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=seconds) as found:
        return found.read().decode()

def tried(ask):
    try:
        return ask()
    except BaseException as error:
        return None

def ways(port, seconds):
    own = Security.temporary().get_connection_args("client")
    yield f"{port} plain", lambda: asyncio.run(dask(f"tcp://127.0.0.1:{port}", seconds))
    yield f"{port} own certificate", lambda: asyncio.run(dask(f"tls://127.0.0.1:{port}", seconds, **own))
    yield f"{port} gateway", lambda: gateway(port, seconds)
    yield f"{port} greeting", lambda: greeting(port, seconds)
    for path in PAGES:
        yield f"{port}{path}", lambda path=path: page(port, path, seconds)

def got(asks):
    with ThreadPoolExecutor(64) as pool:
        answers = dict(zip(asks, pool.map(tried, asks.values())))
    return {what: repr(answer)[:80] for what, answer in answers.items() if answer is not None}

PAGES = ["/", "/health", "/info/main/workers.html", "/json/identity.json", "/metrics", "/api/v1/applications"]
told = json.loads(sys.argv[1])
# Who answers may be busy for long; who does not, is waited for as briefly as one may.
doors = {what: ask for port in told["doors"].values() for what, ask in ways(port, 120) if what in told["doors"]}
asks = {what: ask for port in told["ports"] for what, ask in ways(port, 4)}
for path in told["sockets"]:
    asks[path] = lambda path=path: unix(path, 4)
for number in told["processes"]:
    for what in ("environ", "mem", "fd/0", "maps"):
        asks[f"/proc/{number}/{what}"] = lambda p=f"/proc/{number}/{what}": opened(p)
if told["user"]:
    got(doors)  # what is imported late, is imported now
    os.setgroups([])
    os.setgid(told["user"][1])
    os.setuid(told["user"][0])
print(json.dumps([os.getuid(), got({**doors, **asks})]))
"""


def listening(kind: str) -> Iterator[tuple[psutil.Process, Any]]:
    """Where this process and those below it listen: the address, and the process."""
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # one that has ended meanwhile listens no more
            for connection in process.net_connections(kind):
                if connection.laddr and connection.status in ("LISTEN", psutil.CONN_NONE):
                    yield process, connection.laddr


def ports() -> dict[int, str]:
    """The ports at which this process and those below it listen, and where."""
    return {address.port: address.ip for _, address in listening("tcp")}


def sockets() -> set[str]:
    """The Unix sockets in files of this process and those below it."""
    return {address for _, address in listening("unix") if address.startswith("/")}


@pytest.fixture
def before() -> set[int]:
    return set(ports())


def answers(
    numbers: set[int], user: str | None = None, doors: Mapping[str, int] | None = None
) -> dict[str, str]:
    """What somebody gets at ports who has no secret of the cluster.

    Args:
        numbers: of the ports.
        user: who asks, which only root may say; that one asks the processes as well. None: this user.
        doors: where anyone gets an answer: what is asked there, and the port.
    """
    entry = None if user is None else pwd.getpwnam(user)
    asked = {
        "ports": sorted(numbers),
        "doors": dict(doors or {}),
        "sockets": [*sockets()] if user else [],
        "user": entry and [entry.pw_uid, entry.pw_gid],
        "processes": [one.pid for one in psutil.Process().children(recursive=True)] if user else [],
    }
    said = subprocess.run(
        [sys.executable, "-c", STRANGER, json.dumps(asked)],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        # Another user has none of this one's settings, but has to find the libraries.
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
    )
    who, found = json.loads(said.stdout.splitlines()[-1])
    assert who == (os.getuid() if entry is None else entry.pw_uid)
    return dict(found)


OTHER_USER = "nobody"
UNIX_SOCKETS = pytest.mark.skipif(
    tuple(map(int, pyspark.__version__.split(".")[:2])) < (4, 1),
    reason="PySpark before 4.1 knows no Unix sockets: its daemon listens at a port",
)


@pytest.fixture(scope="module")
def doors() -> Iterator[dict[str, int]]:
    """What somebody else on this host is told by a cluster that answers anyone."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    options = {"n_workers": 0, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with LocalCluster(**options) as cluster:
        protocol = int(cluster.scheduler_address.rpartition(":")[2])
        pages = cluster.scheduler.http_server.port
        said = {f"{protocol} plain": protocol, f"{protocol} greeting": protocol}
        yield said | {f"{pages}/info/main/workers.html": pages}


def endless() -> Iterator[int]:
    number = 0
    while True:
        yield (number := number + 1)


def test_an_own_dask_cluster_answers_nobody_else(before: set[int]) -> None:
    with load_backend("dask", workers=2) as backend:
        assert len(set(islice(backend.map(abs, endless()), 4))) == 4
        opened = {port: host for port, host in ports().items() if port not in before}
        assert len(opened) >= 3 and set(opened.values()) == {"127.0.0.1"}
        assert answers(set(opened)) == {}


@UNIX_SOCKETS
def test_an_own_spark_session_answers_nobody_else(before: set[int]) -> None:
    with load_backend("spark", workers=2) as backend:
        assert len(set(islice(backend.map(abs, endless()), 4))) == 4
        opened = {port: host for port, host in ports().items() if port not in before}
        assert opened and {host.removeprefix("::ffff:") for host in opened.values()} == {
            "127.0.0.1"
        }
        assert answers(set(opened)) == {}
        lines = []
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                lines.append(process.cmdline())
        assert {one.name() for one, at in listening("tcp") if at.port in opened} == {"java"}
        folders = {Path(one).parent for one in sockets()}
        assert [stat.S_IMODE(one.stat().st_mode) for one in folders] == [0o700]
        settings = [one for line in lines for one in line if "authenticate" in one]
        assert set(settings) == {"spark.authenticate=true"}  # and no secret for all to read
    assert not any(one.exists() for one in folders)


@pytest.mark.parametrize("name", ["dask", pytest.param("spark", marks=UNIX_SOCKETS)])
def test_another_user_of_the_host_gets_nothing_from_an_own_cluster(
    name: str, doors: dict[str, int], before: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "OfTheEnvironment")
    with load_backend(name, workers=2) as backend:
        assert len(set(islice(backend.map(abs, endless()), 4))) == 4
        assert (opened := set(ports()) - before)
        assert answers(opened, OTHER_USER, doors).keys() == doors.keys()
