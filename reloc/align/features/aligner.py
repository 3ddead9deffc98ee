"""Levenberg-Marquardt on intensities and deep features together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.align.aligner import Aligner, Alignment
from reloc.align.config import AlignConfig
from reloc.align.features.config import FeaturesConfig
from reloc.align.features.term import Directions, FeatureTerm, feature_points, feature_term
from reloc.align.features.vgg import VggFeatures, halvings
from reloc.align.keyframe import Keyframe
from reloc.align.layers import Kind, Layers, image_pyramid
from reloc.align.photometric import ReferencePoints
from reloc.align.trace import Trace
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Reference:
    """The features of a view of the map, one entry a layer of the network."""

    directions: list[Directions]
    points: list[ReferencePoints]


class FeatureAligner:
    """Aligns frames by intensities and features. The features of the latest view and the latest frame are kept.

    Args:
        config: How to compare features.
        align: How to align.
        features: The network.
        renderer: Draws the map.
        trace: Who wants to know of every step.
    """

    def __init__(
        self, config: FeaturesConfig, align: AlignConfig, features: VggFeatures, renderer: Renderer, trace: Trace | None = None
    ) -> None:
        self._config, self._align, self._features = config, align, features
        self._renderer, self._trace = renderer, trace
        self._reference: tuple[Keyframe, _Reference | None] | None = None
        self._frame: tuple[Layers, list[Image]] | None = None

    def align(
        self,
        keyframe: Keyframe,
        frame: Layers,
        guesses: Sequence[SE3],
        *,
        uncertainty_px: float = math.inf,
        doubtful: bool = False,
    ) -> Alignment:
        """Return the best alignment that any guess leads to."""
        aligner = Aligner(self._align, beside=self._terms(keyframe, frame, guesses[0]), trace=self._trace)
        return aligner.align(keyframe, frame, guesses, uncertainty_px=uncertainty_px, doubtful=doubtful)

    def _terms(self, keyframe: Keyframe, frame: Layers, guess: SE3) -> list[FeatureTerm]:
        """Return a term for each layer of the network; none where the view shows nothing."""
        level = _level(frame, self._config.width_px)
        layer_of_frame = frame.at(level, Kind.INTENSITY)
        camera = layer_of_frame.camera
        reference = self._reference_of(keyframe, level, camera, color=layer_of_frame.values.shape[2] == 3)
        if reference is None:
            return []
        return [
            feature_term(points, directions(image), _pooled(camera, layer), guess, self._config.clip, self._config.share)
            for layer, image, directions, points in zip(
                self._features.layers, self._frame_features(frame, level), reference.directions, reference.points, strict=True
            )
        ]

    def _reference_of(self, keyframe: Keyframe, level: int, camera: PinholeCamera, *, color: bool) -> _Reference | None:
        if self._reference is None or self._reference[0] is not keyframe:
            self._reference = keyframe, self._looked_at(keyframe, level, camera, color=color)
        return self._reference[1]

    def _looked_at(self, keyframe: Keyframe, level: int, camera: PinholeCamera, *, color: bool) -> _Reference | None:
        """Return the features of a view, in grey where the frames are."""
        rendering = keyframe.rendering
        in_world = keyframe.references[level][Kind.INTENSITY].in_world
        if len(in_world) == 0:
            return None
        drawn = self._renderer.shade(rendering, color=color)
        picture, covered, _ = image_pyramid(drawn, rendering.covered, rendering.camera, level + 1)[level]
        # What the map does not cover is given its mean colour: an edge of full contrast would reach far into the features.
        filled = np.where(covered[:, :, None], picture.reshape(*covered.shape, -1), picture[covered].mean(axis=0))
        directions, points = [], []
        for layer, features in zip(self._features.layers, self._of(filled), strict=True):
            turned = Directions.of(features, _shrunk(covered, features.shape[:2]), self._config.channels)
            directions.append(turned)
            points.append(feature_points(in_world, turned(features), _pooled(camera, layer), keyframe.camera_from_world))
        return _Reference(directions, points)

    def _frame_features(self, frame: Layers, level: int) -> list[Image]:
        """Return the features (H, W, C) of each layer, NaN where the image is not valid."""
        if self._frame is None or self._frame[0] is not frame:
            values = frame.at(level, Kind.INTENSITY).values
            valid: Mask = np.logical_not(np.isnan(values).any(axis=2))
            mean = values[valid].mean(axis=0) if valid.any() else np.zeros(values.shape[2])
            found = self._of(np.where(valid[:, :, None], values, mean))
            self._frame = frame, [np.where(_shrunk(valid, f.shape[:2])[:, :, None], f, np.float32(np.nan)) for f in found]
        return self._frame[1]

    def _of(self, picture: Image) -> list[Image]:
        """Return the features (H, W, C) of a picture (H, W, 1 or 3), one for each layer."""
        import torch

        rgb = np.broadcast_to(picture, (*picture.shape[:2], 3))
        with torch.no_grad():
            found = self._features(torch.from_numpy(np.moveaxis(rgb, 2, 0).astype(np.float32)))
        return [np.ascontiguousarray(features.permute(1, 2, 0).cpu().numpy()) for features in found]


def _level(frame: Layers, width_px: int) -> int:
    """Return the finest level of raw intensities that is at most so wide, or the coarsest."""
    levels = [level for level in range(len(frame)) if Kind.INTENSITY in frame.kinds_at(level)]
    return next((level for level in levels if frame.at(level, Kind.INTENSITY).camera.width <= width_px), levels[-1])


def _pooled(camera: PinholeCamera, layer: str) -> PinholeCamera:
    """Return the camera of a layer's features: each pooling averages the area of two by two pixels, and drops an odd one."""
    for _ in range(halvings(layer)):
        even_width, even_height = camera.width // 2 * 2, camera.height // 2 * 2
        whole = PinholeCamera(even_width, even_height, camera.fx, camera.fy, camera.cx, camera.cy)
        camera = whole.area_scaled(even_width // 2, even_height // 2)
    return camera


def _shrunk(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Return a mask (H, W) at the size of a layer, true where all that is pooled into a pixel is."""
    while mask.shape != tuple(shape):
        height, width = mask.shape[0] // 2, mask.shape[1] // 2
        mask = np.asarray(mask[: 2 * height, : 2 * width].reshape(height, 2, width, 2).all(axis=(1, 3)))
    return mask
