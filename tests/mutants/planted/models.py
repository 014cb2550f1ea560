"""Faults of what lies around networks: preprocessing, activation, halo, recipe, sidecar."""

from __future__ import annotations

from mutants.faults import planted

_STEPS = "tests/models/test_runtimes.py::test_every_step_before_the_network_is_that_of_float32"

SPECIFICATION = planted(
    "landcover/models/preprocessing/specification.py",
    "tests/models/test_small_rules.py tests/models/test_recipe.py tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py tests/models/test_whole_numbers.py",
    (
        "bands and columns exchanged",
        'return "NCHW" if first in (bands, None) else "NHWC"',
        'return "NHWC" if first in (bands, None) else "NCHW"',
    ),
    (
        "the smaller dimension is never the bands",
        'return "NCHW" if first < last else "NHWC"',
        'return "NHWC" if first < last else "NCHW"',
    ),
    (
        "the framework's order is forgotten",
        'return "NHWC" if self.channels_last else "NCHW"',
        'return "NCHW"',
    ),
    (
        "the file's order is forgotten",
        "        if self.order is not None:\n            return self.order\n",
        "",
    ),
    (
        "squares are no windows",
        'return "NHWC" if first == middle else "NCHW"',
        'return "NCHW" if first == middle else "NHWC"',
    ),
    (
        "classes stay where they are",
        "return (0, *first, *(axis for axis in range(1, self.rank) if axis not in first))",
        "return tuple(range(self.rank))",
    ),
    (
        "a mean of one band is none",
        "return self.mean_image is not None or any(self.mean)",
        "return self.mean_image is not None or all(self.mean)",
    ),
    (
        "a scale of one band is none",
        "return any(value != 1 for value in self.scale)",
        "return all(value != 1 for value in self.scale)",
    ),
    (
        "numbers a band lie along columns",
        "np.asarray(values, np.float32).reshape(1, -1, 1, 1)",
        "np.asarray(values, np.float32)[None].repeat(1, 0).reshape(1, 1, 1, -1) if len(set(values)) == 1 else np.asarray(values[::-1], np.float32).reshape(1, -1, 1, 1)",
    ),
)

RENDERING = planted(
    "landcover/models/preprocessing/rendering.py",
    "tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py tests/models/test_mean_image.py "
    + _STEPS,
    (
        "scaled before the mean",
        "    if steps.shifts:\n        value = operations.subtract(value, steps.shift)\n    if steps.scales:\n        value = operations.multiply(value, steps.factor)\n",
        "    if steps.scales:\n        value = operations.multiply(value, steps.factor)\n    if steps.shifts:\n        value = operations.subtract(value, steps.shift)\n",
    ),
    (
        "the order of bands before their mean",
        "    if steps.shifts:\n        value = operations.subtract(value, steps.shift)\n",
        "    if steps.reorders:\n        value = operations.take(value, steps.order, 1)\n    if steps.shifts:\n        value = operations.subtract(value, steps.shift)\n    if steps.reorders:\n        value = operations.take(value, steps.order, 1)\n",
    ),
    (
        "bands stay in their order",
        "    if steps.reorders:\n        value = operations.take(value, steps.order, 1)\n",
        "",
    ),
    (
        "rows and columns exchanged",
        "operations.transpose(value, (0, 2, 3, 1))",
        "operations.transpose(value, (0, 3, 2, 1))",
    ),
    (
        "whole numbers are subtracted from",
        'value = pixels if plain else operations.cast(pixels, "float32")',
        "value = pixels",
    ),
    (
        "the zero point is forgotten",
        "operations.multiply(operations.subtract(value, zero), scale)",
        "operations.multiply(value, scale)",
    ),
    (
        "scale and zero point exchanged",
        "scale, zero = (np.float32(number)",
        "zero, scale = (np.float32(number)",
    ),
    (
        "softmax along rows",
        "operations.softmax(value, output.class_axis, output.rank)",
        "operations.softmax(value, output.rank - 1 if output.class_axis != output.rank - 1 else 1, output.rank)",
    ),
    (
        "logits are probabilities",
        '    elif output.activation == "sigmoid":\n        value = operations.sigmoid(value)\n',
        "",
    ),
    (
        "softmax twice",
        "    value = arranged(operations, value, output)\n",
        "    value = arranged(operations, value, output)\n    value = operations.softmax(value, 1, 2 if output.cells is None else 4) if output.activation == 'softmax' else value\n",
    ),
    ("the threshold is a half", "    if t != 0.5:\n", "    if False:\n"),
    (
        "the threshold the wrong way round",
        "    t = output.threshold\n",
        "    t = 1 - output.threshold\n",
    ),
    (
        "at the threshold the first class",
        "np.array([1 - 2**-22, 1], np.float32)",
        "np.array([1, 1 - 2**-22], np.float32)",
    ),
    (
        "first and second class exchanged",
        "for pair in ([-1, 1], [-1, 0])",
        "for pair in ([1, -1], [0, -1])",
    ),
    (
        "numbers of classes from 1",
        "numbers = np.arange(output.classes, dtype=np.float32)",
        "numbers = np.arange(1, output.classes + 1, dtype=np.float32)",
    ),
    (
        "the share of the wrong neighbour",
        "near, next_to, share = neighbours(",
        "next_to, near, share = neighbours(",
    ),
    (
        "shares along the other axis",
        "(-1, 1) if axis == 0 else (1, -1)",
        "(1, -1) if axis == 0 else (-1, 1)",
    ),
    (
        "the middle is a pixel beside",
        "start = output.halo - (edge - count) // 2",
        "start = output.halo - (edge - count) // 2 + (edge - 2 * output.halo < count - 1)",
    ),
    (
        "a halo that is told is not cut off",
        "        elif edge - 2 * output.halo < count:\n",
        "        elif False:\n",
    ),
)

