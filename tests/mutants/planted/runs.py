"""Faults of a run directory: parts, storage, locks, fingerprints."""

from __future__ import annotations

from mutants.faults import planted

STATES = planted(
    "landcover/runs/directory.py",
    "tests/analysis/test_smoothing.py tests/analysis/test_change_runs.py",
    (
        "a run in the place of another is that one",
        "return hashlib.blake2b(content, digest_size=8).hexdigest()",
        'return ""',
    ),
)

COUNTS = planted(
    "landcover/runs/counts.py",
    "tests/runs/test_parts.py tests/runs/test_counts.py",
    ("True is a count", "type(number) is not int", "not isinstance(number, int)"),
    (
        "a store that fails has damaged the part",
        "    except StoreError:\n        raise  #",
        "    except ZeroDivisionError:\n        raise  #",
    ),
    (
        "a damaged part counts as done",
        '"%s is damaged, its task is done again: %s", name, error)\n        return None\n',
        "\"%s is damaged, its task is done again: %s\", name, error)\n        return Counts(0, 0, 0, 0, '')\n",
    ),
)

TABLES = planted(
    "landcover/runs/tables.py",
    "tests/runs/test_parts.py tests/scoring/test_undefined.py",
    (
        "codes are indices",
        '"code": pa.array(codes[part.labels])',
        '"code": pa.array(np.asarray(part.labels, np.int32))',
    ),
    (
        "labels in the order of codes",
        "names[part.labels]",
        "names[np.argsort(np.argsort(codes))][part.labels]",
    ),
    ("tiles may get lost", "if ended != self.planned:", "if ended > self.planned:"),
    (
        "all failures are retryable",
        "sum(one.retryable for one in self.failures)",
        "len(self.failures)",
    ),
    (
        "probabilities a column short",
        "np.arange(0, values.size + 1, max(values.shape[-1], 1), dtype=np.int32)",
        "np.arange(0, values.size + 1, max(values.shape[-1] - 1, 1), dtype=np.int32)",
    ),
    (
        "rows in 16 bits",
        'pa.field(name, pa.int32()) for name in ("row", "col")',
        'pa.field(name, pa.int16()) for name in ("row", "col")',
    ),
    (
        "row and column exchanged",
        '"row": [tile.row for tile in tiles],',
        '"row": [tile.col for tile in tiles],',
    ),
    (
        "the reason is another tile's",
        "pa.array([redacted(failure.reason) for failure in part.failures], pa.string())",
        "pa.array([redacted(failure.reason) for failure in reversed(part.failures)], pa.string())",
    ),
    (
        "undefined pixels are not counted",
        "undefined = 0 if self.undefined is None else int(self.undefined.sum())",
        "undefined = 0",
    ),
    (
        "scores are cut to 8 bits",
        "pa.array(np.asarray(part.scores, np.float32))",
        "pa.array(np.asarray(np.round(part.scores, 2), np.float32))",
    ),
    (
        "undefined pixels are not in the table",
        '        more["undefined_pixels"] = pa.array(np.asarray(part.undefined, np.int32))',
        "        pass",
    ),
)

PARTS = planted(
    "landcover/runs/parts.py",
    "tests/runs/test_parts.py",
    (
        "tiles before quarantine and pixels",
        "    for kind, content in beside.items():\n",
        '    run.storage.put(\n        run.part("tiles", part.index), tiles_table(part, counts, run.scheme)\n    )\n    for kind, content in beside.items():\n',
    ),
    (
        "a late copy replaces the part",
        "    if not run.storage.put_new(name, table):\n",
        "    run.storage.put(name, table)\n    if False:\n",
    ),
    (
        "what a late copy has set aside stays",
        "                _remove_beside(run, part.index, counts.mark)\n",
        "                pass\n",
    ),
    (
        "a part of other inputs stays",
        "counts is not None and counts.digest == part.digest else None",
        "counts is not None else None",
    ),
    (
        "what attempts that were killed set aside stays",
        "                    run.storage.remove(run.part(kind, index, mark))\n",
        "                    pass\n",
    ),
    (
        "what lies beside a removed part stays",
        "        _remove_beside(run, index, counts.mark)\n",
        "        pass\n",
    ),
    (
        "the pixels of a removed part stay",
        '_BESIDE: tuple[Kind, ...] = ("quarantine", "pixels")',
        '_BESIDE: tuple[Kind, ...] = ("quarantine",)',
    ),
    (
        "marks are of quarantine alone",
        'b"".join(beside.values())',
        'beside.get("quarantine", b"")',
    ),
)

