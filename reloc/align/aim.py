"""Where to begin with a mask: poses from which the map lies about where the mask does, of about its size and direction.

A camera that is turned away by some degrees sees the object somewhere else, or not at all, which no outline can repair. But where
the mask is says how to turn, and how large it is says how far to go. What then is left is from which side the object is seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reloc.align.mask_views import MaskLevel
from reloc.align.outline import outline_of_rendering, overlap
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_exp
from reloc.render.renderer import Renderer, Rendering

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ROUNDS = 3
"""Going nearer moves the middle of an outline, and turning changes its size: after three times either hardly moves any more."""
_SIZE_STEP = 2.0
"""How much nearer or further one round may go: what is half out of view says little about its size."""
_ORBITS_DEG = ((0.0, 0.0), (-15.0, 0.0), (15.0, 0.0), (0.0, -15.0), (0.0, 15.0))
"""Pitch and yaw to other sides of the object, around the guess: as far off as one that is wrong by a quarter of the distance."""


def aimed_poses(renderer: Renderer, level: MaskLevel, guess: SE3, center: Array, most: int) -> list[SE3]:
    """Return the guess camera_from_world, and poses aimed at the mask from around it, the best of them first.

    Args:
        renderer: Draws the map.
        level: The mask at a coarse level.
        guess: Where the camera may be.
        center: (3,) the middle of the map, in the world.
        most: How many aimed poses to return.
    """
    looks = []
    for pitch, yaw in _ORBITS_DEG:
        aimed = _aimed(renderer, level, _orbited(guess, center, np.radians([pitch, yaw, 0.0])), center)
        looks += [aimed, renderer.render(level.camera, _rolled(level, aimed))]
    looks.sort(key=lambda look: -overlap(level.outline, outline_of_rendering(look)))
    return [guess, *(look.camera_from_world for look in looks[:most])]


def _orbited(camera_from_world: SE3, center: Array, turn: Array) -> SE3:
    """Return a pose from which the map has turned about its middle."""
    middle = camera_from_world.apply(center)
    rotation = rotation_exp(turn)
    return SE3(rotation, middle - rotation @ middle) @ camera_from_world


def _aimed(renderer: Renderer, level: MaskLevel, pose: SE3, center: Array) -> Rendering:
    """Turn the camera until the map is where the mask is, and move it until it is as large; return what it then sees."""
    target = _ray_to(level.camera, level.outline.inside)
    rendering = renderer.render(level.camera, _turned(pose.apply(center), target) @ pose)
    for _ in range(_ROUNDS):
        covered = rendering.covered
        if not covered.any():
            break
        nearer = np.sqrt(np.count_nonzero(covered) / level.outline.area)
        step = (np.clip(nearer, 1 / _SIZE_STEP, _SIZE_STEP) - 1.0) * float(np.median(rendering.depth[covered]))
        turned = _turned(_ray_to(level.camera, covered), target) @ rendering.camera_from_world
        rendering = renderer.render(level.camera, SE3(np.eye(3), step * target) @ turned)
    return rendering


def _rolled(level: MaskLevel, look: Rendering) -> SE3:
    """Turn the camera about the line of sight until the map is longest in the same direction as the mask."""
    if not look.covered.any():
        return look.camera_from_world
    angle = _direction(level.outline.inside) - _direction(look.covered)
    smaller = (angle + np.pi / 2) % np.pi - np.pi / 2  # which of its ends is which, a length does not tell
    target = _ray_to(level.camera, level.outline.inside)
    return SE3(rotation_exp(smaller * target / np.linalg.norm(target)), np.zeros(3)) @ look.camera_from_world


def _turned(here: Array, there: Array) -> SE3:
    """Return the smallest turn of the camera that brings one direction (3,) onto another."""
    a, b = here / np.linalg.norm(here), there / np.linalg.norm(there)
    axis = np.cross(a, b)
    sine = float(np.linalg.norm(axis))
    angle = np.arctan2(sine, a @ b)
    return SE3(rotation_exp(axis / max(sine, 1e-12) * angle), np.zeros(3))


def _ray_to(camera: PinholeCamera, inside: Mask) -> Array:
    """Return the ray (3,), z = 1, to the centroid of a region."""
    rows, columns = np.nonzero(inside)
    return camera.unproject(np.array([columns.mean(), rows.mean()]))


def _direction(inside: Mask) -> float:
    """Return the angle in radians, from u towards v, of the direction in which a region is longest, from its second moments."""
    rows, columns = np.nonzero(inside)
    moments = np.cov(np.stack([columns, rows]))
    return float(0.5 * np.arctan2(2 * moments[0, 1], moments[0, 0] - moments[1, 1]))