INTERPOLATION = planted(
    "landcover/models/preprocessing/interpolation.py",
    "tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py",
    (
        "half a pixel off",
        "return ((edge - 1) - stride * (count - 1)) / 2",
        "return (edge - stride * (count - 1)) / 2",
    ),
    (
        "cells begin at their corners",
        "return ((edge - 1) - stride * (count - 1)) / 2",
        "return 0.0",
    ),
    (
        "the halo is not left out",
        "pixels = np.arange(halo, edge - halo)",
        "pixels = np.arange(0, edge - 2 * halo)",
    ),
    (
        "shares the wrong way",
        "(at - below).astype(np.float32)",
        "(1 - (at - below)).astype(np.float32)",
    ),
    (
        "the nearest cell",
        "(at - below).astype(np.float32)",
        "np.round(at - below).astype(np.float32)",
    ),
    ("beyond the last cell", "stride, 0, count - 1)", "stride, 0, count - 2)"),
    (
        "a third cell has a part",
        "above = np.ceil(at).astype(int)",
        "above = np.minimum(below + 1, count - 1)",
    ),
)

NUMPY = planted(
    "landcover/models/preprocessing/numpy.py",
    "tests/models/test_whole_numbers.py tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py tests/models/test_runtimes.py::test_every_step_before_the_network_is_that_of_float32 tests/models/test_mean_image.py",
    (
        "softmax overflows",
        "np.exp(value - value.max(axis=axis, keepdims=True))",
        "np.exp(value)",
        "no runtime of the list below takes these: they serve to arrange what noise gave, and CNTK's own library",
    ),
)

ONNX = planted(
    "landcover/models/preprocessing/onnx.py",
    "tests/models/test_onnx_file.py tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py tests/models/test_recipe.py tests/models/test_mean_image.py",
    (
        "softmax of old over all axes",
        "if self._opset >= _SOFTMAX_PER_AXIS or axis == rank - 1:",
        "if True:",
    ),
    ("the first opset of softmax", "_SOFTMAX_PER_AXIS = 13", "_SOFTMAX_PER_AXIS = 11"),
    (
        "the transpose of an export is forgotten",
        "axes = [axes[axis] for axis in order]",
        "axes = axes",
    ),
    ("a name of the network's is taken", "    _set_aside(graph)\n", ""),
    (
        "graphs inside keep the old input",
        "                _rename_input(inner, name, source)\n",
        "                pass\n",
    ),
    (
        "the batch may be any",
        'shape = [ends.signature.batch or "n", steps.bands, *steps.size]',
        'shape = ["n", steps.bands, *steps.size]',
        "a network that insists on a number of images is given so many at once all the same",
    ),
    (
        "rows and columns of the window exchanged",
        "steps.bands, *steps.size]",
        "steps.bands, *steps.size[::-1]]",
    ),
)

