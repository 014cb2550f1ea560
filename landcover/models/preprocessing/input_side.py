"""What a network reads: which bands in which order and layout, which window, which numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landcover.config import ModelSettings, PerBand
from landcover.errors import ModelError, WindowUntold
from landcover.models.formats.sizes import MOST_READ, check_size, numbers_in
from landcover.models.preprocessing.mean_image import MeanImage, read_mean_image
from landcover.models.preprocessing.specification import Signature, Size, Steps

# Spectrometers have some hundreds.
_MOST_BANDS = 10_000


@dataclass(frozen=True)
class Input:
    """What a network reads.

    Args:
        bands: of the imagery, in the order in which they are given.
        steps: the steps before the network.
        whole: it reads whole numbers, and so pixels as they are.
        mean_image: the file that the steps has its mean image from.
    """

    bands: tuple[int | str, ...]
    steps: Steps
    whole: bool
    mean_image: MeanImage | None = None


def fit_input(signature: Signature, told: ModelSettings, shown: str) -> Input:
    """Bring together what a network's input says of itself and what is told about it.

    Raises:
        ModelError: they contradict each other, or something is neither told nor found.
    """
    try:
        layout = signature.layout(len(told.bands) if told.bands else None)
    except ValueError as error:
        raise ModelError(shown, str(error)) from None
    check_size(numbers_in(signature.shape), "its input", shown, MOST_READ)
    where = {"NCHW": (1, 2, 3), "NHWC": (3, 1, 2), "NHW": (None, 1, 2)}[layout]
    count, height, width = (1 if at is None else signature.shape[at] for at in where)
    bands = _bands(count, told, shown)
    mean = _per_band("mean", told.mean, 0.0, len(bands), shown)
    scale = _per_band("scale", told.scale, 1.0, len(bands), shown)
    size = _size((height, width), told.input_size, shown)
    order = network_order(len(bands), told.channel_order or "rgb")
    image = _mean_image(told, (len(bands), *size), shown)
    pixels = None if image is None else image.for_bands(order)
    steps = Steps(layout, size, mean, scale, order, mean_image=pixels)
    # Of bfloat16 NumPy does not know that it is float.
    whole = np.dtype(signature.dtype).kind in "biu"
    if whole and (steps.shifts or steps.scales):  # fractions would be cut off
        reason = f"reads {signature.dtype}, which mean and scale would turn into fractions"
        raise ModelError(shown, f"{reason}: take them out of the sidecar or the configuration")
    return Input(bands, steps, whole, image)


def network_order(bands: int, channel_order: str) -> tuple[int, ...]:
    """For each band of the network, which of the bands given it is.

    Args:
        bands: how many there are.
        channel_order: "bgr" reverses the first three; others, such as near infrared, stay.
    """
    if channel_order == "rgb":
        return tuple(range(bands))
    return (2, 1, 0, *range(3, bands))


def _bands(count: int | None, told: ModelSettings, shown: str) -> tuple[int | str, ...]:
    if (count or 0) > _MOST_BANDS:
        raise ModelError(shown, f"reads {count:,} bands; the most is {_MOST_BANDS:,}")
    if told.bands is None and count is None:
        raise ModelError(shown, "does not say how many bands it reads: set model.bands")
    bands = tuple(told.bands) if told.bands is not None else tuple(range(1, (count or 0) + 1))
    if count is not None and len(bands) != count:
        named = ", ".join(map(str, bands))
        raise ModelError(
            shown,
            f"reads {count} bands, but {len(bands)} are named ({named}): correct 'bands' in the "
            "sidecar or the configuration",
        )
    if told.channel_order == "bgr" and len(bands) < 3:
        reason = f"channel_order 'bgr' needs three bands, it reads {len(bands)}: take it out"
        raise ModelError(shown, reason)
    return bands


def _per_band(
    key: str, value: PerBand | None, default: float, bands: int, shown: str
) -> tuple[float, ...]:
    if value is None or isinstance(value, (int, float)):
        return (default if value is None else float(value),) * bands
    if len(value) != bands:
        reason = f"reads {bands} bands, but {key} has {len(value)} numbers: give one, or one a band"
        raise ModelError(shown, reason)
    return tuple(map(float, value))


def _mean_image(told: ModelSettings, wanted: tuple[int, int, int], shown: str) -> MeanImage | None:
    if told.mean_image is None:
        return None
    if told.mean is not None:
        raise ModelError(shown, "both mean and mean_image are told: one of them must go")
    image = read_mean_image(told.mean_image)
    if image.pixels.shape != wanted:
        reads, has = (f"{b} bands of {y} x {x} pixels" for b, y, x in (wanted, image.pixels.shape))
        reason = f"reads {reads}, but its mean_image has {has}: name its own, or give mean instead"
        raise ModelError(shown, reason)
    return image


def _size(found: tuple[int | None, int | None], told: int | None, shown: str) -> Size:
    for one in found:
        if told is not None and one is not None and one != told:
            raise ModelError(
                shown,
                f"reads windows of {_text(found)} pixels, but input_size (source.tile) is {told}: "
                "take it out",
            )
    height, width = (told if one is None else one for one in found)
    if height is None or width is None:
        reason = f"reads windows of any size ({_text(found)}): set model.input_size"
        raise WindowUntold(shown, reason)
    return height, width


def _text(size: tuple[int | None, int | None]) -> str:
    return " x ".join("any" if one is None else str(one) for one in size)
