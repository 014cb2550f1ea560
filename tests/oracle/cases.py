"""Random cases: imagery, a network, and what is asked of the two, all from one number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from oracle.drawing import Drawn, draw_scenes
from oracle.networks import ENDINGS, KINDS, PIXEL_KINDS, Network, Size
from oracle.scenes import Scene

# Copied from the NLCD legend and the groups of the 2017 guide, not from the package.
_SCHEMES = {
    "nlcd3": {20: "Developed", 80: "Cultivated", 100: "Undeveloped"},
    "nlcd6": {
        30: "Barren",
        40: "Forest",
        50: "Shrub",
        80: "Cultivated",
        70: "Herbaceous",
        20: "Developed",
    },
}


@dataclass(frozen=True, eq=False)
class Case:
    """One random case.

    Args:
        seed: it comes from.
        network: that is applied.
        scenes: in the order in which they are listed.
        bands: that the network reads, from 1, in its order.
        reverse: it gets the first three of them in reverse.
        mean: subtracted from each of them.
        scale: multiplied with after that.
        codes: of the classes, in its order.
        names: likewise.
        halo: pixels read around what a tile writes.
        stride: between tiles.
        resolution: metres a pixel; None: the scenes' own.
        sidecar: what stands beside the model's file.
        settings: further keys of the configuration, dotted.
        region: only tiles in it are scored, in the CRS of the scenes; None: all are.
        by_folder: scenes are not listed, but found in their folder, in the order of their names.
    """

    seed: int
    network: Network
    scenes: tuple[Scene, ...]
    bands: tuple[int, ...]
    reverse: bool
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    codes: tuple[int, ...]
    names: tuple[str, ...]
    halo: int
    stride: Size
    resolution: float | None
    sidecar: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    by_folder: bool = False
    region: shapely.Geometry | None = None

    @property
    def core(self) -> Size:
        """What a tile writes."""
        return self.network.window.less(self.halo)

    @property
    def backend(self) -> str:
        return str(self.settings["backend.name"])

    def in_memory(self) -> bool:
        """An array says all that the scene's file says, and nothing is asked but the model."""
        [first, *others] = self.scenes
        plain = first.mask is None and not (first.alpha or first.apart) and self.resolution is None
        own = self.halo == self.network.halo and self.stride == self.core
        return not others and plain and own and self.region is None

    def __str__(self) -> str:
        scenes = ", ".join(
            f"{s.name} {s.pixels.dtype} {s.pixels.shape} nodata {s.nodata}"
            f"{' mask' * (s.mask is not None)}{' alpha' * s.alpha}{' apart' * s.apart} {s.transform} {s.layout}"
            for s in self.scenes
        )
        asked = {**self.sidecar, **self.settings}
        ground = f"; region {self.region.wkt}" if self.region else ""
        return f"{self.network}; bands {self.bands}; {asked}; scenes: {scenes}{ground}"


def draw(seed: int) -> Case:
    """The case of a number."""
    rng = np.random.default_rng([2017, seed])
    drawn = draw_scenes(rng)
    single = bool(rng.random() < 0.15)
    names, codes, told = _classes(rng, single)
    network = _network(rng, drawn, len(codes), single)
    halo, stride, tiling = _tiling(rng, network)
    channels = _channels(rng, drawn, network)
    sidecar = {"classes": told, **channels.pop("sidecar"), **_told(rng, network)}
    settings = {**tiling, **_work(rng)}
    if drawn.resolution is not None:
        if rng.random() < 0.5:
            settings["source.resolution"] = drawn.resolution
        else:
            sidecar["resolution"] = drawn.resolution
    if not network.fixed:
        if rng.random() < 0.5:
            settings["source.tile"] = network.window.rows
        else:
            sidecar["input_size"] = network.window.rows
    by_folder = bool(rng.random() < 0.2) and not any(scene.apart for scene in drawn.scenes)
    named = sorted(drawn.scenes, key=lambda scene: scene.name)
    return Case(
        seed=seed,
        network=network,
        scenes=tuple(named) if by_folder else drawn.scenes,
        by_folder=by_folder,
        codes=codes,
        names=names,
        halo=halo,
        stride=stride,
        resolution=drawn.resolution,
        sidecar=sidecar,
        settings=settings,
        **channels,
    )


def _classes(
    rng: np.random.Generator, single: bool
) -> tuple[tuple[str, ...], tuple[int, ...], Any]:
    """Names, codes, and how the sidecar says them."""
    if single:
        return ("other", "water"), (0, 1), ["other", "water"]
    kind = rng.random()
    if kind < 0.5:
        scheme = str(rng.choice(list(_SCHEMES)))
        return tuple(_SCHEMES[scheme].values()), tuple(_SCHEMES[scheme]), scheme
    names = [f"class {i}" for i in range(int(rng.integers(2, 8)))]
    return tuple(names), tuple(range(len(names))), names