MEAN_IMAGE = planted(
    "landcover/models/preprocessing/mean_image.py",
    "tests/models/test_mean_image.py",
    (
        "numbers by channel first",
        "values.reshape(rows, columns, bands).transpose(2, 0, 1)",
        "values.reshape(bands, rows, columns)",
    ),
    (
        "rows and columns exchanged",
        "values.reshape(rows, columns, bands).transpose(2, 0, 1)",
        "values.reshape(columns, rows, bands).transpose(2, 1, 0)",
    ),
    ("in the order of the network", "return self.pixels[np.argsort(order)]", "return self.pixels"),
    ("a mean image that changed", "    if digest not in (None, found):\n", "    if False:\n"),
    ("numbers that are none", "    if not np.isfinite(values).all():\n", "    if False:\n"),
)

INPUT = planted(
    "landcover/models/preprocessing/input_side.py",
    "tests/models/test_scaling.py tests/models/test_recipe.py tests/models/test_sidecar.py tests/models/test_mean_image.py",
    (
        "all bands are reversed in bgr",
        "return (2, 1, 0, *range(3, bands))",
        "return tuple(reversed(range(bands)))",
    ),
    ("bgr is rgb", 'if channel_order == "rgb":', "if True:"),
    ("rows and columns exchanged", '"NHWC": (3, 1, 2)', '"NHWC": (3, 2, 1)'),
    (
        "a scale that is missing is 0",
        'scale = _per_band("scale", told.scale, 1.0',
        'scale = _per_band("scale", told.scale, 0.0',
    ),
    (
        "the scale is the mean",
        'scale = _per_band("scale", told.scale, 1.0',
        'scale = _per_band("scale", told.mean, 1.0',
    ),
    (
        "another number of bands",
        "    if count is not None and len(bands) != count:\n",
        "    if False:\n",
    ),
    (
        "another window than the file's",
        "if told is not None and one is not None and one != told:",
        "if False:",
    ),
    ("networks of whole numbers are scaled", '.kind in "biu"', '.kind not in "biu"'),
    ("mean and mean image", "    if told.mean is not None:\n", "    if False:\n"),
)

ACTIVATIONS = planted(
    "landcover/models/output_side/activations.py",
    "tests/models/test_advice.py tests/models/test_small_rules.py tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py",
    (
        "sigmoids get a softmax",
        'if ending.kind in ("softmax", "sigmoid"):',
        'if ending.kind == "softmax":',
    ),
    ("logits are probabilities", 'found = "sigmoid" if single else "softmax"', 'found = "none"'),
    ("one logit gets a softmax", 'found = "sigmoid" if single else "softmax"', 'found = "softmax"'),
    (
        "what is told is overruled",
        "    if told.activation is not None:\n",
        "    if told.activation is not None and found is None:\n",
    ),
    ("numbers nearly summing to 1 do", "_TOLERANCE = 1e-3", "_TOLERANCE = 1.0"),
    ("negative numbers are probabilities", "least >= 0 and np.abs", "least >= -1e9 and np.abs"),
    (
        "what cannot be told is a softmax",
        "    if found is None:\n        raise",
        "    if found is None:\n        return 'softmax', False\n        raise",
    ),
    ("sums over another axis", "sums = raw.sum(axis=output.class_axis)", "sums = raw.sum(axis=-1)"),
    ("scores by their size are taken", 'if ending.kind == "ranked":', "if False:"),
    ("numbers above 1 may stay", "bounded = low >= 0 and high <= 1", "bounded = low >= 0"),
)

CELLS = planted(
    "landcover/models/output_side/stride_and_halo.py",
    "tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py",
    (
        "every smaller output is a halo",
        "    if told.output_stride is not None:\n        strides = {told.output_stride}\n    else:\n        strides = {_stride(axis, shown) for axis in found}\n",
        "    strides = {1}\n",
    ),
    ("a halo that is told is forgotten", "        return told\n", "        return least\n"),
    (
        "a halo that is told may be too small",
        "if told < least or 2 * told >= edge:",
        "if 2 * told >= edge:",
    ),
    (
        "what lies beyond the outermost centres is labelled",
        "outside = max(ceil(first_centre(axis.edge, axis.count, stride)) for axis in axes)",
        "outside = 0",
    ),
    (
        "what sees beyond the window is labelled",
        "                least = max(least, ceil(first + stride * cut))\n",
        "                pass\n",
    ),
    (
        "windows lie on no lattice",
        "        least += -(least - (lost - (stride - 1) // 2)) % stride\n",
        "",
    ),
    (
        "places beside the middle pass",
        "if beside <= stride / 2 + cells.blur + (0.25 if stride == 1 else 0.5):",
        "if True:",
    ),
    (
        "rows for columns",
        "for axis, (edge, count) in enumerate(zip(edges, counts, strict=True))",
        "for axis, (edge, count) in enumerate(zip(edges[::-1], counts[::-1], strict=True))",
    ),
)

