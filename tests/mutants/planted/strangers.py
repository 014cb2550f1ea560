"""Faults of what looks at files of strangers before a library reads them: vector files, models, words to commands."""

from __future__ import annotations

from mutants.faults import planted

GEOJSON = planted(
    "landcover/tiles/opening/geojson.py",
    "tests/tiles/regions/test_reading.py",
    (
        "columns of GeoJSON say its CRS",
        "if self._open and self._open[-1] == _NOTHING:",
        "if False:",
    ),
    (
        "nothing in GeoJSON says its CRS",
        "return _INNER.get(self._key, _LAYER if layer else _NOTHING)",
        "return _NOTHING",
    ),
    (
        "columns are no layers, whatever the whole is",
        "_LAYER if layer else _NOTHING",
        "_NOTHING",
    ),
    (
        "any type of the whole is known",
        "if self._types and all(self._types):",
        "if self._types:",
    ),
    (
        "what lies in columns once lies there for good",
        "                self._open.pop()\n",
        "                pass\n",
    ),
    (
        "lines that are features each are one value",
        "return not self.objection and not (self._several_lines and self._values > 1)",
        "return not self.objection",
    ),
    (
        "what only lenient readers take is passed over",
        'return token.lastgroup == "numbers"',
        "return True",
    ),
    (
        "a letter of 0 is one like others",
        '(?:[\\"\']|\\\\u0000)"',
        '[\\"\']"',
    ),
    (
        "a link is a name",
        "    if not all(map(_CRS_NAME.fullmatch, _texts_in(told))):\n",
        "    if False:\n",
    ),
    (
        "names that GDAL does not know are degrees",
        "    except CRSError:  # where OGR would take degrees for it\n        return _UNKNOWN\n",
        "    except CRSError:\n        return None\n",
    ),
    (
        "a text that holds the word says the CRS",
        "if place < start or (place == start and walk.says(reason)):",
        "if place <= start or walk.says(reason):",
    ),
)

VECTORS = planted(
    "landcover/tiles/opening/vectors.py",
    "tests/tiles/regions/test_reading.py",
    (
        "notes of macOS are shapefiles",
        'return last.endswith(_SHAPEFILE) and not last.startswith("._")',
        "return last.endswith(_SHAPEFILE)",
    ),
    ("views are tables", "WHERE type = 'view' AND", "WHERE type = 'no view' AND"),
)

VIRTUAL = planted(
    "landcover/tiles/opening/virtual.py",
    "tests/tiles/test_opening.py",
    ("virtual rasters may name themselves", "        if file in above:\n", "        if False:\n"),
    (
        "threads are free",
        "if of_threads and not _THREADS.fullmatch(",
        "if of_threads and _NO_PATH.search(",
    ),
)

CONDITIONS = planted(
    "landcover/tiles/regions/condition.py",
    "tests/tiles/regions/test_reading.py",
    (
        "comments hide what follows",
        'if {"/*", "--"} & {*tokens}:',
        "if False:",
    ),
    ("questions are comparisons", "if token.lower() in _ASKING:", "if False:"),
    (
        "functions are comparisons",
        'if following == "(" and token.lower() not in _BEFORE:',
        "if False:",
    ),
)

ERDAS = planted(
    "landcover/tiles/opening/erdas.py",
    "tests/tiles/test_opening.py",
    (
        "ERDAS files may name others",
        'raise Refused(f"names {named[:200]!r}, which is no part of it")',
        "pass",
    ),
    (
        "pixels of ERDAS files may be waited for",
        "if not is_remote(file) and not is_waitless(str(Path(file).with_name(named))):",
        "if False:",
    ),
    (
        "overviews of ERDAS files lie where they were made",
        r'                named = re.split(r"[/\\]", named)[-1]' + "\n",
        "",
    ),
)

_SIZES = "tests/models/test_onnx_sizes.py"

UNTOLD = planted(
    "landcover/models/formats/onnx_untold.py",
    _SIZES,
    (
        "what is not known makes no more than it reads",
        "    else:\n        return None\n    if extents is None:",
        "    else:\n        longest = 1\n    if extents is None:",
    ),
    (
        "found by found is found once",
        "math.prod([longest] * extents.count(None))",
        "longest",
    ),
    (
        "what is found grows from step to step",
        "self.most // max(numbers_in(self.extents), 1) if",
        "self.most if",
    ),
)

CONTRIB = planted(
    "landcover/models/formats/onnx_contrib.py",
    _SIZES,
    (
        "what is joined are scales",
        '"QLinearConcat": ("Concat", slice(2, None, 3), 5)',
        '"QLinearConcat": ("Concat", slice(0, None, 3), 5)',
    ),
    (
        "the second summand is a scale",
        '("QLinearAdd", "QLinearMul"), ("Add", (0, 3), 7)',
        '("QLinearAdd", "QLinearMul"), ("Add", (0, 4), 7)',
        "a scale is one number, so that the sum has the shape of the first summand, as it has in networks",
    ),
)

