"""The made-up room with a handful of known views, and photographs of it that no view has seen."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from reloc.frame import Frame, RawFrame
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.places.index import PlaceIndex, build_index
from reloc.places.views import rendered_view
from reloc.synthetic.handheld import HandHeld
from reloc.synthetic.scene import make_room
from reloc.undistort import Undistorter
from tests.scenes import room

LENS = LensCamera(LensModel.PINHOLE, 320, 240, 270.0, 271.0, 158.0, 121.0, ())
VIEWS = 10
SECONDS_APART = 1.5


@cache
def mesh() -> TexturedMesh:
    return make_room()


def pose_at(second: float) -> SE3:
    """Return camera_from_world of the walk through the room."""
    return HandHeld(0).world_from_camera(second).inverse()


@cache
def index() -> PlaceIndex:
    """The index of views at every 1.5 s of the walk."""
    return build_index([partial(rendered_view, room(), pose_at(SECONDS_APART * number)) for number in range(VIEWS)])


def photograph(second: float, gain: float = 1.0) -> np.ndarray:
    """Return (240, 320, 3) what a camera would see at a moment of the walk, with some noise."""
    rendering = room().render(LENS.pinhole, pose_at(second))
    noise = np.random.default_rng(0).normal(0, 0.01, (240, 320, 1))
    return np.rint(255 * np.clip(gain * room().shade(rendering, color=True) + noise, 0, 1)).astype(np.uint8)


def frame(image: np.ndarray, ignore: np.ndarray | None = None) -> Frame:
    return Undistorter(LENS, working_width=320)(RawFrame(0, 0, image, "made", ignore))