FORMS = planted(
    "landcover/models/output_side/forms.py",
    "tests/models/test_advice.py tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py tests/models/test_recipe.py",
    ("classes last, always", 'return 3 if steps.layout == "NHWC" else 1', "return 3"),
    (
        "one number is scores",
        '        return _with(shape, axis, cells, "probability", 2)\n',
        '        return _with(shape, axis, cells, "scores", 1)\n',
    ),
    (
        "an output of one pixel is a map",
        'tile = cells == (1, 1) and told.output != "pixel"',
        "tile = False",
    ),
    (
        "pixels in one row are classes",
        "return (2 if rest[0] == area else 1), cells",
        "return (1 if rest[0] == area else 2), cells",
    ),
    (
        "rows and columns from the wrong axes",
        "cells = rest[1:] if axis == 1 else rest[:2]",
        "cells = rest[:2] if axis == 1 else rest[1:]",
    ),
    (
        "whole numbers without a scale pass",
        "    if ending.whole and ending.quantization is None:\n        raise",
        "    if False:\n        raise",
    ),
)

PROBE = planted(
    "landcover/models/output_side/probe.py",
    "tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py tests/models/test_recipe.py tests/models/test_proposal.py tests/models/test_chance.py",
    (
        "the rest of a batch may decide",
        "    if _alike(raw[:1], probe.run(others)[:1], share):",
        "    if True:",
    ),
    ("two images are together", "pixels[[0, 1, 0]]", "pixels[[0, 1]]"),
    (
        "chance is the batch's",
        "    if not _alike(raw[:1], probe.run(pixels)[:1], share):",
        "    if False:",
    ),
    (
        "nobody gives it one image",
        "pixels[:1] if told.batch == 1 else pixels[[0, 1, 0]]",
        "pixels[[0, 1, 0]]",
    ),
    (
        "noise is scaled",
        "steps, mean=(0.0,) * bands, scale=(1.0,) * bands, mean_image=None, output=None",
        "steps, mean_image=None, output=None",
    ),
    (
        "noise holds zeros",
        "self._rng.uniform(0.05, 1, count)",
        "self._rng.uniform(0.05, 1, count).round()",
    ),
    (
        "columns are found as rows are",
        "find, told, shown)\n    flat",
        "lambda axis: find(0), told, shown)\n    flat",
    ),
    (
        "the scale of whole numbers is forgotten",
        "        quantization=facts.ending.quantization,\n",
        "",
    ),
    (
        "the threshold is forgotten",
        "threshold=0.5 if told.threshold is None else told.threshold,",
        "threshold=0.5,",
    ),
    (
        "another number of classes than named",
        "    if names is not None and len(names) != count:\n",
        "    if False:\n",
    ),
    (
        "pixels in columns are rows",
        "if flat and place.stride == 1 and not _in_rows(find, steps.size):",
        "if False:",
    ),
)

RECIPE = planted(
    "landcover/models/recipe.py",
    "tests/models/test_recipe.py tests/models/test_mean_image.py tests/models/test_activations.py",
    ("secrets in the record", '"path": shown(self.path)}', '"path": self.path}'),
    (
        "secrets of the mean image in the record",
        "values[key] = shown(values[key])",
        "pass",
    ),
    (
        "the place is the model",
        '_NOT_IDENTITY = {"path", "batch", "device", "mean_image", "quantized"}',
        '_NOT_IDENTITY = {"batch", "device", "mean_image"}',
    ),
    (
        "the batch is the model",
        '_NOT_IDENTITY = {"path", "batch", "device", "mean_image", "quantized"}',
        '_NOT_IDENTITY = {"path", "device", "mean_image"}',
    ),
    (
        "the content is not the model",
        '_NOT_IDENTITY = {"path", "batch", "device", "mean_image", "quantized"}',
        '_NOT_IDENTITY = {"path", "batch", "device", "mean_image", "digest"}',
    ),
    (
        "the mean is not the model",
        '_NOT_IDENTITY = {"path", "batch", "device", "mean_image", "quantized"}',
        '_NOT_IDENTITY = {"path", "batch", "device", "mean_image", "mean"}',
    ),
    (
        "the mean image is not the model",
        '_NOT_IDENTITY = {"path", "batch", "device", "mean_image", "quantized"}',
        '_NOT_IDENTITY = {"path", "batch", "device", "mean_image", "mean_digest"}',
    ),
    (
        "the threshold is a half",
        "threshold=0.5 if self.threshold is None else self.threshold,",
        "threshold=0.5,",
    ),
    ("the stride is forgotten", "            stride=self.output_stride,\n", ""),
    ("the activation is forgotten", "            activation=self.activation,\n", ""),
    (
        "the order of bands is forgotten",
        "order = network_order(len(self.bands), self.channel_order)",
        'order = network_order(len(self.bands), "rgb")',
    ),
    (
        "scale and mean exchanged",
        "Steps(self.layout, self.input_size, self.mean, self.scale, order, output, pixels)",
        "Steps(self.layout, self.input_size, self.scale, self.mean, order, output, pixels)",
    ),
    (
        "the scheme is forgotten",
        "scheme=told.classes if isinstance(told.classes, str) else None,",
        "scheme=None,",
    ),
    (
        "the driver takes a GPU for the workers",
        "gpu = place(told.device, chosen, name) if here else None",
        "gpu = place(told.device, chosen, name)",
    ),
)

