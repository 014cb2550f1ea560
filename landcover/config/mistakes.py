"""What is wrong with a configuration, in sentences."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from landcover.errors import ConfigError
from landcover.redaction import redacted_values, shortened

_LONGEST = 200  # characters of a value that is told
_OPTIONAL = ("failures", "precision_check")  # sections that hardly anyone needs


@contextmanager
def told_of(config: object) -> Iterator[None]:
    """Say in which file a setting stands that turns out to be wrong after all were read.

    Args:
        config: the file's path; anything else: the settings came as arguments.

    Raises:
        ConfigError: one that was raised inside, of which a setting was all that it named.
    """
    try:
        yield
    except ConfigError as error:
        # What was named by a path says itself where it stands.
        if not isinstance(config, (str, os.PathLike)) or "/" in error.origin:
            raise
        mistakes = [f"{error.origin}: {mistake}" for mistake in error.mistakes]
        raise ConfigError(mistakes, os.fspath(config)) from error


def place_of(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """What is wrong with a YAML file, and in which line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        # A password that begins with "!" is a tag to YAML, which it would show.
        tagged = "tag" in str(error.problem)
        problem = "text that begins with '!' must be in quotes" if tagged else error.problem
        return f"line {error.problem_mark.line + 1}: {problem}"
    return str(error).splitlines()[0]


def keys_of(kind: type[BaseModel]) -> str:
    """The sections that a configuration of some kind may have, for messages."""
    return ", ".join(name for name in kind.model_fields if name not in _OPTIONAL)


def _place(keys: Sequence[Any], whole: type[BaseModel]) -> tuple[list[str], Iterable[str]]:
    """A place in a configuration as its file has it, and the keys that are known there.

    Of sections that are of one of several kinds pydantic names the kind as if it were a key.
    """
    shown: list[str] = []
    fields, kinds = whole.model_fields, dict[str, type[BaseModel]]()
    for key in map(str, keys):
        if key in kinds:
            fields, kinds = kinds[key].model_fields, {}
            continue
        shown.append(key)
        if key not in fields:  # of a mapping by names of one's own, whose values are sections
            continue
        inner = _sections(fields[key].annotation)
        kinds = {_kind(one): one for one in inner} if len(inner) > 1 else {}
        fields = inner[0].model_fields if len(inner) == 1 else {}
    return shown, fields


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """The kinds of section that an annotation allows."""
    kinds = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
    return [one for one in kinds if issubclass(one, BaseModel)]


def _kind(section: type[BaseModel]) -> str:
    """The name by which a kind of section is chosen."""
    name = section.model_fields.get("name")
    return str(next(iter(get_args(name.annotation)), "")) if name else ""


def near(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, as the end of a sentence; empty if none is near."""
    matches = get_close_matches(word, list(known), 1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def sentence(error: Any, kind: type[BaseModel]) -> str:
    """What one error of pydantic's says of a configuration of some kind, in a sentence."""
    shown, _ = _place(error["loc"], kind)
    where = ".".join(shown)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        _, known = _place(error["loc"][:-1], kind)
        return f"{where}: no such key{near(shown[-1], known)}"
    if error["type"].startswith("union_tag"):
        return f"{where}.name: must be one of {error['ctx'].get('expected_tags', 'its kinds')}"
    if error["type"] == "missing":
        return f"{where}: is missing"
    if error["type"] == "string_unicode":
        message = "is not UTF-8, as all that a configuration holds: rename it, or name its folder or a pattern"
    if "input" in error and not isinstance(error["input"], Mapping):
        found = redacted_values(error["input"], shown[-1] if shown else "")
        message += f" (found {shortened(repr(found), _LONGEST)})"
    return f"{where}: {message}" if where else message
