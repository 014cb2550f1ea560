"""Faults of the commit protocol: what makes a run exactly-once and resumable, in the simulated world."""

from __future__ import annotations

from mutants.faults import planted

_SIMULATION = "tests/simulation/test_short.py"
_BESIDE = """\
    for kind, content in beside.items():
        run.storage.put(run.part(kind, part.index, counts.mark), content)
"""
_TABLE = """\
    name, table = run.part("tiles", part.index), tiles_table(part, counts, run.scheme)
"""

FILES = planted(
    "landcover/local_files.py",
    f"tests/runs/test_directory.py {_SIMULATION}",
    (
        "the rename is left out",
        "        write_checked(temporary, chunks)\n        temporary.replace(path)\n",
        "        write_checked(path, chunks)\n",
    ),
    (
        "names are not flushed",
        "        temporary.replace(path)\n        flush_folder(path.parent)\n\n",
        "        temporary.replace(path)\n\n",
    ),
    (
        "content is not flushed before it gets its name",
        "        os.fsync(file.fileno())  # else a power cut may leave a name without content\n",
        "",
    ),
    ("nothing is read back", "    if found != meant:", "    if found is None:"),
    (
        "the name of a part is not flushed",
        "    flush_folder(path.parent)\n    return True\n",
        "    return True\n",
        "a part that is lost is done again, and run.json's own name is flushed after those of all parts",
    ),
    (
        "the last of two copies of a task wins",
        "        path.hardlink_to(temporary)\n",
        "        temporary.replace(path)\n",
    ),
)

# That who was replaced writes nothing is seen where what it writes is another run's; worlds have one.
STORAGE = planted(
    "landcover/runs/storage.py",
    f"tests/runs/test_fence.py {_SIMULATION}",
    (
        "who was replaced goes on writing",
        '        if not held:\n            reason = (\n                "another run',
        '        if held is None:\n            reason = (\n                "another run',
    ),
    (
        "what was killed half-way stays",
        '                for path in Path(self.where(folder)).glob(f"{TEMPORARY}*"):',
        "                for path in ():",
    ),
    (
        "what another worker removes must be there",
        "else path.unlink(missing_ok=True)\n",
        "else path.unlink()\n",
    ),
)

PARTS = planted(
    "landcover/runs/parts.py",
    f"tests/runs/test_parts.py {_SIMULATION}",
    (
        "the table comes before what lies beside it",
        _BESIDE + _TABLE + "    if not run.storage.put_new(name, table):\n",
        _TABLE + "    fresh = run.storage.put_new(name, table)\n" + _BESIDE + "    if not fresh:\n",
    ),
    (
        "a part is written over that of another copy",
        "    if not run.storage.put_new(name, table):\n",
        "    run.storage.put(name, table)\n    if not table:\n",
    ),
    (
        "what is done again keeps its table",
        '    run.storage.remove(run.part("tiles", index))  # without its tiles, the task is not done\n',
        "",
    ),
    (
        "what belongs to a table is swept away",
        "                if counts is None or counts.mark != mark:\n",
        "                if counts is None or counts.mark == mark:\n",
    ),
)

DIRECTORY = planted(
    "landcover/runs/claiming.py",
    _SIMULATION,
    (
        "what was seen before the lock was taken is believed",
        "        if looked is not None and looked_at(path) != looked:\n",
        "        if looked is None:\n",
    ),
    (
        "folders come before run.json",
        "        started = _started(run, whole, extended)\n",
        '        started = _started(run, whole, extended)\n        run.storage.prepare("tiles")\n',
    ),
)

LOCK = planted(
    "landcover/runs/lock.py",
    f"tests/runs/test_lock.py {_SIMULATION}",
    (
        "runs of one process are not kept apart",
        "        if name in _held:\n",
        "        if name in ():\n",
    ),
    (
        "the lock is not renewed",
        '                storage.put(LOCK, f"{mark} {count}".encode())\n',
        "                pass\n",
    ),
    (
        "nobody waits for a sign of life",
        "        _wait_for_silence(storage, beat)\n        storage.put(LOCK, first)\n",
        "        storage.put(LOCK, first)\n",
    ),
)

