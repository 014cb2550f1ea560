"""Another user of this machine can connect to the ports of an own cluster, and gets nothing there."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import psutil
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

async def dask(address, **how):
    comm = await asyncio.wait_for(connect(address, timeout=SECONDS, **how), SECONDS + 1)
    await comm.write({"op": "identity", "reply": True})
    return await asyncio.wait_for(comm.read(), SECONDS)

def gateway(port):
    # The door of Spark's Java to Python: a property of the machine, without the secret.
    with socket.create_connection(("127.0.0.1", port), SECONDS) as door:
        door.settimeout(SECONDS)
        door.sendall(b"c\nz:java.lang.System\ngetProperty\nsuser.home\ne\n")
        said = door.makefile().readline()
    return said if said.startswith("!y") else None

def opened(path):
    with open(path, "rb") as file:
        return file.read(100) or None

def page(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS) as found:
        return found.read().decode()

def tried(ask):
    try:
        return ask()
    except BaseException as error:
        return None

def asked(ports, processes):
    asks = {}
    for port in ports:
        own = Security.temporary().get_connection_args("client")
        asks[f"{port} plain"] = lambda p=port: asyncio.run(dask(f"tcp://127.0.0.1:{p}"))
        asks[f"{port} own certificate"] = lambda p=port, o=own: asyncio.run(dask(f"tls://127.0.0.1:{p}", **o))
        asks[f"{port} gateway"] = lambda p=port: gateway(p)
        for path in PAGES:
            asks[f"{port}{path}"] = lambda p=port, path=path: page(p, path)
    for number in processes:
        for what in ("environ", "mem", "fd/0", "maps"):
            asks[f"/proc/{number}/{what}"] = lambda p=f"/proc/{number}/{what}": opened(p)
    with ThreadPoolExecutor(64) as pool:
        got = dict(zip(asks, pool.map(tried, asks.values())))
    return {what: repr(answer)[:80] for what, answer in got.items() if answer is not None}

PAGES = ["/", "/health", "/info/main/workers.html", "/json/identity.json", "/metrics", "/api/v1/applications"]
told = json.loads(sys.argv[1])
SECONDS = told["seconds"]
if told["user"]:
    asked(told["known"], [])  # what is imported late, is imported now
    os.setgroups([])
    os.setgid(told["user"][1])
    os.setuid(told["user"][0])
print(json.dumps([os.getuid(), asked(told["ports"], told["processes"])]))
"""


def ports() -> dict[int, str]:
    """The ports at which this process and those below it listen, and where."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = {}
    for process in family:
        with suppress(psutil.NoSuchProcess):  # one that has ended meanwhile listens no more
            for connection in process.net_connections():
                if connection.status == "LISTEN":
                    found[connection.laddr.port] = connection.laddr.ip
    return found


@pytest.fixture
def before() -> set[int]:
    return set(ports())


def answers(
    numbers: set[int], user: str | None = None, known: set[int] | None = None
) -> dict[str, str]:
    """What somebody gets at ports who has no secret of the cluster.

    Args:
        numbers: of the ports.
        user: who asks, which only root may say; that one asks the processes as well. None: this user.
        known: ports where anyone gets an answer.
    """
    entry = None if user is None else pwd.getpwnam(user)
    asked = {
        "ports": sorted(numbers),
        "known": sorted(known or ()),
        "seconds": 60 if numbers == known else 4,  # who answers, may be busy; who does not, hangs
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


@pytest.fixture
def other_user() -> Iterator[tuple[str, set[int]]]:
    """Somebody else on this host, and ports of a cluster that answers anyone, as this one gets to know."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    options = {"n_workers": 0, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with LocalCluster(**options) as cluster:
        doors = (
            int(cluster.scheduler_address.rpartition(":")[2]),
            cluster.scheduler.http_server.port,
        )
        found = answers({*doors}, OTHER_USER, {*doors})
        assert {f"{doors[0]} plain", f"{doors[1]}/info/main/workers.html"} <= found.keys()
        yield OTHER_USER, {*doors}


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
        settings = [one for line in lines for one in line if "authenticate" in one]
        assert set(settings) == {"spark.authenticate=true"}  # and no secret for all to read


@pytest.mark.parametrize("name", ["dask", "spark"])
def test_another_user_of_the_host_gets_nothing_from_an_own_cluster(
    name: str,
    before: set[int],
    other_user: tuple[str, set[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user, known = other_user
    monkeypatch.setenv("AZURE_STORAGE_KEY", "OfTheEnvironment")
    with load_backend(name, workers=2) as backend:
        assert len(set(islice(backend.map(abs, endless()), 4))) == 4
        assert (opened := {port for port in ports() if port not in before | known})
        assert answers(opened, user, known) == {}
