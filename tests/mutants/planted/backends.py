"""Faults of backends, and of what workers and drivers send one another."""

from __future__ import annotations

from mutants.faults import planted

CLOSING = planted(
    "backends/closing.py",
    "tests/backends/test_local.py",
    (
        "what is under way goes on after the block",
        "            results.close()\n",
        "            pass\n",
    ),
)

LOCAL = planted(
    "backends/local.py",
    "tests/backends/test_local.py",
    ("all items are pulled at once", "lambda: 2 * self._workers", "lambda: 10**9"),
    (
        "what this worker cannot do ends the run",
        '        return Lost(item, f"{unfit}; there is no other worker")',
        "        raise",
    ),
    ("one worker whatever is asked", "self._workers = workers or _WORKERS", "self._workers = 1"),
    (
        "threads are workers",
        "self._threads = threads or usable_cpus()",
        "self._threads = workers or usable_cpus()",
    ),
)

THREADS = planted(
    "backends/threads.py",
    "tests/backends/test_threads.py tests/backends/test_local.py",
    (
        "waiting items are done after an error",
        "pool.shutdown(wait=False, cancel_futures=True)",
        "pool.shutdown(wait=False)",
    ),
    (
        "threads outlive their map",
        "            wait(running, timeout=0.5)\n        pool.shutdown()\n",
        "            break\n",
    ),
    ("nothing hurries what runs", "            cancel()\n", ""),
    (
        "an item more than the window allows",
        "for item in islice(remaining, max(0, window() - len(pending))):",
        "for item in islice(remaining, max(1, window() - len(pending))):",
    ),
    (
        "the last results are lost",
        "            if not pending:\n                return\n",
        "            if len(pending) < 2:\n                return\n",
    ),
)

SERIALIZATION = planted(
    "backends/serialization.py",
    "tests/backends/test_serialization.py",
    (
        "an exception that changes on its way",
        "                if (type(home), str(home)) == (type(error), str(error)):\n                    return packed\n",
        "                return packed\n",
    ),
    (
        "nobody says where it was raised",
        '            error.add_note("on the worker:\\n" + traceback.format_exc())\n',
        "",
    ),
    ("exceptions are results", "        if error is not None:\n            raise error\n", ""),
    ("attributes of exceptions are lost", "    vars(error).update(state)\n", ""),
    ("notes are lost in words", "            told.add_note(str(note))\n", "            pass\n"),
    (
        "an item that does not pickle is anonymous",
        'f"{thing!r} cannot be sent to a worker',
        'f"an item cannot be sent to a worker',
    ),
)

OPTIONS = planted(
    "backends/options.py",
    "tests/backends/test_local.py",
    ("0 is a count", "type(count) is not int or count < 1", "type(count) is not int or count < 0"),
    (
        "True is a count",
        "type(count) is not int or count < 1",
        "not isinstance(count, int) or count < 1",
    ),
)

DASK = planted(
    "backends/dask_tasks.py",
    "tests/backends/test_dask.py",
    (
        "an item that kills its worker is tried for ever",
        "        elif one.alone:\n",
        "        elif False:\n",
    ),
    ("an item beside one that kills is lost", "        elif one.alone:\n", "        elif True:\n"),
    (
        "what is suspect is dropped",
        "            self._suspects.append(one)\n",
        "            pass\n",
    ),
    (
        "a refusal ends the item",
        "        if others and max(len(one.refusals), one.strays) < _ATTEMPTS:\n",
        "        if False:\n",
    ),
    (
        "the same worker is asked again",
        "others = self._workers.others(one.refusals)",
        "others = self._workers.fit()",
    ),
    ("a process works on several items", "    with _TURN:\n", "    if _TURN:\n"),
    ("who did it is not noted", "            self._workers.did(worker, one.refusals)\n", ""),
)

DASK_WORKERS = planted(
    "backends/dask_workers.py",
    "tests/backends/test_dask.py",
    (
        "more workers than asked for",
        "        if self._limit is None or len(fit) <= self._limit:\n",
        "        if True:\n",
    ),
    (
        "unfit workers go on",
        "return [worker for worker in self._alive if worker not in self._unfit]",
        "return list(self._alive)",
    ),
    (
        "a cluster without workers is waited for without end",
        "        elif now - self._there > self._patience:\n",
        "        elif False:\n",
    ),
    ("as many as come may be under way", "_A_WORKER, _MORE = 2, 8", "_A_WORKER, _MORE = 200, 800"),
)

DASK_BACKEND = planted(
    "backends/dask.py",
    "tests/backends/test_dask.py",
    (
        "a given client is closed",
        "        if self._given is not None:\n            return self._given\n",
        "        if self._given is not None:\n            return self._owned.enter_context(self._given)\n",
    ),
    ("an own cluster lives on", "        self._owned.enter_context(cluster)\n", ""),
    (
        "two threads a worker",
        "threads_per_worker=1,",
        "threads_per_worker=2,",
        "items take turns in a process, so that its second thread only waits",
    ),
)

SPARK_WORKER = planted(
    "backends/spark_worker.py",
    "tests/backends/test_spark.py tests/backends/test_spark_scheduling.py",
    (
        "banned workers do the work",
        "        if not self.banned[place].isdisjoint((host, worker)):\n",
        "        if False:\n",
    ),
    (
        "outcomes of another place",
        "        packed = self.serializer.run(self.function, self.items[place])\n",
        "        packed = self.serializer.run(self.function, self.items[0])\n",
    ),
    ("mail is not delivered", "            self._deliver(outcome)\n", "            pass\n"),
)

SPARK_MAP = planted(
    "backends/spark_map.py",
    "tests/backends/test_spark.py tests/backends/test_spark_scheduling.py",
    (
        "an outcome counts twice",
        "elif one := self._running.get(news.job, {}).pop(news.place, None):",
        "elif one := self._running.get(news.job, {}).get(news.place, None):",
    ),
    (
        "a refusal ends the item",
        "if len(one.refused) >= min(ATTEMPTS, self._most or ATTEMPTS, self._cluster.slots()):",
        "if True:",
    ),
)
