"""What is known while a person picks points: the image, the view of the map beside it, and the pose that the pairs give."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer
from reloc.sinks.pictures import as_bytes, edge_overlay

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]

VIEW_CAMERA = PinholeCamera(640, 480, 553.0, 553.0, 319.5, 239.5)
"""The camera of the view of the map, 60° wide."""
FEWEST_PAIRS = 4
_TURN = math.radians(10)
# A step forward or aside, as a share of the depth in view.
_STEP = 0.12
# Motions of the camera by what a person calls them: (translation in depths, rotation) along its own axes.
_MOTIONS: dict[str, tuple[float, ...]] = {
    "forward": (0, 0, _STEP, 0, 0, 0),
    "back": (0, 0, -_STEP, 0, 0, 0),
    "left": (-_STEP, 0, 0, 0, 0, 0),
    "right": (_STEP, 0, 0, 0, 0, 0),
    "up": (0, -_STEP, 0, 0, 0, 0),
    "down": (0, _STEP, 0, 0, 0, 0),
    "turn left": (0, 0, 0, 0, -_TURN, 0),
    "turn right": (0, 0, 0, 0, _TURN, 0),
    "look up": (0, 0, 0, _TURN, 0, 0),
    "look down": (0, 0, 0, -_TURN, 0, 0),
    "roll left": (0, 0, 0, 0, 0, -_TURN),
    "roll right": (0, 0, 0, 0, 0, _TURN),
    "quarter turn": (0, 0, 0, 0, 0, math.pi / 2),
}
MOTIONS = tuple(_MOTIONS)


@dataclass(frozen=True, eq=False)
class Solved:
    """The pose that pairs give."""

    camera_from_world: SE3
    errors_px: Array
    """(N,) how far each point of the map falls from where it was seen, in pixels of the image."""


class PickingSession:
    """Holds the view and the last pose. Its methods may be called by several threads.

    Args:
        renderer: Draws the map.
        camera: The camera of the image.
        image: (H, W, 3) RGB, without distortion.
        views: Poses camera_from_world to begin at, at least one.
    """

    def __init__(self, renderer: Renderer, camera: PinholeCamera, image: Picture, views: Sequence[SE3]) -> None:
        self._renderer, self.camera, self.image = renderer, camera, image
        self.views = tuple(views)
        self._lock = threading.Lock()
        self._view = self.views[0]
        self._depth = 1.0
        self.solved: Solved | None = None

    def show(self, number: int) -> None:
        """Look from the known view of that number. Raises `ValueError` where there is none."""
        if not 0 <= number < len(self.views):
            raise ValueError(f"there are {len(self.views)} views")
        with self._lock:
            self._view = self.views[number]

    def move(self, motion: str) -> None:
        """Move the camera of the view. Raises `ValueError` for a motion that is not among `MOTIONS`."""
        if motion not in _MOTIONS:
            raise ValueError(f"the motions are {', '.join(MOTIONS)}")
        depth = self._median_depth()
        with self._lock:
            step = np.array(_MOTIONS[motion])
            step[:3] *= depth
            self._view = SE3.exp(-step) @ self._view

    def picture(self) -> Picture:
        """Return (480, 640, 3) the map as seen from the view."""
        return self._drawn(VIEW_CAMERA, self._current())[0]

    def thumbnail(self, number: int, width: int = 160) -> Picture:
        """Return a small picture (·, width, 3) of a known view. Raises `ValueError` where there is none."""
        if not 0 <= number < len(self.views):
            raise ValueError(f"there are {len(self.views)} views")
        camera = VIEW_CAMERA.area_scaled(width, round(width * VIEW_CAMERA.height / VIEW_CAMERA.width))
        return self._drawn(camera, self.views[number])[0]

    def point(self, u: float, v: float) -> Array | None:
        """Return (3,) what of the map is seen at a pixel of the view, in the world; None where there is nothing."""
        view = self._current()
        column, row = round(u), round(v)
        if not (0 <= column < VIEW_CAMERA.width and 0 <= row < VIEW_CAMERA.height):
            return None
        depth = float(self._renderer.render(VIEW_CAMERA, view).depth[row, column])
        if depth <= 0:
            return None
        in_camera = VIEW_CAMERA.unproject(np.array([[u, v]])) * depth
        return np.asarray(view.inverse().apply(in_camera)[0])

    def solve(self, pixels: Array, points_in_world: Array) -> Solved:
        """Return the pose that makes points (N, 3) fall onto pixels (N, 2), and keep it.

        By SQPnP (Terzakis and Lourakis, ECCV 2020), which needs no start and takes planes as well, then least squares of the
        distances in the image. Raises `ValueError` for fewer than four pairs or pairs that no camera could have seen.
        """
        if len(pixels) < FEWEST_PAIRS:
            raise ValueError(f"at least {FEWEST_PAIRS} pairs are needed, found {len(pixels)}")
        matrix = self.camera.matrix
        try:
            found, rotation, translation = cv2.solvePnP(points_in_world, pixels, matrix, None, flags=cv2.SOLVEPNP_SQPNP)
            if found:
                rotation, translation = cv2.solvePnPRefineLM(points_in_world, pixels, matrix, None, rotation, translation)
        except cv2.error:
            found = False
        pose = SE3(cv2.Rodrigues(rotation)[0], translation.ravel()) if found else SE3.identity()
        in_camera = pose.apply(points_in_world)
        if not (found and pose.is_finite and (in_camera[:, 2] > 0).all()):
            raise ValueError("no camera sees these points so: are two pairs mixed up, or all points on one line?")
        solved = Solved(pose, np.linalg.norm(self.camera.project(in_camera) - pixels, axis=1))
        with self._lock:
            self.solved = solved
        return solved

    def overlay(self) -> Picture | None:
        """Return the image (H, W, 3) with the edges of the map on it as the last pose has them; None before there is one."""
        solved = self.solved
        if solved is None:
            return None
        drawn, covered = self._drawn(self.camera, solved.camera_from_world)
        return edge_overlay(self.image, drawn, covered)

    def _current(self) -> SE3:
        with self._lock:
            return self._view

    def _median_depth(self) -> float:
        """Return the median depth of what is in view; the last one where that is nothing."""
        rendering = self._renderer.render(VIEW_CAMERA.area_scaled(48, 36), self._current())
        if rendering.covered.any():
            self._depth = float(np.median(rendering.depth[rendering.covered]))
        return self._depth

    def _drawn(self, camera: PinholeCamera, pose: SE3) -> tuple[Picture, NDArray[np.bool_]]:
        rendering = self._renderer.render(camera, pose)
        return as_bytes(self._renderer.shade(rendering, color=True)), rendering.covered
