"""Where to look for the camera: at the prediction, around it, or wherever in the map the image looks like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Protocol, runtime_checkable

import numpy as np

from reloc.frame import Frame
from reloc.geometry.se3 import SE3

_WIDER_DEG = ((0.0, 0.0), (0.0, 15.0), (0.0, -15.0), (15.0, 0.0), (-15.0, 0.0))
_TURNS_DEG = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0)
SPACING_RAD = math.radians(3.0)
"""How far the poses of a neighbourhood are turned from one another."""


def neighbourhood(camera_from_world: SE3, reach_rad: float = math.inf) -> list[SE3]:
    """Return the pose itself, then poses turned about the camera's own x and y axes, up to 9° each way and no further than asked.

    A sideways error of the position moves the image much as a turn does, so turns alone bring the image near enough for the
    coarsest level; the alignment there then tells the two apart. (Erroneous minima of local trackers are mostly such turns:
    Tian et al., "Large-displacement 3D object tracking with hybrid non-local optimization", ECCV 2022.)
    """
    return [turn @ camera_from_world for angle, turn in _turns() if angle <= reach_rad]


@cache
def _turns() -> tuple[tuple[float, SE3], ...]:
    """Return the turns of a neighbourhood, and by how many radians they turn, the smallest first."""
    turns = sorted(product(np.radians(_TURNS_DEG), repeat=2), key=lambda turn: math.hypot(*turn))
    return tuple((math.hypot(pitch, yaw), SE3.exp([0.0, 0.0, 0.0, pitch, yaw, 0.0])) for pitch, yaw in turns)


def searched_next(camera_from_world: SE3, tries: int) -> SE3:
    """Return around where to look next for a camera that was lost at a pose and not found there in so many tries.

    There, then turned to the left, the right, up and down, over and over: with the neighbourhood of each, all that a camera sees
    that was turned by up to 24° meanwhile, or went as far as moves the image alike.
    """
    pitch, yaw = np.radians(_WIDER_DEG[tries % len(_WIDER_DEG)])
    return SE3.exp([0.0, 0.0, 0.0, pitch, yaw, 0.0]) @ camera_from_world


@dataclass(frozen=True, eq=False)
class PlaceGuess:
    """Where an image may have been taken."""

    camera_from_world: SE3
    support: int
    """How many features of the image agree with the pose; 0 for a pose that is no more than a place to begin."""


@runtime_checkable
class Places(Protocol):
    """Knows the whole map, and so has an idea of where an image was taken when nothing else is known."""

    def guesses(self, frame: Frame) -> Sequence[PlaceGuess]:
        """Return at least one pose at which a frame may have been taken, the likeliest first."""
        ...