TASKS = planted(
    "landcover/scoring/tasks.py",
    _SIMULATION,
    (
        "what may be tried again is not",
        "return counts is not None and not counts.retryable and counts.digest == task.digest",
        "return counts is not None and counts.digest == task.digest",
    ),
)

EXECUTION = planted(
    "landcover/scoring/execution.py",
    _SIMULATION,
    (
        "withdrawn parts stay",
        "        totals.drop(index)\n        remove_part(job.run, index)\n",
        "        totals.drop(index)\n",
    ),
)

# What was never planted before: of each the tests that are nearest.
TAKING_OVER = planted(
    "landcover/runs/claiming.py",
    "tests/runs/test_fence.py",
    (
        "a run is claimed without its lock's token",
        "        run = replace(run, token=token)\n",
        '        run = replace(run, token="")\n',
    ),
    (
        "a run is erased without its lock's token",
        "        storage = Storage(path, token)\n",
        "        storage = Storage(path)\n",
    ),
)

ERASING = planted(
    "landcover/runs/claiming.py",
    "tests/runs/test_directory.py tests/runs/test_failing_writes.py",
    (
        "an erased run says so before its parts are gone",
        '        for folder in (*SUFFIX, "maps"):\n',
        '        left = {"status": _ERASED, "classes": found["classes"]}\n        storage.put(MANIFEST, json.dumps(left).encode())\n        for folder in (*SUFFIX, "maps"):\n',
    ),
    (
        "what was half-written is not swept at the start",
        '            run.storage.sweep("", "tiles", "quarantine", "pixels", "maps")\n',
        "",
    ),
    (
        "names of before are not waited for",
        '            run.storage.settle_names("", "tiles", "quarantine", "pixels")\n',
        "",
        "run.json is flushed with its folder just before, and journals keep the order of names",
    ),
)

BEHIND_URLS = planted(
    "landcover/runs/storage.py",
    "tests/runs/test_fence.py",
    (
        "a lock that is gone is held",
        "            held = self.local is not None  #",
        "            held = True  #",
    ),
    (
        "who was replaced removes files",
        "            elif self.exists(name):\n                self._check_held()\n",
        "            elif self.exists(name):\n",
    ),
    (
        "who was replaced removes folders",
        "            elif self.names(folder):\n                self._check_held()\n",
        "            elif self.names(folder):\n",
    ),
    (
        "who was replaced removes everything",
        '        with self._writing(""):\n            self._check_held()\n',
        '        with self._writing(""):\n',
    ),
    (
        "who was replaced sends new parts",
        "        self._check_held()\n        try:\n",
        "        try:\n",
    ),
    (
        "who was replaced while a map was made writes it",
        "        yield from chunks\n        self._check_held()\n",
        "        yield from chunks\n",
    ),
    ("everything is removed, and the lock too", "- {self._key(LOCK)}\n", "- set()\n"),
    (
        "of a large file nobody looks what arrived",
        "            self._filesystem.put_file(str(path), self._key(name))\n        self._check_size(name, size)\n",
        "            self._filesystem.put_file(str(path), self._key(name))\n",
    ),
    (
        "of a new file nobody looks what arrived",
        "            return self.read(name) == content\n        self._check_size(name, len(content))\n",
        "            return self.read(name) == content\n",
    ),
    (
        "of a file nobody looks what arrived",
        "            self._filesystem.pipe_file(self._key(name), content)\n            self._check_size(name, len(content))\n",
        "            self._filesystem.pipe_file(self._key(name), content)\n",
    ),
    (
        "a removal whose answer was lost has failed",
        "                with suppress(FileNotFoundError):  # the answer",
        "                with suppress(ZeroDivisionError):  # the answer",
    ),
)

