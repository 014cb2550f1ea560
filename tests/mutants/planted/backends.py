"""Faults of backends, and of what workers and drivers send one another."""

from __future__ import annotations

from mutants.faults import planted

CLOSING = planted(
    "backends/closing.py",
    "tests/backends/test_local.py",
    (
        "what is under way goes on after the block",
        "                maps.callback(results.close)\n",
        "                pass\n",
    ),
    (
        "what is owned stays where closing fails",
        "        with self._owned, ExitStack() as maps:\n",
        "        with ExitStack() as maps:\n",
    ),
)

ENGINES = planted(
    "backends/closing.py",
    "tests/backends/test_spark.py::test_a_given_session_goes_on"
    " tests/backends/test_dask.py::test_workers_is_the_most_to_use_of_a_running_cluster"
    " tests/backends/test_dask.py::test_threads_that_use_a_backend_first_share_one_cluster",
    ("all there is may be used", "return min(there, self._workers or there)", "return there"),
    ("every thread has an engine", "        with self._opening:\n", "        if self._opening:\n"),
    (
        "threads that are told are passed over",
        "else self._threads or self._threads_there()",
        "else self._threads_there()",
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
        "        if others.items and max(len(one.refusals), one.strays) < _ATTEMPTS:\n",
        "        if False:\n",
    ),
    (
        "the same worker is asked again",
        "others = self._workers.others(one.refusals)",
        "others = Room(1, self._workers.fit())",
    ),
    ("a process works on several items", "    with _TURN:\n", "    if _TURN:\n"),
    ("who did it is not noted", "            self._workers.did(worker, one.refusals)\n", ""),
    (
        "a map that is done waits for room",
        "        wanted = max(room.items, idle) - len(waiting)\n",
        "        wanted = room.items - len(waiting)\n                idle = idle and room.items > 0\n",
    ),
)

