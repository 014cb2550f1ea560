"""Which code computes here: landcover's own, and the libraries beside it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import landcover
from landcover import backends


@cache
def own_code() -> str:
    """landcover's version and a digest of its modules: checkouts of one version differ."""
    digest = hashlib.sha256()
    # In a checkout the backends lie elsewhere, behind a link that is not followed.
    for name, package in (("landcover", landcover), ("backends", backends)):
        folder = Path(str(package.__file__)).resolve().parent
        for path in sorted(folder.rglob("*.py")):
            place = path.relative_to(folder)
            if place.parts[0] != "backends":
                digest.update(f"{name}/{place.as_posix()}".encode() + path.read_bytes())
    return f"{versioned('landcover')} ({digest.hexdigest()[:8]})"


# Distributions that bring the same library under another name: its code answers alike.
_OTHERS = {"onnxruntime": ("onnxruntime-gpu",), "tensorflow": ("tensorflow-cpu",)}


@cache
def version_of(name: str) -> str | None:
    """The version of a library; None where it is not installed.

    Args:
        name: of its distribution; builds for GPUs may be called otherwise, and count as well.
    """
    for one in (name, *_OTHERS.get(name, ())):
        try:
            return version(one)
        except PackageNotFoundError:
            continue
    return None


def versioned(name: str) -> str:
    """A distribution with its version, such as "numpy 2.4.6".

    Args:
        name: of the distribution, installed or not.
    """
    found = version_of(name)
    return f"{name} (of unknown version)" if found is None else f"{name} {found}"