SMALL_FILES = planted(
    "landcover/runs/storage.py",
    "tests/runs/test_failing_writes.py",
    ("many small files are not waited for", "            os.sync()\n", "            pass\n"),
    (
        "small files are written in place",
        "                temporary.write_bytes(content)\n                temporary.replace(path)\n",
        "                path.write_bytes(content)\n",
    ),
)

WRITING_PARTS = planted(
    "landcover/runs/parts.py",
    f"tests/runs/test_parts.py {_SIMULATION}",
    (
        "a late copy removes what the first one set aside",
        "            if first.mark != counts.mark:\n",
        "            if first.mark:\n",
    ),
    (
        "a table that is damaged stays",
        "        run.storage.put(name, table)  # what is there is damaged, or of other inputs\n",
        "",
    ),
    (
        "what lies beside goes before the table",
        '    run.storage.remove(run.part("tiles", index))  # without its tiles, the task is not done\n    if counts is not None:\n        _remove_beside(run, index, counts.mark)\n',
        '    if counts is not None:\n        _remove_beside(run, index, counts.mark)\n    run.storage.remove(run.part("tiles", index))\n',
    ),
    (
        "a table does not say what belongs to it",
        "    counts = replace(part.counts, mark=_mark(beside))\n",
        "    counts = part.counts\n",
    ),
)

DRIVER = planted(
    "landcover/scoring/driver.py",
    _SIMULATION,
    (
        "what was seen before the lock is believed",
        '    how: dict[str, Any] = {"extended": extended, "looked": looked}',
        '    how: dict[str, Any] = {"extended": extended, "looked": None}',
    ),
)

LINKS = planted(
    "landcover/local_files.py",
    "tests/runs/test_directory.py tests/runs/test_failing_writes.py",
    (
        "without hard links the last of two copies wins",
        "        if path.exists():\n            return False\n        temporary.replace(path)\n",
        "        temporary.replace(path)\n",
    ),
    (
        "a file system without hard links is refused",
        "        if error.errno not in _NO_LINKS:\n            raise\n",
        "        raise\n",
    ),
    ("a quota that is used up has no remedy", "    errno.EDQUOT: _ROOM,\n", ""),
)

AFTERWARDS = [
    *planted(
        "landcover/runs/lock.py",
        "tests/runs/test_directory.py",
        (
            "a lock that is left over stays",
            "        if {LOCK, HOLDER} & {*storage.names()} or [*others()]:\n",
            "        if [*others()]:\n",
        ),
        (
            "what is left over is removed from under another command",
            "            with only_run(storage, beat) as token:\n                held = replace(storage, fence=token)\n",
            "            if storage:\n                held = storage\n",
        ),
        (
            "what may not be removed is an error",
            "    with suppress(LandcoverError, OSError):\n        if {",
            "    with suppress(ZeroDivisionError):\n        if {",
        ),
    ),
    *planted(
        "landcover/scoring/ended.py",
        "tests/scoring/test_asked_again.py",
        (
            "a run that is done leaves what the one before it left",
            "        forget_left_over(directory.storage)\n",
            "        pass\n",
        ),
    ),
]

HOLDING = planted(
    "landcover/runs/lock.py",
    "tests/runs/test_lock.py tests/runs/test_fence.py",
    (
        "a lock that cannot be closed ends the run",
        "        with suppress(OSError):  # nothing of a lock could be lost\n            file.close()\n",
        "        file.close()\n",
    ),
    (
        "the next one's token is that of the last",
        "    token = uuid.uuid4().hex\n    try:\n        path.unlink",
        "    token = str(path)\n    try:\n        path.unlink",
    ),
)

PUBLISHING = planted(
    "landcover/runs/vector_files.py",
    "tests/runs/test_vector_files.py",
    (
        "a file has its name before the disk holds it",
        "        os.fsync(handle)\n",
        "        pass\n",
    ),
    ("the name of a file is not flushed", "    flush_folder(path.parent)\n", ""),
    (
        "polygons are counted alone",
        "(found.count, found.total) != (meant.count, meant.total)",
        "found.count != meant.count",
    ),
    ("a file that has lost its CRS is whole", '        if not meta["crs"]:', "        if False:"),
)