PART_TABLES = planted(
    "landcover/runs/part_tables.py",
    "tests/runs/test_parts.py tests/runs/test_part_tables.py",
    ("columns that were not asked for", "return file.whole(columns)", "return file.whole()"),
    ("codes of no class", "if places.null_count:", "if False:"),
    ("scores of any size", "    _check_labels(table, scheme)\n", ""),
    (
        "outlines anywhere",
        '        _check_outlines(table["geometry"], sides)\n',
        "        pass\n",
    ),
    ("rows of quarantine by the thousand", "if file.rows != rows:", "if file.rows < rows:"),
)

PIXELS = planted(
    "landcover/runs/pixels.py",
    "tests/runs/test_parts.py tests/runs/maps/test_mosaic.py tests/runs/maps/test_overviews.py",
    ("row and column exchanged", "ROW=block.row, COL=block.col", "ROW=block.col, COL=block.row"),
    (
        "padded by the column above",
        "above, beside = block.row % BLOCK, block.col % BLOCK",
        "above, beside = block.col % BLOCK, block.row % BLOCK",
    ),
    ("padding is class 0", "constant_values=scheme.nodata", "constant_values=0"),
    ("the file does not say what nodata is", '        "nodata": scheme.nodata,\n', ""),
    (
        "the file lies where its first pixel is",
        "Affine(a, b, c - a * beside, d, e, f - e * above)",
        "Affine(a, b, c, d, e, f)",
    ),
    (
        "the area ends a row early",
        "area = Area(row, top * BLOCK + file.height,",
        "area = Area(row, top * BLOCK + file.height - 1,",
    ),
    (
        "the area is as wide as the file",
        "col, left * BLOCK + file.width)",
        "col, col + file.width)",
    ),
    (
        "blocks are found by the other axis",
        "place_of(file, y - top, x - left)",
        "place_of(file, x - left, y - top)",
    ),
    (
        "codes in bytes, always",
        "block.values.astype(scheme.dtype, copy=False)",
        "block.values.astype('uint8', copy=False)",
    ),
)

STORAGE = planted(
    "landcover/runs/storage.py",
    "tests/runs/test_directory.py tests/runs/test_failing_writes.py tests/runs/test_parts.py",
    (
        "a new file takes the place of one that is there",
        "                return linked(temporary, path)",
        "                temporary.replace(path)\n                return True",
    ),
    (
        "behind a URL a new file takes the place of one that is there",
        'content, mode="create")',
        "content)",
    ),
    (
        "what was half written stays",
        "                    remove_tree(path) if folded else path.unlink(missing_ok=True)",
        "                    pass",
    ),
    (
        "a listing from memory",
        "            self._filesystem.invalidate_cache()\n            paths =",
        "            paths =",
    ),
    (
        "names in the order of the disk",
        "return sorted(entry.name for entry in os.scandir(self.local / folder))",
        "return [entry.name for entry in os.scandir(self.local / folder)]",
    ),
    ("secrets in the URL of the output are taken", "        refuse_secrets(root)\n", ""),
    (
        "errors of the disk come as they are",
        '            raise OutputError(self.where(name), f"cannot be written: {_told(error)}") from error',
        "            raise",
    ),
    (
        "an output that is a link is followed",
        "        if not self.local or not (self.local / folder).is_symlink():\n",
        "        if not folder or not self.local or not (self.local / folder).is_symlink():\n",
    ),
)

