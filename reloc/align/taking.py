"""The map as the camera takes it: blurred by motion or out of focus, cut off where it is too bright, darkened by its tone curve.

A rendering is sharp and has no brightest white. Where the image differs from it in this way, the finest levels compare what
cannot be alike: edges with their smear, the texture of a wall with the white that the sensor has made of it. What the camera has
done is measured near the pose, in the image, and then done to the rendering.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.config import AlignConfig
from reloc.align.exposure import neutral_exposure
from reloc.align.keyframe import Keyframe, pick_references
from reloc.align.layers import Kind, Layer, Layers, build_layers
from reloc.align.photometric import PhotometricTerm, ReferencePoints, Samples
from reloc.align.probes import AT_LIMIT, GRID_PX, channels_last, share_at_limits
from reloc.align.problem import Unknowns
from reloc.align.tone import image_tone
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]
Image = NDArray[np.float32]

LEVELS = 2
"""So many of the finest levels are drawn anew: what the camera did is smaller than the pixels of the others, or nearly."""
_LEAST_CUT = 0.15
"""What the sensor cuts off of the map's intensities, at least, to matter,"""
_LEAST_SHARE = 0.02
"""and the share of pixels at the limit,"""
_EXPLAINED = 0.5
"""and the share of them, less false alarms, that an intensity of the rendering must tell from the others."""
_BINS = 256
_BLURRED = 0.5
"""Blur is looked for where the image is less than this share as steep as the rendering, along u or v."""
_SIDES_PX = (1, 3, 5, 7, 9, 11, 13, 17, 21, 27, 35)
"""Sides of the box that are tried, in pixels of the finest level."""
_WORSE = 0.002
"""Longer boxes are not tried once the likeness has fallen by so much."""
_LEAST_LIKENESS = 0.3
"""What correlates less with the map, however blurred, shows something else."""
_POINTS_IF_BLURRED = 2
"""How many times as many points are aligned where each says less."""
_LEAST_WEIGHT = 0.3
"""A box is averaged where the map covers at least this share of it."""


@dataclass(frozen=True)
class Taking:
    """What a camera has done to what it saw."""

    blur_px: tuple[int, int] = (1, 1)
    """Sides along u and v of the box over which a pixel of the finest level is the mean of the rendering."""
    tone: float = 1.0
    """The exponent (gamma) of the image's intensities over the rendering's."""
    limits: tuple[tuple[float, float], ...] = ()
    """Of each channel the intensities of the rendering below and above which the sensor saw no difference; empty for none."""

    @property
    def is_plain(self) -> bool:
        """Whether the image shows the map as the rendering does."""
        return self == Taking()


def measured_taking(keyframe: Keyframe, frame: Layers, pose: SE3) -> Taking:
    """Return what the camera has done to the map, if the frame was taken from a pose camera_from_world or close to it."""
    if frame.kind is not Kind.LOCAL or not len(keyframe.references[0][frame.kind]):
        return Taking()  # raw intensities leave it to the solver to find what light and sensor have made of them
    return Taking(_blur(keyframe, frame, pose), image_tone(keyframe, frame, pose), _limits(keyframe, frame, pose))


def as_taken(keyframe: Keyframe, taking: Taking, config: AlignConfig) -> Keyframe:
    """Return the keyframe with the references of the finest levels as the camera would have taken them."""
    covered = keyframe.rendering.covered
    picture = channels_last(_blurred(keyframe.layers.image, covered, taking.blur_px))
    if taking.limits:
        darkest, brightest = np.array(taking.limits, dtype=np.float32).T
        picture = np.clip(picture, darkest, brightest)
    if taking.tone != 1.0:
        picture = np.maximum(picture, np.float32(0)) ** np.float32(taking.tone)
    layers = build_layers(picture.reshape(keyframe.layers.image.shape), covered, keyframe.rendering.camera, config, most=LEVELS)
    points = config.points * (1 if taking.blur_px == (1, 1) else _POINTS_IF_BLURRED)
    anew = pick_references(layers, keyframe.allowed, keyframe.rendering, replace(config, points=points))
    return replace(keyframe, references=(*anew, *keyframe.references[len(anew) :]))


def _blurred(picture: Image, covered: NDArray[np.bool_], sides_px: tuple[int, int]) -> Image:
    """Return the mean of what is covered under a box of these sides around each covered pixel."""
    if sides_px == (1, 1):
        return picture
    share = cv2.blur(covered.astype(np.float32), sides_px)
    enough = covered & (share >= _LEAST_WEIGHT)
    share[~enough] = 1.0
    known = channels_last(picture) * covered[:, :, None]
    total = channels_last(np.asarray(cv2.blur(known, sides_px), dtype=np.float32))
    shown = np.where(enough[:, :, None], total / share[:, :, None], channels_last(picture))
    return np.asarray(shown, dtype=np.float32).reshape(picture.shape)


# The limits of the sensor


def _limits(keyframe: Keyframe, frame: Layers, pose: SE3) -> tuple[tuple[float, float], ...]:
    """Return the intensities of the rendering at which the sensor came to its limits, by channel; empty where it did not."""
    drawn, image = channels_last(keyframe.layers.image), channels_last(frame.image)
    # Most images are no whiter than the rendering, and need no count.
    rendering = keyframe.rendering
    share = share_at_limits(frame.image)
    if share < _LEAST_SHARE or share - keyframe.probes.limited_share < _LEAST_SHARE:
        return ()
    motion = pose @ keyframe.camera_from_world.inverse()
    counts = np.zeros((drawn.shape[2], 3, _BINS))
    camera = rendering.camera.intrinsics
    _count(drawn, rendering.depth, image, np.ascontiguousarray(motion.rotation), motion.translation, camera, counts)
    found = tuple((1.0 - _cut(dark[::-1], (free + bright)[::-1]), _cut(bright, free + dark)) for free, dark, bright in counts)
    return () if all(limits == (0.0, 1.0) for limits in found) else found