SIDECAR = planted(
    "landcover/models/sidecar.py",
    "tests/models/test_sidecar.py tests/models/test_mean_image.py tests/models/test_fetch.py",
    ("the sidecar wins over the run", "{**sidecar, **told}", "{**told, **sidecar}"),
    (
        "the stem before the full name",
        'dict.fromkeys((f"{name}.yaml", f"{stem}.yaml"))',
        'dict.fromkeys((f"{stem}.yaml", f"{name}.yaml"))',
    ),
    (
        "a mean image counts from where the command is given",
        '    told = values.get("mean_image")\n',
        "    told = None\n",
    ),
    (
        "the query of a URL is lost",
        'return [f"{place}?{query}" if query else place for place in places]',
        "return places",
    ),
    (
        "mean and mean image of two places",
        "            sidecar = {name: value for name, value in sidecar.items() if name != other}\n",
        "            pass\n",
    ),
)

MODEL = planted(
    "landcover/models/model.py",
    "tests/models/test_memory.py tests/models/test_whole_numbers.py tests/models/test_fetch.py",
    (
        "whole numbers that do not fit are cast",
        'if reads.kind in "iu" and not np.can_cast(pixels.dtype, reads, "safe"):',
        "if False:",
    ),
    (
        "tiles are lost when memory is short",
        "            start += len(results[-1])\n",
        "            start += self.batch\n",
    ),
    ("batches do not stay small", "                self._shrink(len(pixels))\n", ""),
    (
        "any error is a lack of memory",
        "                    if not out_of_memory(error):\n                        raise\n",
        "",
    ),
    ("batches go on beside one another", "            self._limit.one_at_a_time()\n", ""),
)

MODEL_OPENED = planted(
    "landcover/models/model.py",
    "tests/models/test_runtimes.py::test_a_model_that_changed_since_the_plan_is_refused tests/models/test_placement.py",
    ("another model than planned", "    if file.digest != recipe.digest:\n", "    if False:\n"),
)

NETWORK = planted(
    "landcover/models/network.py",
    "tests/models/test_small_rules.py tests/models/test_onnx_file.py tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py tests/models/test_runtimes.py::test_every_step_before_the_network_is_that_of_float32",
    (
        "fillers come first",
        "np.concatenate([pixels, np.repeat(pixels[-1:], filler, axis=0)])",
        "np.concatenate([np.repeat(pixels[-1:], filler, axis=0), pixels])",
    ),
    (
        "results of fillers are kept",
        "return np.concatenate(results)[: len(pixels)]",
        "return np.concatenate(results)",
    ),
    ("filled up to one too few", "filler = -len(pixels) % size", "filler = 0"),
)

BATCHES = planted(
    "landcover/models/runtimes/batches.py",
    "tests/models/test_onnx_file.py",
    (
        "another number of results is taken",
        "            if len(found) == len(pixels):\n                return found\n",
        "            return found\n",
    ),
    (
        "a network of one image is never one",
        "        self._size = 1\n        return in_batches_of(1, once, pixels)",
        "        raise RuntimeError(reason)",
    ),
)

MEMORY = planted(
    "landcover/models/runtimes/memory.py",
    "tests/models/test_memory.py",
    ("CUDA's words are not understood", '    "out of memory",\n', ""),
    (
        "the cause does not count",
        "any(map(_speaks_of_memory, causes(error)))",
        "_speaks_of_memory(error)",
    ),
    (
        "one at a time is two",
        "lambda: not (self._alone and self._running)",
        "lambda: not (self._alone and self._running > 1)",
    ),
    ("the last who leaves tells nobody", "                self._changed.notify_all()\n", ""),
)