DASK_WORKERS = planted(
    "backends/dask_workers.py",
    "tests/backends/test_dask.py",
    (
        "more workers than asked for",
        "        if self._limit is None:\n            most",
        "        if True:\n            most",
    ),
    (
        "a search is as long as nobody has answered",
        "self._limit - len(chosen) - searching\n",
        "self._limit - len(chosen)\n",
    ),
    (
        "what was refused goes to workers that are too many",
        "        return Room(min(1, len(left)), used or left, search=not used)\n",
        "        return Room(min(1, len(left)), left)\n",
    ),
    (
        "more items than workers are under way",
        "left = max(0, self._limit - under_way)",
        "left = 2 * self._limit",
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
    ("an own cluster lives on", "        self._owned.callback(_closed, cluster)\n", ""),
    (
        "a worker that dies again is given up",
        "                cluster = _KeptCluster(",
        "                cluster = LocalCluster(",
    ),
    (
        "a cluster that is slow to end takes what was done with it",
        "    except TimeoutError:  # of distributed",
        "    except ValueError:  # of distributed",
    ),
    (
        "two threads a worker",
        "threads_per_worker=1,",
        "threads_per_worker=2,",
        "items take turns in a process, so that its second thread only waits",
    ),
)

SPARK_WORKER = planted(
    "backends/spark_worker.py",
    "tests/backends/test_spark_scheduling.py tests/backends/test_spark.py",
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
    "tests/backends/test_spark_scheduling.py tests/backends/test_spark.py",
    (
        "an outcome counts twice",
        "elif one := self._running.get(news.job, {}).pop(news.place, None):",
        "elif one := self._running.get(news.job, {}).get(news.place, None):",
    ),
    (
        "a refusal ends the item",
        "if len(one.refused) >= min(ATTEMPTS, self._most or ATTEMPTS, self._most_slots):",
        "if True:",
    ),
    (
        "who refused an item gets it again",
        "self._left_out.union(one.refused, hosts if others else ())",
        "self._left_out.union(hosts if others else ())",
    ),
)

_OWN_DASK = "tests/backends/test_dask.py::TestOwnCluster"
_OWN_SPARK = "tests/backends/test_spark.py::TestLocalSession"
_CPUS = "tests/backends/test_cpus.py"

DASK_ITEMS = planted(
    "backends/dask_tasks.py",
    _OWN_DASK,
    ("whose workers died is not told", 'the last was {last}", died=True)', 'the last was {last}")'),
    (
        "what no worker can do has killed them",
        'in vain; {last}")',
        'in vain; {last}", died=True)',
    ),
    (
        "refusals are results",
        "            except WorkerUnfit as unfit:\n                one.refusals",
        "            except ZeroDivisionError as unfit:\n                one.refusals",
    ),
    (
        "items are pulled as they come",
        "islice(remaining, max(0, wanted))]",
        "islice(remaining, max(0, 10 * wanted))]",
    ),
)

DASK_SHARES = planted(
    "backends/dask.py",
    _CPUS,
    (
        "each worker has all CPUs",
        "self._threads or max(1, cpus // workers)",
        "self._threads or cpus",
    ),
    ("threads are not counted", "if self._threads else None", "if False else None"),
    ("a worker may have no CPU", "max(1, cpus // workers)", "cpus // workers"),
    (
        "threads that are told are passed over",
        "return workers, self._threads or max",
        "return workers, max",
    ),
)

DASK_OTHERS = planted(
    "backends/dask.py",
    "tests/backends/test_dask.py::test_workers_is_the_most_to_use_of_a_running_cluster"
    " tests/backends/test_dask.py::test_an_own_cluster_measures_nothing_for_a_dashboard_that_is_not_there"
    " tests/backends/test_private_clusters.py::test_an_own_dask_cluster_answers_nobody_else",
    (
        "an own cluster hands out all that it has",
        "None if self._own else self._workers",
        "self._workers",
        "tests cannot see what waits where; an item that kills its worker is still found",
    ),
    (
        "this process has the settings of its clusters",
        "            with dask.config.set(_OWN):\n",
        "            if dask.config.set(_OWN):\n",
    ),
    ("anybody may connect", "                    security=Security.temporary(),\n", ""),
)

DASK_RETURNING = planted(
    "backends/dask_workers.py",
    "tests/backends/test_dask.py::test_a_worker_that_died_is_waited_for_where_its_cluster_starts_it_again",
    (
        "a worker that is started again is not waited for",
        "        returning = len(self._alive) < self._kept\n",
        "        returning = False\n",
    ),
    (
        "workers that nobody starts again are waited for",
        "        returning = len(self._alive) < self._kept\n",
        "        returning = True\n",
    ),
    (
        "a worker that does not come back is waited for without end",
        "(self._patience if returning else _SOON)",
        '(float("inf") if returning else _SOON)',
    ),
)

DASK_OWN = planted(
    "backends/dask.py",
    "tests/backends/test_dask.py::test_what_one_worker_refuses_waits_for_another_of_an_own_cluster_that_has_died",
    (
        "nobody knows how many workers an own cluster keeps",
        "        kept = self._shape()[0] if self._own else 0\n",
        "        kept = 0\n",
    ),
)

SPARK_BEGINNING = [
    *planted(
        "backends/spark_jvm.py",
        "tests/backends/test_spark.py::test_a_java_vm_that_dies_while_its_session_begins_is_told",
        (
            "a Java VM that dies as it starts is a defect",
            "    except (PySparkRuntimeError, Py4JError, OSError) as error:\n",
            "    except PySparkRuntimeError as error:\n",
        ),
    ),
    *planted(
        "backends/spark_sessions.py",
        "tests/backends/test_spark.py::test_a_java_vm_that_dies_while_its_session_begins_is_told",
        (
            "a Java VM that dies in between is another Spark",
            "why_gone(answer) if _vm_gone(answer) else reason",
            "reason",
        ),
    ),
]

DASK_REFUSALS = planted(
    "backends/dask_workers.py",
    "tests/backends/test_dask.py::test_a_worker_that_fails_what_others_can_do_gets_no_more_items",
    (
        "each refusal is told",
        "            if unfit not in self._unfit:\n",
        "            if True:\n",
    ),
    (
        "who is unfit is told, and goes on",
        "                self._unfit[unfit] = reason\n",
        "                pass\n",
    ),
)

SPARK_NEIGHBOURS = planted(
    "backends/spark_map.py",
    "tests/backends/test_spark_scheduling.py::TestOneSession",
    (
        "what is left of a job is not done",
        "            for one in left:\n                self._start([one])\n",
        "            for one in left:\n                yield Lost(one.item, said, died=True)\n",
    ),
)

SPARK_ITEMS = planted(
    "backends/spark_map.py",
    _OWN_SPARK,
    (
        "whose workers died is not told",
        "yield Lost(left[0].item, reason, died=True)",
        "yield Lost(left[0].item, reason)",
    ),
    (
        "what no worker can do has killed them",
        'the last was worker {worker}: {reason}"\n    )',
        'the last was worker {worker}: {reason}", True\n    )',
    ),
    (
        "with a worker its host is unfit",
        "unfit = refuser if _host(refuser) in self._fit_hosts else _host(refuser)",
        "unfit = _host(refuser)",
    ),
    (
        "items are pulled as they come",
        "2 * slots + 4), 4 * slots + 8",
        "2 * slots + 4), 9 * slots + 99",
    ),
)

SPARK_JOBS = planted(
    "backends/spark_jobs.py",
    "tests/backends/test_spark.py::test_workers_without_landcover_are_told_apart " + _OWN_SPARK,
    (
        "why a job failed is not told",
        "self.home.put(Ended(work.job, error))",
        "self.home.put(Ended(work.job, None))",
    ),
    ("what is left goes on", "            self._cancel()\n            wait", "            wait"),
)

SPARK_SHARES = planted(
    "backends/spark.py",
    _CPUS,
    ("each worker has all CPUs", "max(1, cpus // self._workers)", "cpus"),
    (
        "as many workers as CPUs, whatever they compute with",
        "self._workers or max(1, cpus // threads), threads",
        "self._workers or cpus, threads",
    ),
)

SPARK_SESSIONS = planted(
    "backends/spark.py",
    "tests/backends/test_spark.py::test_a_given_session_goes_on"
    " tests/backends/test_spark.py::test_a_java_vm_that_dies_ends_the_run_and_not_the_next_whose_own_ends_with_its_block",
    ("cores are workers", 'f"local[{workers * threads},', 'f"local[{workers},'),
    (
        "a given session ends",
        'return self._given, "the given Spark session"',
        'return self._owned.enter_context(self._given), "the given Spark session"',
    ),
    ("a task has one CPU", "return self._engine().task_cpus()", "return 1"),
)

SPARK_SOCKETS = planted(
    "backends/spark_sessions.py",
    "tests/backends/test_private_clusters.py::test_an_own_spark_session_answers_nobody_else"
    " tests/backends/test_spark.py::test_a_folder_for_temporary_files_may_have_any_name",
    (
        "Python's workers are reached at a port",
        '"spark.python.unix.domain.socket.enabled": "true"',
        '"spark.python.unix.domain.socket.enabled": "false"',
    ),
    ("sockets lie below names too long", 'base = "/tmp"', "pass"),
)

SPARK_CLUSTER = planted(
    "backends/spark_sessions.py",
    "tests/backends/test_spark.py::test_a_given_session_goes_on"
    " tests/backends/test_spark.py::test_a_java_vm_that_dies_ends_the_run_and_not_the_next_whose_own_ends_with_its_block",
    (
        "what queries are split into are slots",
        "int(java.schedulerBackend().maxNumConcurrentTasks(profile))",
        "self.session.sparkContext.defaultParallelism",
    ),
    (
        "the environment keeps our Python",
        '            del os.environ["PYSPARK_PYTHON"]\n',
        "            pass\n",
    ),
)

APART = planted(
    "backends/apart.py",
    "tests/backends/test_apart.py",
    (
        "the dead process is asked again",
        "ended, self._child = self._child.end(), None",
        "ended = self._child.end()",
    ),
    ("whose process died is not told", '{ended}", died=True)', '{ended}")'),
    ("every item has a process", "            if self._child is None:\n", "            if True:\n"),
    (
        "what it cannot do ends the run",
        "            except WorkerUnfit as unfit:\n",
        "            except ZeroDivisionError as unfit:\n",
    ),
    ("signals are codes", "        if code < 0:\n", "        if False:\n"),
)
