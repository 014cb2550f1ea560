"""Another user of this machine can connect to the ports of an own cluster, and gets nothing there."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from threading import Thread
from typing import Any

import psutil
import pytest

from landcover.plugins import load_backend

# What a user without the secrets of the cluster tries at each port: Dask's protocol without and with a
# certificate of one's own, the pages of Dask and Spark, and the messages of Spark.
STRANGER = r"""
import asyncio, json, socket, sys, urllib.request
from concurrent.futures import ThreadPoolExecutor
from distributed.core import connect
from distributed.protocol import Serialize
from distributed.security import Security

async def dask(address, **how):
    comm = await asyncio.wait_for(connect(address, timeout=3, **how), 4)
    await comm.write({"op": "identity", "reply": True})
    return await asyncio.wait_for(comm.read(), 4)

def gateway(port):
    # The door of Spark's Java to Python: a property of the machine, without the secret.
    with socket.create_connection(("127.0.0.1", port), 3) as door:
        door.settimeout(3)
        door.sendall(b"c\nz:java.lang.System\ngetProperty\nsuser.home\ne\n")
        said = door.makefile().readline()
    return said if said.startswith("!y") else None

def opened(path):
    with open(path, "rb") as file:
        return file.read(100) or None

def page(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=3) as found:
        return found.read().decode()

def tried(ask):
    try:
        return ask()
    except BaseException as error:
        return None

PAGES = ["/", "/health", "/info/main/workers.html", "/json/identity.json", "/metrics", "/api/v1/applications"]
asks = {}
for port in json.loads(sys.argv[1]):
    own = Security.temporary().get_connection_args("client")
    asks[f"{port} plain"] = lambda p=port: asyncio.run(dask(f"tcp://127.0.0.1:{p}"))
    asks[f"{port} own certificate"] = lambda p=port, o=own: asyncio.run(dask(f"tls://127.0.0.1:{p}", **o))
    asks[f"{port} gateway"] = lambda p=port: gateway(p)
    for path in PAGES:
        asks[f"{port}{path}"] = lambda p=port, path=path: page(p, path)
for number in json.loads(sys.argv[2]):
    for what in ("environ", "mem", "fd/0", "maps"):
        asks[f"/proc/{number}/{what}"] = lambda p=f"/proc/{number}/{what}": opened(p)
with ThreadPoolExecutor(64) as pool:
    got = dict(zip(asks, pool.map(tried, asks.values())))
print(json.dumps({what: repr(answer)[:80] for what, answer in got.items() if answer is not None}))
"""


def ports() -> dict[int, str]:
    """The ports at which this process and those below it listen, and where."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = {}
    for process in family:
        if process.status() == psutil.STATUS_ZOMBIE:
            continue
        for connection in process.net_connections():
            if connection.status == "LISTEN":
                found[connection.laddr.port] = connection.laddr.ip
    return found


@pytest.fixture
def before() -> set[int]:
    return set(ports())


def answers(numbers: set[int], user: str | None = None) -> dict[str, str]:
    """What somebody gets at ports who has no secret of the cluster.

    Args:
        numbers: of the ports.
        user: who asks, which only root may say; that one asks the processes as well. None: this user.
    """
    told = {} if user is None else _as(user)
    processes = [one.pid for one in psutil.Process().children(recursive=True)] if user else []
    said = subprocess.run(
        [sys.executable, "-c", STRANGER, json.dumps(sorted(numbers)), json.dumps(processes)],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        **told,
    )
    found: dict[str, str] = json.loads(said.stdout.splitlines()[-1])
    return found


def _as(user: str) -> dict[str, Any]:
    entry = pwd.getpwnam(user)
    # Another user has none of this one's settings, but has to find the libraries.
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "env": kept}


OTHER_USER = "nobody"


@pytest.fixture
def other_user() -> str:
    """Somebody else on this host, who can run Python and gets an answer where there is one."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    probe = [sys.executable, "-c", "import distributed"]
    try:
        subprocess.run(probe, capture_output=True, check=True, cwd="/", **_as(OTHER_USER))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"{OTHER_USER} may not read this Python and its libraries")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.RequestHandlerClass.do_GET = lambda self: self.send_response(200)
        Thread(target=server.serve_forever, daemon=True).start()
        assert answers({server.server_port}, OTHER_USER)
        server.shutdown()
    return OTHER_USER


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
        family = psutil.Process().children(recursive=True)
        lines = [one.cmdline() for one in family if one.status() != psutil.STATUS_ZOMBIE]
        settings = [one for line in lines for one in line if "authenticate" in one]
        assert set(settings) == {"spark.authenticate=true"}  # and no secret for all to read


@pytest.mark.parametrize("name", ["dask", "spark"])
def test_another_user_of_the_host_gets_nothing_from_an_own_cluster(
    name: str, before: set[int], other_user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "OfTheEnvironment")
    with load_backend(name, workers=2) as backend:
        assert len(set(islice(backend.map(abs, endless()), 4))) == 4
        assert (opened := {port for port in ports() if port not in before})
        assert answers(opened, other_user) == {}
