"""Where to look for the camera: at the prediction, or around it."""

from __future__ import annotations

from itertools import product

import numpy as np

from reloc.geometry.se3 import SE3

_TURNS_DEG = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0)


def neighbourhood(camera_from_world: SE3) -> list[SE3]:
    """Return the pose itself, then poses turned about the camera's own x and y axes, up to 9° each way.

    A sideways error of the position moves the image much as a turn does, so turns alone bring the image near enough for the
    coarsest level; the alignment there then tells the two apart. (Erroneous minima of local trackers are mostly such turns:
    Tian et al., "Large-displacement 3D object tracking with hybrid non-local optimization", ECCV 2022.)
    """
    turns = sorted(product(np.radians(_TURNS_DEG), repeat=2), key=lambda turn: turn[0] ** 2 + turn[1] ** 2)
    return [SE3.exp([0.0, 0.0, 0.0, pitch, yaw, 0.0]) @ camera_from_world for pitch, yaw in turns]