LOCAL_FILES = planted(
    "landcover/local_files.py",
    "tests/runs/test_directory.py tests/runs/test_failing_writes.py tests/runs/test_parts.py",
    ("no fsync of the folder", "        flush_folder(path.parent)\n", ""),
    (
        "the folder is flushed before it has the name",
        "        temporary.replace(path)\n        flush_folder(path.parent)",
        "        flush_folder(path.parent)\n        temporary.replace(path)",
    ),
    (
        "the name before the content",
        "        write_checked(temporary, chunks)\n        temporary.replace(path)\n",
        "        temporary.touch()\n        temporary.replace(path)\n        write_checked(path, chunks)\n",
    ),
    (
        "written in place",
        "    with neighbour(path) as temporary:\n        write_checked(temporary, chunks)\n        temporary.replace(path)\n",
        "    with neighbour(path):\n        write_checked(path, chunks)\n",
    ),
    (
        "fsync before the bytes have left Python",
        "        file.flush()\n        os.fsync(file.fileno())",
        "        os.fsync(file.fileno())",
    ),
    ("what is read back is not looked at", "    if found != meant:\n", "    if False:\n"),
    (
        "the first chunk alone is looked at",
        "        while chunk := file.read(_CHUNK):\n",
        "        if chunk := file.read(_CHUNK):\n",
    ),
    (
        "a failed write leaves a file behind",
        "        temporary.unlink(missing_ok=True)\n",
        "        pass\n",
    ),
    (
        "what cannot be removed is passed over",
        "            if last or error.errno not in (errno.ENOENT, errno.ENOTEMPTY):\n",
        "            if last and error.errno is None:\n",
    ),
    (
        "an error of the folder's flush is passed over",
        "        if error.errno not in (errno.EINVAL, errno.ENOTSUP):\n            raise\n",
        "        pass\n",
    ),
    ("temporary files look like parts", 'TEMPORARY = ".writing-"', 'TEMPORARY = "part-"'),
)

FENCE = planted(
    "landcover/runs/storage.py",
    "tests/runs/test_fence.py",
    ("who was replaced goes on writing", "        if not held:\n", "        if False:\n"),
    (
        "in local directories nobody looks who holds them",
        "            if self.local is not None:\n                self._check_held()\n            yield\n",
        "            yield\n",
    ),
    (
        "bytes that did not arrive are not missed",
        "        if (stored := self._filesystem.size(self._key(name))) != size:",
        "        if (stored := self._filesystem.size(self._key(name))) > size:",
    ),
    (
        "a write whose answer was lost has failed",
        "            return self.read(name) == content\n",
        "            return False\n",
    ),
)

HOLDER = planted(
    "landcover/runs/lock.py",
    "tests/runs/test_fence.py",
    (
        "nobody is told who holds a local directory",
        "        write_checked(path, [token.encode()])\n",
        "        pass\n",
    ),
)

