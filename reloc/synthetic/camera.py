"""A made-up real camera: it renders through a lens, exposes for a while, drifts, flickers and is noisy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.errors import CalibrationError
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer

Light = NDArray[np.float32]

# A wider lens than this, in pixels of the ideal image per pixel of the lens, is no longer sensibly drawn on a plane.
_LARGEST_WIDENING = 12.0


@dataclass(frozen=True)
class Imperfections:
    """What keeps a camera's images from equalling a rendering. All zero and one sub-exposure: a perfect camera."""

    exposure_s: float = 0.012
    """How long the shutter is open."""
    sub_exposures: int = 3
    """How many renderings are averaged over that time, each offset by a part of a pixel against stairs at edges."""
    drift: float = 0.2
    """The gain drifts within 1 ± this over some seconds."""
    flicker: float = 0.02
    """Standard deviation of the gain from frame to frame."""
    noise: float = 0.01
    """Standard deviation of the noise on intensities in 0..1."""


def demo_lens(width: int = 640, height: int = 480) -> LensCamera:
    """Return a lens as of a webcam: 64° wide, with barrel distortion and a principal point off the middle."""
    focal = 0.8 * width
    center = (0.497 * width, 0.508 * height)
    return LensCamera(LensModel.OPENCV, width, height, focal, 0.998 * focal, *center, (-0.11, 0.06, 0.0008, -0.0006))


class SyntheticCamera:
    """Photographs what a renderer draws, through a lens. The same seed and index give the same image to the last bit."""

    def __init__(self, renderer: Renderer, lens: LensCamera, imperfections: Imperfections, seed: int) -> None:
        self._renderer = renderer
        self._imperfections = imperfections
        self._seed = seed
        self._drift_phase = float(np.random.default_rng([seed, 2]).uniform(0, 2 * np.pi))
        self._ideal, self._map = _ideal_view(lens)

    def photograph(self, index: int, time_s: float, world_from_camera: Callable[[float], SE3]) -> NDArray[np.uint8]:
        """Return the RGB image (H, W, 3) whose exposure has its middle at `time_s`; poses are asked for by the second."""
        light: Light = np.zeros((*self._map.shape[:2], 3), dtype=np.float32)
        count, exposure_s = self._imperfections.sub_exposures, self._imperfections.exposure_s
        for number in range(count):
            offset_s = ((number + 0.5) / count - 0.5) * exposure_s
            light += self._instant(world_from_camera(time_s + offset_s), _offset_px(number, count))
        light /= np.float32(count)
        return self._developed(light, np.random.default_rng([self._seed, 3, index]), time_s)

    def _instant(self, world_from_camera: SE3, offset_px: tuple[float, float]) -> Light:
        """Return the noiseless image of an instant, sampled from an ideal one whose pixel grid lies `offset_px` off."""
        right, down = offset_px
        ideal = self._ideal
        shifted = PinholeCamera(ideal.width, ideal.height, ideal.fx, ideal.fy, ideal.cx + right, ideal.cy + down)
        rendering = self._renderer.render(shifted, world_from_camera.inverse())
        picture = self._renderer.shade(rendering, color=True)
        lookup = self._map + np.array([right, down], dtype=np.float32)
        return np.asarray(cv2.remap(picture, lookup, None, cv2.INTER_LINEAR))

    def _developed(self, light: Light, rng: np.random.Generator, time_s: float) -> NDArray[np.uint8]:
        imperfections = self._imperfections
        drift = imperfections.drift * np.sin(2 * np.pi * time_s / 7 + self._drift_phase)
        gain = (1 + drift) * (1 + imperfections.flicker * rng.standard_normal())
        noise = np.float32(imperfections.noise) * rng.standard_normal(light.shape, dtype=np.float32)
        image: NDArray[np.uint8] = np.rint(255 * np.clip(light * np.float32(gain) + noise, 0, 1)).astype(np.uint8)
        return image


def _ideal_view(lens: LensCamera) -> tuple[PinholeCamera, NDArray[np.float32]]:
    """Return a pinhole camera that sees all that the lens sees, and (H, W, 2) where in its image each pixel of the lens is.

    Raises `CalibrationError` for a lens too wide for a plane.
    """
    rays = lens.unproject(np.stack(np.meshgrid(np.arange(lens.width), np.arange(lens.height)), axis=-1))
    x, y = lens.fx * rays[..., 0], lens.fy * rays[..., 1]
    left, top = (int(np.floor(np.nanmin(axis))) - 2 for axis in (x, y))
    right, bottom = (int(np.ceil(np.nanmax(axis))) + 2 for axis in (x, y))
    width, height = right - left + 1, bottom - top + 1
    if width * height > _LARGEST_WIDENING * lens.width * lens.height:
        raise CalibrationError(f"The lens is too wide to be rendered: a plane of {width} × {height} pixels would be needed")
    pixels = np.stack([x - left, y - top], axis=-1)
    camera = PinholeCamera(width, height, lens.fx, lens.fy, float(-left), float(-top))
    return camera, np.nan_to_num(pixels, nan=-10.0).astype(np.float32)


def _offset_px(number: int, count: int) -> tuple[float, float]:
    """Return an offset within half a pixel; `count` of them spread evenly (points of a rank-1 lattice)."""
    return (number + 0.5) / count - 0.5, (number * 0.618034) % 1.0 - 0.5