def _network(rng: np.random.Generator, drawn: Drawn, classes: int, single: bool) -> Network:
    kind = str(rng.choice(KINDS))
    fixed = kind == "flat" or bool(rng.random() < 0.5)
    reach = int(rng.integers(1, 3))
    rows = int(rng.integers(8, 25))
    oblong = fixed and rng.random() < 0.2
    cols = int(rng.integers(8, 25)) if oblong else rows
    if kind == "strided":
        rows, cols = (max(4, edge // (2 * reach)) * 2 * reach for edge in (rows, cols))
    several = ENDINGS[2:] if single else ENDINGS
    return Network(
        kind=kind,
        bands=int(rng.integers(1, drawn.bands + 1)),
        window=Size(rows, cols),
        classes=classes,
        ending=str(rng.choice(several, p=None if single else [0.4, 0.4, 0.1, 0.1])),
        single=single,
        threshold=float(rng.choice([0.5, 0.3, 0.75])) if single else 0.5,
        fixed=fixed,
        reach=reach,
        seed=int(rng.integers(2**31)),
    )


def _tiling(rng: np.random.Generator, network: Network) -> tuple[int, Size, dict[str, Any]]:
    """Halo, stride, and how the configuration says them."""
    window, least = network.window, network.halo
    edge = min(window)
    halo = least + int(rng.integers(0, max(1, edge // 2 - least - 1) // 2 + 1))
    core = window.less(halo)
    how = rng.random()
    if how < 0.5:
        return least, window.less(least), {}
    if network.pixel:
        said = {"source.halo": halo}
        if how >= 0.75 and core.rows == core.cols:
            said = {"source.stride": core.rows} | (said if how > 0.9 else {})
        return halo, core, said
    if how < 0.65:
        return halo, core, {"source.halo": halo}
    if how < 0.8:
        stride = int(rng.integers(edge // 2, edge + 1))
        return 0, Size(stride, stride), {"source.stride": stride}
    stride = int(rng.integers(max(1, min(core) // 2), min(core) + 1))
    return halo, Size(stride, stride), {"source.halo": halo, "source.stride": stride}


def _channels(rng: np.random.Generator, drawn: Drawn, network: Network) -> dict[str, Any]:
    """Bands, their order, means and scales; and how the sidecar says them."""
    count = network.bands
    plain = rng.random() < 0.4
    first = range(1, count + 1)
    bands = first if plain else rng.permutation(drawn.bands)[:count] + 1
    reverse = bool(count >= 3 and rng.random() < 0.5)
    if rng.random() < 0.3:
        mean = [round(drawn.middle, 3)] * count
        scale = [float(f"{1 / drawn.spread:.4g}")] * count
        said: dict[str, Any] = {"mean": mean[0], "scale": scale[0]}
    else:
        away = rng.normal(0, 0.3 * drawn.spread, count)
        mean = [round(drawn.middle + float(one), 3) for one in away]
        scale = [float(f"{one / drawn.spread:.4g}") for one in rng.uniform(0.5, 1.5, count)]
        said = {"mean": mean, "scale": scale}
    if not plain or rng.random() < 0.3:
        said["bands"] = [int(band) for band in bands]
    if reverse:
        said["channel_order"] = "bgr"
    numbers = tuple(int(band) for band in bands)
    values = {"mean": tuple(mean), "scale": tuple(scale), "reverse": reverse}
    return {"bands": numbers, **values, "sidecar": said}


def _told(rng: np.random.Generator, network: Network) -> dict[str, Any]:
    """What could be found out as well."""
    told: dict[str, Any] = {}
    left = {"logits": "softmax", "logits of sigmoid": "sigmoid"}.get(network.ending, "none")
    # A linear end is taken for logits: of a softmax, or of a sigmoid where there is one number.
    needed = left == "sigmoid" and not network.single
    if needed or rng.random() < 0.5:
        told["activation"] = left
    if network.threshold != 0.5:
        told["threshold"] = network.threshold
    if network.kind == "strided":
        told["halo"] = network.halo
    if rng.random() < 0.3:
        told["output"] = "pixel" if network.kind in PIXEL_KINDS else "tile"
    return told


def _work(rng: np.random.Generator) -> dict[str, Any]:
    """Who works, and in which portions."""
    name = str(rng.choice(["local", "dask", "spark"], p=[0.95, 0.035, 0.015]))
    portions: dict[str, Any] = {"source.task": int(rng.integers(1, 30))}
    if rng.random() < 0.9:
        portions["model.batch"] = int(rng.integers(1, 20))
    return {
        "backend.name": name,
        "backend.workers": int(rng.integers(1, 4)) if name == "local" else 2,
        "backend.threads": 1,
        "model.runtime": str(rng.choice(["auto", "onnxruntime", "openvino"])),
        "output.probabilities": bool(rng.random() < 0.5),
        **portions,
    }