PLACEMENT = planted(
    "landcover/models/runtimes/placement.py",
    "tests/models/test_placement.py",
    (
        "the CPU in place of a GPU",
        "    if gpu is None:\n        raise ModelError(shown, _none_left(gpus))\n",
        "",
    ),
    (
        "gpu is auto",
        '        if wanted == "auto":\n            return None\n        raise ModelError(\n            shown,\n            f"model.device',
        '        if True:\n            return None\n        raise ModelError(\n            shown,\n            f"model.device',
    ),
    ("cpu takes a GPU", '    if wanted == "cpu":\n        return None\n', ""),
    ("a runtime without GPUs takes one", "    if not uses_gpus(runtime):\n", "    if False:\n"),
)

ONNXRUNTIME = planted(
    "landcover/models/runtimes/onnxruntime.py",
    "tests/models/test_placement.py tests/models/test_memory.py",
    (
        "the CPU in place of a GPU",
        'if self.gpu is not None and "CUDAExecutionProvider" not in session.get_providers():',
        "if False:",
    ),
    ("the first GPU for all", '"device_id": str(gpu.ordinal)', '"device_id": "0"'),
    ("shorter numbers on GPUs", '"use_tf32": "0"', '"use_tf32": "1"'),
    ("the number of nvidia-smi", '"device_id": str(gpu.ordinal)', '"device_id": str(gpu.index)'),
)

FETCH = planted(
    "landcover/models/fetch.py",
    "tests/models/test_fetch.py",
    ("a secret is shown", "return redacted(path)", "return path"),
    ("a file that changed is the old one", "{shown(at)} {_version(info)}", "{shown(at)}"),
    (
        "the size alone is the version",
        "return f\"{info.get('size')} {stated}\"",
        "return f\"{info.get('size')}\"",
    ),
    (
        "files of a folder lie side by side",
        "target = kept / below",
        "target = kept / PurePosixPath(at).name",
    ),
    (
        "the secret of a path is told",
        'raise ModelError(shown(path), f"cannot be',
        'raise ModelError(path, f"cannot be',
        "errors leave secrets out of all that they say",
    ),
)

OPENVINO = planted(
    "landcover/models/openvino_library.py",
    "tests/models/test_openvino_library.py",
    (
        "a network takes the stack of signals along",
        "        library.sigaltstack(ctypes.byref(before), None)\n",
        "        pass\n",
    ),
)

CACHE = planted(
    "landcover/models/cache.py",
    "tests/models/test_fetch.py tests/models/test_cache.py",
    ("another user's is used", "    if held.st_uid not in (os.geteuid(), 0):", "    if False:"),
    ("others may write into it", "    if held.st_mode & 0o022:\n", "    if False:\n"),
    ("links are followed", "    if stat.S_ISLNK(held.st_mode):\n", "    if False:\n"),
    ("all who ask make it", "            fcntl.flock(lock, fcntl.LOCK_EX)\n", "            pass\n"),
    (
        "what was made meanwhile is made again",
        "        if not _is_there(path):\n            _make_whole",
        "        if True:\n            _make_whole",
    ),
    (
        "half of it is there",
        "        made = scratch / path.name\n",
        "        made = path\n",
    ),
    (
        "where files cannot be locked, nothing is made",
        "        except OSError as error:\n            _log.info(",
        "        except BlockingIOError as error:\n            _log.info(",
    ),
    (
        "who comes second fails",
        "        if not _is_there(path):\n            raise _unusable",
        "        if True:\n            raise _unusable",
    ),
    (
        "the place of the environment is forgotten",
        '    told = os.environ.get("LANDCOVER_CACHE")\n',
        "    told = None\n",
    ),
)

ENDING = planted(
    "landcover/models/graph_analysis/ending.py",
    "tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py",
    (
        "sigmoid is softmax",
        '_SOFTMAX: Final = frozenset(("softmax", "qlinearsoftmax"))',
        '_SOFTMAX: Final = frozenset(("softmax", "relu"))',
    ),
    (
        "softmax in parts is not seen",
        "        if self._is_softmax(maker, sources):\n",
        "        if False:\n",
    ),
    (
        "sums of probabilities are logits",
        'if endings == {"logits"} or ("logits" in endings and not joins):',
        "if endings:",
    ),
)

