"""Another user of this machine can connect to the ports of an own cluster, and gets nothing there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice

import psutil
import pytest

from landcover.plugins import load_backend

# What a user without the secrets of the cluster tries at each port: Dask's protocol without and with a
# certificate of one's own, the pages of Dask and Spark, and the messages of Spark.
STRANGER = """
import asyncio, json, sys, urllib.request
from concurrent.futures import ThreadPoolExecutor
from distributed.core import connect
from distributed.protocol import Serialize
from distributed.security import Security

async def dask(address, **how):
    comm = await asyncio.wait_for(connect(address, timeout=3, **how), 4)
    await comm.write({"op": "identity", "reply": True})
    return await asyncio.wait_for(comm.read(), 4)

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
    for path in PAGES:
        asks[f"{port}{path}"] = lambda p=port, path=path: page(p, path)
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


def answers(numbers: set[int]) -> dict[str, str]:
    said = subprocess.run(
        [sys.executable, "-c", STRANGER, json.dumps(sorted(numbers))],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(said.stdout.splitlines()[-1])
    return found


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