def _cut(limited: Array, others: Array) -> float:
    """Return the intensity above which pixels are at the limit rather than not, from their numbers by intensity; 1 for none."""
    told_apart = np.cumsum((limited - others)[::-1])[::-1]
    best, total = int(np.argmax(told_apart)), limited.sum()
    is_rare = total < _LEAST_SHARE * (total + others.sum())
    if is_rare or told_apart[best] < _EXPLAINED * total or best > (1 - _LEAST_CUT) * _BINS:
        return 1.0
    return best / _BINS


@njit(cache=True, nogil=True, error_model="numpy")
def _count(drawn, depth, image, rotation, translation, intrinsics, counts):  # type: ignore[no-untyped-def]
    """Count, for each channel and intensity of the rendering, the pixels that in the image are in range, black, white."""
    fx, fy, cx, cy = intrinsics
    height, width, channels = image.shape
    bins = counts.shape[2]
    for row in range(GRID_PX // 2, depth.shape[0], GRID_PX):
        for column in range(GRID_PX // 2, depth.shape[1], GRID_PX):
            z = np.float64(depth[row, column])
            if z <= 0.0:
                continue
            x, y = (column - cx) / fx * z, (row - cy) / fy * z
            in_front = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + translation[2]
            if in_front <= 0.0:
                continue
            u = fx * (rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + translation[0]) / in_front + cx
            v = fy * (rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + translation[1]) / in_front + cy
            if not (u >= 0.0 and v >= 0.0 and u <= width - 1 and v <= height - 1):
                continue
            for channel in range(channels):
                here = image[int(v + 0.5), int(u + 0.5), channel]
                state = 1 if abs(here) <= AT_LIMIT else 2 if abs(here - 1.0) <= AT_LIMIT else 0
                intensity = min(max(int(drawn[row, column, channel] * bins), 0), bins - 1)
                counts[channel, state, intensity] += 1


# Blur


def _blur(keyframe: Keyframe, frame: Layers, pose: SE3) -> tuple[int, int]:
    """Return the sides of the box, along u and v, under which the rendering looks most like the image at the finest level."""
    layer, reference = frame.at(0, frame.kind), keyframe.references[0][frame.kind]
    steepness = _steepness(layer, keyframe.probes.points, pose)
    if not steepness.min() < _BLURRED:
        return 1, 1
    samples = _sampled(layer, reference, pose)
    seen = ~np.isnan(samples.residual).any(axis=1)
    found = (reference.value + samples.residual)[seen]
    rendering = keyframe.rendering
    where = rendering.camera.project(rendering.camera_from_world.apply(reference.in_world[seen]))
    columns, rows = np.rint(where).astype(np.int64).T
    drawn = np.nan_to_num(keyframe.layers.at(0, frame.kind).values)
    sides = [1, 1]
    for axis in np.argsort(steepness).tolist():
        most = -1.0
        for side in _SIDES_PX:
            tried = (side, sides[1]) if axis == 0 else (sides[0], side)
            blurred = channels_last(np.asarray(cv2.blur(drawn, tried)))
            likeness = _correlation(blurred[rows, columns].ravel(), found.ravel())
            if likeness < most - _WORSE:
                break
            if likeness > most:
                most, sides[axis] = likeness, side
    return (sides[0], sides[1]) if most >= _LEAST_LIKENESS else (1, 1)


def _sampled(layer: Layer, points: ReferencePoints, pose: SE3) -> Samples:
    unknowns = Unknowns.at(pose, neutral_exposure(points.value.shape[1]))
    return PhotometricTerm(points, layer.values, layer.camera).sample(unknowns)


def _steepness(layer: Layer, points: ReferencePoints, pose: SE3) -> Array:
    """Return (2,) how steep the image is along u and v at the points, for its contrast, in shares of the rendering."""
    samples, steepness = _sampled(layer, points, pose), np.zeros(2)
    _compare_steepness(layer.values, samples.pixel, samples.residual, points.value, points.gradient, steepness)
    return steepness


def _correlation(a: Array, b: Array) -> float:
    """Return Pearson's correlation; 0 where one of them is flat."""
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _compare_steepness(image, pixel, residual, value, gradient, steepness):  # type: ignore[no-untyped-def]
    """Write the result of `_steepness`."""
    height, width, channels = image.shape
    spread = np.zeros(2)
    slope = np.zeros((2, 2))
    for i in range(len(pixel)):
        if np.isnan(residual[i, 0]):
            continue
        column, row = int(pixel[i, 0] + 0.5), int(pixel[i, 1] + 0.5)
        column, row = min(max(column, 1), width - 2), min(max(row, 1), height - 2)
        for c in range(channels):
            along_u = 0.5 * (image[row, column + 1, c] - image[row, column - 1, c])
            along_v = 0.5 * (image[row + 1, column, c] - image[row - 1, column, c])
            if np.isnan(along_u + along_v):
                continue
            found = value[i, c] + residual[i, c]
            spread[0] += found * found
            spread[1] += value[i, c] * value[i, c]
            slope[0, 0] += along_u * along_u
            slope[0, 1] += along_v * along_v
            slope[1, 0] += gradient[i, c, 0] * gradient[i, c, 0]
            slope[1, 1] += gradient[i, c, 1] * gradient[i, c, 1]
    for axis in range(2):
        steepness[axis] = np.sqrt(slope[0, axis] / slope[1, axis] * spread[1] / spread[0])