ARGUMENTS = planted(
    "landcover/models/formats/onnx_arguments.py",
    "tests/models/test_onnx_file.py",
    (
        "inputs may be left out",
        "if not name and taken.option == single:",
        "if False:",
    ),
    (
        "attributes may be of any type",
        "if attribute is not None and attribute.type != told.type.value:",
        "if False:",
    ),
    (
        "a node makes as many parts as it says",
        "if parts is not None and parts.i != len(node.output):",
        "if False:",
    ),
)

PLACES = planted(
    "landcover/models/runtimes/openvino_places.py",
    "tests/models/test_openvino_library.py",
    (
        "places below the first are those of others",
        "operations.maximum(operations.negative(extents), places.get_source_output())",
        "operations.maximum(places.get_source_output(), places.get_source_output())",
    ),
    (
        "more may be cut off than there is",
        "        left = operations.add(left, operations.minimum(cut, operations.constant(0, kind)))\n",
        "",
    ),
)

SIZES = planted(
    "landcover/models/formats/onnx_sizes.py",
    _SIZES,
    (
        "pixels say how large a result is",
        "if not self.seen.isdisjoint(told_by) and not self._is_told(",
        "if False and not self._is_told(",
    ),
    (
        "lists grow turn by turn",
        'if node.op_type == "SequenceInsert" and turns > 1:',
        "if False:",
    ),
    (
        "pixels say how often loops turn",
        "return loop.input[0] in self.seen",
        "return False",
    ),
)

TURNS = planted(
    "landcover/models/formats/onnx_turns.py",
    _SIZES,
    (
        "loops carry what they began with",
        "        if after == before or not any(after):\n            return\n",
        "        return\n",
    ),
)

RUNTIME = planted(
    "landcover/models/runtimes/onnxruntime.py",
    _SIZES,
    (
        "what runs next may be of any size",
        "check_sizes(model, self._shown, to_run=True)",
        "check_sizes(model, self._shown)",
    ),
)

PARTS = planted(
    "landcover/models/formats/onnx_parts.py",
    _SIZES,
    (
        "functions of one name are one",
        "    return _plain_domain(node.domain), node.op_type, node.overload",
        '    return _plain_domain(node.domain), node.op_type, ""',
    ),
)

BOUNDS = planted(
    "landcover/models/formats/onnx_bounds.py",
    _SIZES,
    (
        "weights that are sparse take what they hold",
        '    check_size(written_out, "what its sparse weights stand for", shown, _MOST_SPARSE)\n',
        "",
    ),
)

KERAS_GRAPH = planted(
    "landcover/models/formats/keras_graph.py",
    "tests/models/test_keras_config.py",
    (
        "layers may wait for themselves",
        "if stuck := [name for (name, _), count in left.items() if count]:",
        "if stuck := []:",
    ),
    ("numbers are layers", "if value[0] != _CONSTANT:", "if True:"),
)

KERAS = planted(
    "landcover/models/formats/keras_config.py",
    "tests/models/test_keras_config.py",
    (
        "layers may be any operation",
        "        _check_operation(inner, label, shown, operations)\n",
        "        pass\n",
    ),
    (
        "types of NumPy may be anything",
        "        _check_value(inner, kind, shown)\n",
        "",
    ),
)

TENSORFLOW = planted(
    "landcover/models/runtimes/tensorflow/bounds.py",
    "tests/models/test_tensorflow_bounds.py",
    (
        "loops of TensorFlow hand on any number",
        "if before.shape.rank is not None and _numbers(after) > _numbers(before):",
        "if False:",
    ),
    (
        "pixels may decide in graphs of TensorFlow",
        "            pixels.look(operation)\n",
        "            pass\n",
    ),
)

SAYING = planted(
    "landcover/cli/saying.py",
    "tests/cli/test_saying.py",
    (
        "what is printed does what it likes",
        "click.echo(printable(str(text)), err=err)",
        "click.echo(str(text), err=err)",
    ),
)

NUMBERS = planted(
    "landcover/cli/numbers.py",
    "tests/cli/test_saying.py",
    ("what is no number is one", "if not math.isfinite(found):", "if False:"),
)

REPLACING = planted(
    "landcover/local_files.py",
    "tests/cli/test_saying.py",
    (
        "files replace devices",
        "if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):",
        "if False:",
    ),
)

DETECTION = planted(
    "landcover/models/formats/detection.py",
    "tests/models/test_formats.py",
    ("parts of a model may be pipes", "        if not file.is_file():\n", "        if False:\n"),
)