LOCK = planted(
    "landcover/runs/lock.py",
    "tests/runs/test_lock.py tests/runs/test_directory.py",
    (
        "no lock of the system",
        "            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "",
    ),
    (
        "a lock that others may share",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
    ),
    (
        "a lock on a file that was removed counts",
        "            if not path.exists() or not os.path.samestat(os.fstat(handle), path.stat()):\n                raise BlockingIOError  # its holder removed the file while this one opened it\n",
        "",
    ),
    (
        "a lock on a file that was replaced counts",
        "not path.exists() or not os.path.samestat(os.fstat(handle), path.stat())",
        "not path.exists()",
    ),
    (
        "threads of a process are not kept apart",
        '        if name in _held:\n            raise _busy(name, "by this process")\n',
        "",
    ),
    (
        "a run of this process holds its directory for ever",
        "            _held.remove(name)",
        "            pass",
    ),
    (
        "the lock stays when the run has ended",
        "                path.unlink(missing_ok=True)\n    finally:\n",
        "                pass\n    finally:\n",
    ),
    ("the holder is not named", "_holder().encode(), 0)", "b'', 0)"),
    (
        "of two that start together both go on",
        '        if not (now := _content(storage)).startswith(mark):\n            raise _busy(storage.root, now.split(" #")[0])\n',
        "",
    ),
    (
        "a lock that beats is taken over",
        '    if _content(storage) not in ("", before):\n',
        "    if False:\n",
    ),
    (
        "a lock is left over after half a beat",
        "threading.Event().wait(2.5 * beat)",
        "threading.Event().wait(0.5 * beat)",
    ),
    ("a lock is taken over at once", "    threading.Event().wait(2.5 * beat)\n", ""),
    (
        "no sign of life",
        "    thread.start()\n",
        "    thread.run = lambda: None\n    thread.start()\n",
    ),
    ("signs of life are all the same", 'f"{mark} {count}".encode()', 'f"{mark} 0".encode()'),
    (
        "the lock of another is removed",
        "            if _content(storage).startswith(mark):\n                storage.remove(LOCK)",
        "            storage.remove(LOCK)",
    ),
    (
        "the lock of another is written over",
        "            if _content(storage).startswith(mark):\n                storage.put(LOCK",
        "            if True:\n                storage.put(LOCK",
    ),
    (
        "a lock that cannot be kept fresh ends the thread",
        "        except Exception as error:  # noqa: BLE001  (a thread that ends",
        "        except OutputError as error:  # noqa: BLE001  (a thread that ends",
    ),
    (
        "processes of two hosts are one",
        'mark = f"{_holder()} #{uuid.uuid4().hex}"',
        'mark = f"{_holder()} #"',
    ),
)

FINGERPRINT = planted(
    "landcover/runs/fingerprint.py",
    "tests/runs/test_directory.py",
    ("another model goes on", "    if not other:\n        return", "    if True:\n        return"),
    (
        "a key that one of them lacks is no difference",
        "return key not in one or key not in other or one[key] != other[key]",
        "return key in one and key in other and one[key] != other[key]",
    ),
    (
        "keys of the present job alone",
        'keys = {*theirs, *whole} - {"digest"}',
        'keys = {*whole} - {"digest"}',
    ),
    (
        "other classes go on",
        'keys = {*theirs, *whole} - {"digest"}',
        'keys = {*theirs, *whole} - {"digest", "classes"}',
    ),
)

CLAIMING = planted(
    "landcover/runs/claiming.py",
    "tests/runs/test_directory.py",
    (
        "the lock is taken after the look",
        "    with _no_empty_folder(run.storage, at_once), only_run(run.storage, beat) as token:\n        run = replace(run, token=token)\n        if looked is not None and looked_at(path) != looked:\n            raise Overtaken(path)\n        started = _started(run, whole, extended)",
        "    started = _started(run, whole, extended)\n    with only_run(run.storage, beat):",
    ),
    (
        "what fails at once stays",
        "        if new:\n",
        "        if not new:\n",
    ),
    (
        "what fails at once takes along what was there before",
        "    new = wanted and not storage.exists(MANIFEST)\n",
        "    new = wanted\n",
    ),
    (
        "a folder of others' files is taken",
        "        if names:\n            reason",
        "        if False:\n            reason",
    ),
    ("an interrupted run begins anew", '"started": started or now()', '"started": now()'),
    (
        "a run that may try again is done",
        'if found.get("status") != "done" or found.get("retryable"):',
        'if found.get("status") != "done":',
    ),
    (
        "a run that failed is done",
        'if found.get("status") != "done" or found.get("retryable"):',
        'if found.get("retryable"):',
    ),
    (
        "another run is done",
        "if other_keys(found, whole_of(fingerprint, scheme)):",
        "if False:",
    ),
    (
        "what was half written in pixels stays",
        'run.storage.sweep("", "tiles", "quarantine", "pixels", "maps")',
        'run.storage.sweep("", "tiles", "quarantine", "maps")',
    ),
)

DIRECTORY = planted(
    "landcover/runs/directory.py",
    "tests/runs/test_directory.py",
    (
        "the summary is overruled",
        '{**self.manifest(), **summary, "status": status',
        '{**summary, **self.manifest(), "status": status',
    ),
    (
        "parts of more than six digits are none",
        'r"part-(\\d+)(?:',
        'r"part-(\\d{6})(?:',
    ),
    (
        "parts in the order of names",
        "return sorted({index for index, _ in self.marked_parts(kind)})",
        "return list(dict.fromkeys(index for index, _ in self.marked_parts(kind)))",
    ),
)