RECEPTIVE = planted(
    "landcover/models/graph_analysis/sliding_windows.py",
    "tests/models/test_receptive_field.py tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py",
    ("dilation is forgotten", "return (self.size - 1) * self.dilation", "return self.size - 1"),
    (
        "the padding of rows for columns",
        "before, after = pads[axis], pads[axis + rank]",
        "before, after = pads[0], pads[rank]",
    ),
    (
        "padding on the other side",
        '(more, less) if automatic == "SAME_LOWER" else (less, more)',
        "(less, more)",
    ),
    (
        "padding behind is before",
        "pads[place], pads[place + len(pads) // 2]",
        "pads[place], pads[place]",
    ),
)

PIXELS = planted(
    "landcover/models/graph_analysis/pixel_dependencies.py",
    "tests/models/test_receptive_field.py tests/models/test_activations.py tests/models/test_output_forms.py tests/models/test_output_stride.py",
    (
        "the last row is the first",
        "planes = [index[rows], -index[rows], index[columns], -index[columns]]",
        "planes = [index[rows], index[rows], index[columns], -index[columns]]",
    ),
    (
        "rows are columns",
        "planes = [index[rows], -index[rows], index[columns], -index[columns]]",
        "planes = [index[columns], -index[columns], index[rows], -index[rows]]",
    ),
    (
        "windows of one less",
        "for at in range(0, size * dilation, dilation):",
        "for at in range(0, (size - 1) * dilation, dilation):",
    ),
    (
        "a field one too small",
        "return int((-flat[1] - flat[0]).max()) + 1,",
        "return int((-flat[1] - flat[0]).max()),",
    ),
)

SAME_LABELS = planted(
    "landcover/models/comparison/same_labels.py",
    "tests/models/test_same_labels.py",
    (
        "pixels are as good as tiles",
        "        tiles, total, share = len(self.counted)",
        "        return float(self.labels)\n        tiles, total, share = len(self.counted)",
    ),
    ("few windows are enough", "        if tiles < FEWEST_TILES:\n            return 0.0\n", ""),
    ("the upper end", "error)[0]", "error)[1]"),
)

RACE = planted(
    "landcover/models/comparison/race.py",
    "tests/models/test_race.py",
    (
        "what overlaps is clear",
        "min(self.speeds) > max(other.speeds)",
        "self.middle > other.middle",
    ),
    ("time does not end it", "if self._clock() >= self._ends:", "if False:"),
    (
        "what is far behind goes on",
        "if turns.middle < _FAR_BEHIND * leader.middle:",
        "if turns.middle < 0:",
    ),
)

RESAMPLING_SPANS = planted(
    "landcover/models/graph_analysis/sliding_windows.py",
    "tests/models/test_receptive_field.py",
    (
        "corners are aligned as centres are",
        "        return at * (extent - 1) / max(1, wanted - 1)\n",
        "        return (at + 0.5) * step - 0.5\n",
    ),
    (
        "smoothing looks no further",
        "            reach = min(int(np.ceil(reach * max(1.0, step))), extent)\n",
        "            pass\n",
    ),
    ("cubic is linear", 'reach = 2 if given.get("mode") == b"cubic" else 1', "reach = 1"),
)

_CROPS = "tests/models/test_cropping.py"

CROPPED_WINDOWS = planted(
    "landcover/models/cropping/windows.py",
    _CROPS,
    (
        "windows cover one less",
        "window.before + window.reach + 1\n    if high",
        "window.before + window.reach\n    if high",
    ),
    (
        "all padding stays",
        "return inside, inside[0] - low, high - inside[1]",
        "return inside, window.before, window.after",
    ),
    (
        "nothing is kept beside what is interpolated",
        '_MARGINS: Final = {b"nearest": 1, b"linear": 1, b"cubic": 3}',
        '_MARGINS: Final = {b"nearest": 0, b"linear": 0, b"cubic": 0}',
    ),
    (
        "corners move with a part",
        '_MOVING: Final = (b"half_pixel",',
        '_MOVING: Final = (b"align_corners", b"half_pixel",',
    ),
)

CROPPED_MOVES = planted(
    "landcover/models/cropping/moving.py",
    _CROPS,
    (
        "slices begin at their part",
        "needed[axis] = (first + low * step, first + (high - 1) * step + 1)",
        "needed[axis] = (low * step, (high - 1) * step + 1)",
    ),
    (
        "the mirror of a part",
        'if any(lacking) and mode not in (b"constant", b"edge"):',
        "if False:",
    ),
    ("what is joined begins within one", "step = lcm(inner, within)", "step = within"),
    (
        "joined parts are cut along their axis",
        "made = widened(part, node.result, [axis])",
        "made = part",
    ),
)

