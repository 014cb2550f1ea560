"""Maps over imagery: classes in their colours, and below them, in grey, what they were made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_OPAQUE = 0.55  # of a class over what lies below
_GREY = (0.299, 0.587, 0.114)  # luma of red, green and blue (ITU-R BT.601)


def over_imagery(
    colors: npt.NDArray[np.uint8], known: npt.NDArray[np.bool_], imagery: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Lay a map over imagery, which is shown in grey, so that all colour is that of a class.

    Args:
        colors: of the map, dims (y, x, rgb).
        known: where it has a class, dims (y, x).
        imagery: dims (y, x, rgb).

    Returns:
        dims (y, x, rgb); the imagery alone where there is no class.
    """
    grey: npt.NDArray[Any] = (imagery @ np.array(_GREY))[..., None]
    opaque = np.where(known, _OPAQUE, 0.0)[..., None]
    mixed: npt.NDArray[np.uint8] = np.rint(colors * opaque + grey * (1 - opaque)).astype(np.uint8)
    return mixed