MANIFEST = planted(
    "landcover/runs/manifest.py",
    "tests/runs/test_directory.py",
    ("times of the place, not of the world", "datetime.now(UTC)", "datetime.now()"),
)

GEOPARQUET = planted(
    "landcover/runs/geoparquet.py",
    "tests/runs/test_parts.py",
    (
        "the box is of the first tile",
        "bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)",
        "bounds[0, :2], bounds[0, 2:]",
    ),
    (
        "x and y of outlines exchanged",
        "shapely.box(*bounds.T)",
        "shapely.box(*bounds[:, [1, 0, 3, 2]].T)",
    ),
    ("big-endian outlines", "byte_order=1", "byte_order=0"),
    ("outlines go clockwise", "shapely.box(*bounds.T)", "shapely.box(*bounds.T, ccw=False)"),
    ("tiles without bounds lie at 0", "missing = (np.nan,) * 4", "missing = (0.0,) * 4"),
    ("another version", '"version": "1.1.0"', '"version": "1.0.0"'),
    ("the CRS is not told", '"crs": _projjson(crs),', ""),
)

RUN = planted(
    "landcover/run.py",
    "tests/runs/test_run.py",
    (
        "tiles in the CRS of the last",
        "in_crs(frame, frames[0].crs)",
        "in_crs(frame, frames[-1].crs)",
    ),
    (
        "tiles stay where their numbers are",
        "in_crs(frame, frames[0].crs) for frame in frames",
        "frame.set_crs(frames[0].crs, allow_override=True) for frame in frames",
    ),
    (
        "codes in the order of names",
        "class_codes=list(scheme.codes)",
        "class_codes=sorted(scheme.codes)",
    ),
    (
        "tables of a CRS are lost",
        "        groups[-1][1].append(table)",
        "        groups[-1][1][:] = [table]",
    ),
    (
        "failures are the tiles",
        'read_parts(self.directory, "quarantine")',
        "read_parts(self.directory)",
    ),
)

VECTOR_FILES = planted(
    "landcover/runs/vector_files.py",
    "tests/runs/test_vector_files.py",
    (
        "what GDAL makes beside the rows is not looked at",
        "        _check_beside_rows(path, meant.count)\n",
        "        pass\n",
    ),
    ("a GeoPackage without an extent is whole", "(None not in extent or not rows) and ", ""),
    (
        "TensorFlow's SQLite is what is blamed",
        'if "tensorflow" in takewhile',
        'if "tensorflow" not in takewhile',
    ),
)

LENT_BY_TENSORFLOW = planted(
    "landcover/models/runtimes/tensorflow/start.py",
    "tests/runs/test_vector_files.py",
    (
        "TensorFlow lends its libraries to GDAL",
        "    for name in _BEFORE:\n",
        "    for name in _BEFORE[:0]:\n",
    ),
)

REARRANGING = planted(
    "landcover/runs/rearranging.py",
    "tests/runs/test_rearranging.py",
    ("pixels stay where they were", '("quarantine", "pixels")\n', '("quarantine",)\n'),
    ("the table comes first", "return [*names, name]", "return [name, *names]"),
    (
        "what stood in the way stays",
        "gone = {*moves, *moves.values()} & found.keys()",
        "gone = {*moves.values()} & found.keys()",
    ),
    ("what was set aside stays", "    run.storage.remove_folder(_FOLDER)\n", ""),
)

FOLDERS = planted(
    "landcover/runs/storage.py",
    "tests/runs/test_rearranging.py",
    (
        "folders in folders stay in stores",
        "self._filesystem.rm(sorted(self._filesystem.find(self._key(folder))))",
        'self._filesystem.rm([self._key(f"{folder}/{name}") for name in self.names(folder)])',
    ),
)