# What is left where tasks, copies and inputs are gone.
LEFT_OVER = [
    *planted(
        "landcover/scoring/execution.py",
        "tests/scoring/test_extending.py tests/scoring/test_tasks.py",
        (
            "parts of no task stay",
            "    for index in tasks.no_more():\n        withdraw(index)\n",
            "    tasks.no_more()\n",
        ),
        (
            "parts of no task are not counted, and stay",
            "    for index in tasks.no_more():\n        withdraw(index)\n",
            "    for index in tasks.no_more():\n        totals.drop(index)\n",
        ),
        ("what belongs to no table stays", "    remove_strays(job.run)\n", ""),
        (
            "what comes home twice counts twice",
            "        elif tasks.came_home(result.index):\n",
            "        elif tasks.came_home(result.index) or True:\n",
        ),
    ),
    *planted(
        "landcover/runs/parts.py",
        "tests/runs/test_parts.py",
        ("what copies left half-written stays", '    run.storage.sweep("tiles", *_BESIDE)\n', ""),
        (
            "failures of a copy stay where no table names any",
            'if kind == "quarantine" or often[index] > 1:',
            "if often[index] > 1:",
        ),
        (
            "pixels of a copy stay",
            'if kind == "quarantine" or often[index] > 1:',
            'if kind == "quarantine":',
        ),
        (
            "the name of pixels is that of the failures beside them",
            'hashlib.blake2b(b"".join(beside.values()), digest_size=4)',
            "hashlib.blake2b(next(iter(beside.values())), digest_size=4)",
        ),
        (
            "a run that has lost a table is read",
            "    if found != scored:\n",
            "    if found is None:\n",
        ),
    ),
    *planted(
        "landcover/runs/maps/maker.py",
        "tests/runs/maps/test_mosaic.py tests/scoring/test_extending.py tests/scoring/test_dates.py",
        (
            "pieces of maps stay",
            "        storage.remove_folder(FOLDER)\n        storage.sweep",
            "        storage.sweep",
        ),
        (
            "what workers left half-written of maps stays",
            '        storage.sweep("", "maps")  # of workers that were killed meanwhile\n',
            "",
        ),
        (
            "maps of inputs that are gone stay",
            '        there |= {f"maps/{name}" for name in storage.names("maps") if name.endswith(_FORMS)}\n',
            "",
        ),
        (
            "the map of more inputs stays",
            "        there = {*storage.names()} & {MAP, INDEX}\n",
            "        there = set[str]()\n",
        ),
        (
            "pictures of maps that are gone stay",
            'for one in (name, f"{name}.aux.xml", f"{name[:-4]}.png"):',
            'for one in (name, f"{name}.aux.xml"):',
        ),
        (
            "what an index sees maps of other grids through is removed",
            '            kept |= {f"{name[:-4]}.vrt" for name in maps.files}\n',
            "            pass\n",
        ),
        (
            "what an index saw maps through stays without it",
            '        if any(name.endswith(".vrt") for name in kept):',
            "        if kept:",
        ),
    ),
    *planted(
        "landcover/runs/rearranging.py",
        "tests/runs/test_rearranging.py tests/scoring/test_extending.py",
        (
            "what lies beside is not moved",
            "    for kind in _BESIDE:\n        if (old, counts.mark)",
            "    for kind in ():\n        if (old, counts.mark)",
        ),
        (
            "a moved part says its former place",
            ", **counts.metadata(new)}",
            ", **counts.metadata(old)}",
        ),
    ),
    *planted(
        "landcover/local_files.py",
        "tests/runs/test_failing_writes.py",
        (
            "a folder that others write to is not removed",
            "    for last in (*[False] * 9, True):\n",
            "    for last in (True,):\n",
        ),
    ),
]