CROPPED_GRAPHS = planted(
    "landcover/models/cropping/crop.py",
    _CROPS,
    ("what mixes images is cut", "shapes = _by_image(shapes, more)", "shapes = {**shapes}"),
    (
        "parts of what is not known are read",
        "if any(part is not None and name not in self.shapes for name, part in read):",
        "if False:",
    ),
)

FROZEN_AS_ONNX = planted(
    "landcover/models/runtimes/frozen_onnx.py",
    "tests/models/test_frozen_onnx.py",
    (
        "a conversion that returns something else is used",
        'path.write_bytes(made if same else b"")',
        "path.write_bytes(made)",
    ),
    (
        "one conversion for all windows",
        'wanted = f"{frozen.stem} {shape} ',
        'wanted = f"{frozen.stem} ',
    ),
)

CROPPED_IN_PLACE = planted(
    "landcover/models/cropping/in_place.py",
    _CROPS,
    (
        "a maximum over a part",
        "        needed.append((0, extent) if gone else span)\n",
        "        needed.append((0, min(extent, 2)) if gone else span)\n",
    ),
    ("operands are aligned from the first axis", "beyond = len(result) - len(shape)", "beyond = 0"),
)

STATED = planted(
    "landcover/models/formats/metadata.py",
    "tests/models/test_proposal.py tests/models/test_formats.py",
    (
        "centimetres are metres",
        'found["resolution"] = notes["resolution"] / 100',
        'found["resolution"] = notes["resolution"]',
    ),
    ("means are of shares", "round(each * _OF_BYTES, 6)", "round(each, 6)"),
    ("deviations are scales", "1 / (each * _OF_BYTES)", "each * _OF_BYTES"),
    (
        "names in the order of the file",
        "value = [by_number.get(at) for at in range(len(by_number))]",
        "value = [*by_number.values()]",
    ),
)

ENDINGS = planted(
    "landcover/models/graph_analysis/ending.py",
    "tests/models/test_advice.py tests/models/test_layers_inside.py tests/models/test_output_forms.py",
    ("scores by their size are places", 'return Ending("ranked"', 'return Ending("numbers"'),
    (
        "logarithms stay logits",
        "return None if ending.operation.casefold() in _LOGARITHMS else ending.kind",
        "return ending.kind",
    ),
    (
        "numbers that are computed with count from 0",
        'moved_by=others[0] if told else ""',
        "moved_by=None",
    ),
    (
        "probabilities are named where they are made",
        "return after.pop() if len(after) == 1 else first",
        "return first",
    ),
    (
        "logits are named for probabilities",
        "elif before is None or kind in _LOGITS:",
        "elif before is None:",
    ),
)

INSIDE = planted(
    "landcover/models/formats/onnx_inside.py",
    "tests/models/test_layers_inside.py tests/models/test_advice.py tests/models/test_recipe.py",
    ("what follows stays", "if needed & set(node.output)]", "]"),
    ("outputs are cut at", " or head in {o.name for o in graph.output}:", ":"),
    (
        "what a layer reads is left out",
        "waiting += names_read(makers[name]) if name in makers else ()",
        "pass",
    ),
)

ORIENTATION = planted(
    "landcover/models/graph_analysis/orientation.py",
    "tests/models/test_orientation.py tests/models/test_output_stride.py",
    ("no map is turned", "else verdicts != {(False, False, False)}", "else False"),
    ("places are not swapped", "shares = place[::-1] if swapped else place", "shares = place"),
    ("places are not mirrored", "(1 - s if m else s for", "(s for"),
    (
        "the stride is forgotten",
        "(share - 0.5) * (count - 1) * stride",
        "(share - 0.5) * (count - 1)",
    ),
    ("any answer is clear", "_CLEARLY: Final = 3", "_CLEARLY: Final = 1e9"),
)

SIGHT = planted(
    "landcover/models/sight.py",
    "tests/models/test_sight.py",
    (
        "one axis is enough",
        "max(reach for reach in found if reach is not None)",
        "min(reach for reach in found if reach is not None)",
    ),
    ("outputs begin at the corner", " + (edge - count) // 2", ""),
    ("a label at the edge does", "low.min() <= 0 or", "low.min() < 0 or"),
)

AGREEMENT = planted(
    "landcover/models/comparison/agreement.py",
    "tests/models/test_agreement.py",
    ("what differs from nothing agrees", "else float(difference > 0)", "else 0.0"),
    ("a sum a little off is one", ".max() < _ROUNDING)", ".max() < 0.5)"),
)
