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
    _SIMULATION,
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
    _SIMULATION,
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
