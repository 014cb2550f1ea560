"""A proposal for a model's sidecar: what is known of it filled in, the rest as comments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from landcover.config import ModelSettings, checked
from landcover.errors import ModelError, ScalingUntold
from landcover.models.fetch import shown
from landcover.models.formats.detection import ModelFile
from landcover.models.graph_analysis.arithmetic import said
from landcover.models.output_side.probe import Returned, find_output
from landcover.models.preprocessing.input_side import Input, fit_input
from landcover.models.runtimes.registry import choose_runtime, start_runtime
from landcover.models.sidecar import sidecar_place, tells_scaling, with_notes, with_sidecar


@dataclass(frozen=True)
class Proposal:
    """What a sidecar should say.

    Args:
        text: YAML that can be saved as the sidecar.
        path: where it belongs, or where there is one already.
        exists: whether there is one already; the text then repeats what it says.
        missing: keys that only a person can tell, and that nothing was found about.
        refusal: why the network cannot be used as it is; None if it can.
    """

    text: str
    path: str
    exists: bool
    missing: tuple[str, ...]
    refusal: str | None


def propose(
    file: ModelFile, path: str, head: str | int | None, window: int, heads: Sequence[str] = ()
) -> Proposal:
    """Find out what can be found out about a model, and write down what a sidecar needs.

    Args:
        file: the model.
        path: as it was asked for; the sidecar is looked for beside it.
        head: the wanted output.
        window: rows and columns to try a network with that reads windows of any size.
        heads: the names of all outputs, where there are several.

    Raises:
        ConfigError: mistakes in the path, or in a sidecar that is there.
        MissingExtra: the runtime's library is not installed.
    """
    settings = checked(ModelSettings, {"path": path, "head": head})
    told, stated = with_notes(with_sidecar(settings), file)
    reads, returns, arithmetic, refusal = _found(file, told, window)
    text = sidecar_text(told, stated, reads, returns, arithmetic, heads)
    scaling = () if says_scaling(told, reads, arithmetic) else ("mean", "scale")
    missing = [key for key in ("classes", *scaling, "resolution") if getattr(told, key) is None]
    place, exists = sidecar_place(path)
    return Proposal(text, place, exists, tuple(missing), refusal)


def sidecar_text(
    told: ModelSettings,
    stated: Sequence[str],
    reads: Input | None,
    returns: Returned | None,
    arithmetic: Sequence[str],
    heads: Sequence[str] = (),
) -> str:
    """What a sidecar should say, as YAML: what only a person can tell stands in comments.

    Args:
        told: what is told about the model.
        stated: the keys of that which notes in its file tell.
        reads: what it reads; None: that could not be found out.
        returns: what it returns; likewise.
        arithmetic: what it does to pixels first, a phrase a step.
        heads: the names of all outputs, where there are several.
    """
    known = [] if reads is None else _input_lines(told, reads, arithmetic)
    lines = [f"# {Path(shown(told.path)).name}: what lies between pixels and this network"]
    if stated:
        lines.append(f"# the file itself says: {', '.join(stated)}")
    lines += [*_classes(told, returns), *known, *_output_lines(told, returns)]
    if len(heads) > 1:
        listed = ", ".join(heads)
        lines.append(_line("head", told.head, f"which output: {listed}"))
    return "\n".join(lines) + "\n"


def _found(
    file: ModelFile, told: ModelSettings, window: int
) -> tuple[Input | None, Returned | None, tuple[str, ...], str | None]:
    name = shown(told.path)
    reads, arithmetic = None, tuple[str, ...]()
    try:
        chosen = choose_runtime(told.runtime, file.format)
        graph = start_runtime(chosen, file, told.precision, 0, name).open(file, told.head)
        # Known rows and columns contradict a told size: it is told only where they are free.
        free = None in graph.signature.shape[1:] and told.input_size is None
        tried = told.model_copy(update={"input_size": window}) if free else told
        reads = fit_input(graph.signature, tried, name)
        facts = graph.facts()
        arithmetic = facts.arithmetic
        return reads, find_output(graph, facts, reads.steps, tried, name), arithmetic, None
    except ModelError as error:
        return reads, None, arithmetic, str(error)


def says_scaling(told: ModelSettings, reads: Input | None, arithmetic: Sequence[str]) -> bool:
    """Whether anything says which numbers a network wants: somebody, its graph, its input's type."""
    return bool(tells_scaling(told) or arithmetic or (reads is not None and reads.whole))


