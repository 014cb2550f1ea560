"""What is wrong with a configuration, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

import yaml
from pydantic import BaseModel

_LONGEST = 200  # characters of a value that is told


def place_of(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """What is wrong with a YAML file, and in which line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).splitlines()[0]


def keys_of(kind: type[BaseModel]) -> str:
    """The sections that a configuration of some kind may have, for messages."""
    return ", ".join(name for name in kind.model_fields if name != "failures")


def _known(section: Sequence[Any], whole: type[BaseModel]) -> Iterable[str]:
    """The keys of a section of the configuration, or of the configuration itself."""
    fields = whole.model_fields
    for key in section:
        kind = fields[str(key)].annotation
        kinds = [one for one in (kind, *get_args(kind)) if isinstance(one, type)]
        inner = [one for one in kinds if issubclass(one, BaseModel)]
        if not inner:
            return ()
        fields = inner[0].model_fields
    return fields


def near(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, as the end of a sentence; empty if none is near."""
    matches = get_close_matches(word, list(known), 1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def sentence(error: Any, kind: type[BaseModel]) -> str:
    """What one error of pydantic's says of a configuration of some kind, in a sentence."""
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{where}: no such key{near(str(error['loc'][-1]), _known(error['loc'][:-1], kind))}"
    if error["type"] == "missing":
        return f"{where}: is missing"
    if "input" in error and not isinstance(error["input"], Mapping):
        message += f" (found {_short(repr(error['input']))})"
    return f"{where}: {message}" if where else message


def _short(text: str) -> str:
    """The beginning of a text that is too long for a sentence."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
