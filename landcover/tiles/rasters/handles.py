"""The scenes that a thread has open, and reads inside them, resampled where that is asked."""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict

from landcover.tiles.gdal import address, gdal_settings
from landcover.tiles.grid import Rectangle
from landcover.tiles.rasters.arrays import ArrayScene
from landcover.tiles.rasters.reader import MaskedPixels, SceneReader, open_scene
from landcover.tiles.rasters.resampling import Axis, resample
from landcover.tiles.rasters.scene import Scene

_KEPT = 8  # open scenes a thread; a task reads one, a run's tasks move on through the scenes


def read_inside(scene: Scene, window: Rectangle) -> MaskedPixels:
    """Read a rectangle that lies inside a scene, in pixels of its grid.

    Raises:
        OSError: (one of FAILURES) if the file cannot be read.
    """
    if isinstance(scene, ArrayScene):
        return scene.read(window)
    with gdal_settings(address(scene.files[0]), scene.bare):
        return _read(_handles.get(scene), window)


def reopen(scene: Scene) -> None:
    """Open a scene anew in this thread, after a failure.

    Raises:
        OSError: (one of FAILURES) if that fails, too.
    """
    with gdal_settings(address(scene.files[0]), scene.bare):
        _handles.forget(scene)
        _handles.get(scene)


def forget(scene: Scene) -> None:
    """Close a scene in this thread, so that the next read opens it anew."""
    _handles.forget(scene)


def _read(opened: SceneReader, window: Rectangle) -> MaskedPixels:
    scene, ys, xs = opened.scene, (window.row0, window.row1), (window.col0, window.col1)
    if scene.native:
        return opened.read(ys, xs)
    height, width = opened.size
    own = opened.datasets[0].transform
    vertical = Axis(scene.grid.height, height, scene.transform[4] / own.e)
    horizontal = Axis(scene.grid.width, width, scene.transform[0] / own.a)
    return resample(opened.read, vertical, horizontal, ys, xs)


class _Handles(threading.local):
    """The scenes that this thread has open, the one used last at the end."""

    def __init__(self) -> None:
        self.process, self.kept = os.getpid(), OrderedDict[Scene, SceneReader]()

    def get(self, scene: Scene) -> SceneReader:
        if self.process != os.getpid():  # a fork must not share file positions with its parent
            self.process, self.kept = os.getpid(), OrderedDict()
        if scene not in self.kept:
            self.kept[scene] = open_scene(scene)
            if len(self.kept) > _KEPT:
                self.kept.popitem(last=False)[1].close()
        self.kept.move_to_end(scene)
        return self.kept[scene]

    def forget(self, scene: Scene) -> None:
        opened = self.kept.pop(scene, None)
        if opened is not None:
            opened.close()

    def close(self) -> None:
        while self.kept:
            self.kept.popitem()[1].close()


_handles = _Handles()
# Files that are read through Python must be closed while Python can still do that.
atexit.register(_handles.close)