# What people are told of a run that ends early.
TOLD = [
    *planted(
        "landcover/runs/directory.py",
        "tests/runs/test_directory.py",
        (
            "a run that is gone is no run",
            "        self.check_there()\n        self.write(",
            "        self.write(",
        ),
    ),
    *planted(
        "landcover/scoring/execution.py",
        "tests/scoring/test_tasks.py",
        ("a run goes on where it is gone", "        job.run.check_there()\n", ""),
    ),
    *planted(
        "landcover/cli/main.py",
        "tests/cli/test_interruption.py",
        (
            "a signal after the last word ends a command otherwise",
            "    if own:\n        end_at_once(code)\n",
            "",
        ),
    ),
    *planted(
        "landcover/cli/signals.py",
        "tests/cli/test_interruption.py",
        (
            "a second signal is a first one outside of the block",
            "            if not (first.came and isinstance(handler, _First)):\n",
            "            if True:\n",
        ),
        (
            "a block leaves its handlers behind",
            "            if not (first.came and isinstance(handler, _First)):\n",
            "            if not (first.came or isinstance(handler, _First)):\n",
        ),
    ),
    *planted(
        "landcover/scoring/ended.py",
        "tests/scoring/test_tasks.py",
        (
            "what cannot be noted hides why a run has ended",
            "        with suppress(LandcoverError):  # the first",
            "        with suppress(ZeroDivisionError):  # the first",
        ),
    ),
    *planted(
        "landcover/backends/spark_sessions.py",
        "tests/backends/test_spark.py::test_a_java_vm_that_dies_ends_the_run_and_not_the_next_whose_own_ends_with_its_block",
        (
            "PySpark prints a trace of its own",
            "        session.sparkContext._accumulatorServer.handle_error = _note  # type: ignore[method-assign]\n",
            "",
        ),
    ),
]

# Whose a directory is, and what it is believed to be.
BELIEVED = [
    *planted(
        "landcover/runs/claiming.py",
        "tests/runs/test_failing_writes.py tests/runs/test_directory.py tests/scoring/test_extending.py",
        (
            "a done run is believed before the disk holds it",
            '    run.storage.settle_names("")  # else a run that says so may not be done after a power cut\n',
            "",
        ),
        (
            "an erased run goes on",
            '    if found.get("status") == _ERASED:\n        return None\n',
            "",
        ),
        (
            "whoever wrote run.json chooses what is removed",
            "if _A_MAP.fullmatch(name)]",
            "]",
        ),
    ),
    *planted(
        "landcover/scoring/driver.py",
        _SIMULATION,
        (
            "a run is done before its maps are there",
            "                summary |= write_outcome(",
            "                directory.finish(summary)\n                summary |= write_outcome(",
        ),
        (
            "another command's end is an error",
            "        with suppress(Overtaken):  # what",
            "        with suppress(ZeroDivisionError):  # what",
        ),
    ),
    *planted(
        "landcover/runs/lock.py",
        "tests/runs/test_lock.py tests/runs/test_failing_writes.py",
        (
            "where a store knows no new files the lock of another is written over",
            "    if _content(storage) or not storage.put_new(LOCK, first):\n",
            "    if not storage.put_new(LOCK, first):\n",
        ),
        (
            "a token that found no room is another's",
            '    except OSError:\n        token = ""\n',
            "    except OSError:\n        pass\n",
        ),
        (
            "a file system without locks is one on which another run writes",
            "        except (BlockingIOError, PermissionError):\n",
            "        except OSError:\n",
        ),
        (
            "the token stays",
            "        with suppress(OSError):\n            path.unlink(missing_ok=True)\n\n\n@contextmanager\ndef _heartbeat",
            "        pass\n\n\n@contextmanager\ndef _heartbeat",
        ),
    ),
    *planted(
        "landcover/runs/storage.py",
        "tests/runs/test_fence.py tests/runs/test_directory.py",
        (
            "a token that begins as another's is it",
            ".startswith(self.fence.encode())",
            ".startswith(self.fence.encode()[:1])",
        ),
        (
            "a folder that is a link is emptied",
            "            self._refuse_link(folder)\n            with self._writing(folder):",
            "            with self._writing(folder):",
        ),
    ),
]