def scaling_untold(
    told: ModelSettings, stated: Sequence[str], reads: Input, returns: Returned
) -> ScalingUntold:
    """What to say where nothing does, with the sidecar that would; see :func:`sidecar_text`."""
    place, _ = sidecar_place(told.path)
    text = sidecar_text(told, stated, reads, returns, ())
    return ScalingUntold(
        shown(told.path),
        "nothing says which numbers it wants: pixels as they are (mean: 0, scale: 1) or, as it was "
        "trained, (pixel - mean) * scale. Only you can know: set mean and scale in the "
        f"configuration under model, or in its sidecar {shown(place)}, which may begin like "
        f"this:\n\n{text}",
    )


def _line(key: str, value: object, why: str, guess: object = None) -> str:
    """A key with its value; without a value a comment, which shows how it could look."""
    comment = f"  # {why}" if why else ""
    if value is not None:
        return f"{key}: {_yaml(value)}{comment}"
    return f"# {key}: {_yaml(guess)}{comment}" if guess is not None else f"# {key}:{comment}"


def _yaml(value: object) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    if isinstance(plain, str) and plain.isidentifier():
        return plain
    return json.dumps(plain, ensure_ascii=False)  # JSON is YAML


def _classes(told: ModelSettings, returns: Returned | None) -> list[str]:
    if returns is None:
        return [_line("classes", told.classes, "names in the order of the output, or a scheme")]
    count = len(returns.classes)
    why = f"{count} names in the order of the output, or a scheme (nlcd, nlcd6, nlcd3, cdl)"
    return [_line("classes", told.classes, why, [f"class {n}" for n in range(count)])]


def _input_lines(told: ModelSettings, reads: Input, arithmetic: Sequence[str]) -> list[str]:
    steps = reads.steps
    count = len(reads.bands)
    size = steps.size[0] if steps.size[0] == steps.size[1] else None
    lines = [
        _line("bands", reads.bands, f"reads {count}; which of the imagery's is your knowledge")
    ]
    if count >= 3:
        why = "or bgr, as networks of CNTK that were trained on its image reader want"
        lines.append(_line("channel_order", told.channel_order, why, "rgb"))
    if arithmetic and not tells_scaling(told):
        lines += [f"mean: 0  # {said(arithmetic)}", "scale: 1"]
    elif not reads.whole:
        lines += [
            _mean_line(told),
            _line("scale", told.scale, "1/256 is 0.00390625, 1/255 is 0.00392157", 1),
        ]
    if size is None:
        rows, columns = steps.size
        return [*lines, f"# input_size: the file fixes it at {rows} x {columns}"]
    return [*lines, _line("input_size", size, "rows and columns of its window, in pixels")]


def _mean_line(told: ModelSettings) -> str:
    if told.mean_image is not None:
        return _line("mean_image", told.mean_image, "subtracted from the pixels")
    why = "the network gets (pixel - mean) * scale; or mean_image: a mean file of CNTK's (.xml)"
    return _line("mean", told.mean, why, 0)


def _output_lines(told: ModelSettings, returns: Returned | None) -> list[str]:
    why = "metres a pixel that it was trained at"
    lines = [_line("resolution", told.resolution, why, 1.0)]
    if returns is None:
        return [
            *lines,
            _line("output", told.output, "tile or pixel"),
            _line(
                "activation",
                told.activation,
                "softmax or sigmoid where it ends in logits, else none",
            ),
        ]
    found = returns.output
    output = "pixel" if found.pixel else "tile"
    ends = "probabilities" if found.activation == "none" else "logits"
    lines += [
        _line("output", output, f"a label a {output}" + f", halo {found.halo}" * found.pixel),
        _line("activation", found.activation, f"it ends in {ends}"),
    ]
    if found.stride > 1:
        lines.append(_line("output_stride", found.stride, "pixels from one label to the next"))
    if found.form == "probability":
        why = "from which probability on the label is the second class"
        lines.append(_line("threshold", found.threshold, why))
    return lines
