"""Known views: an image of the map whose pose is known, and how far away everything in it is. Rendered, or photographed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.frame import Frame
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer

VIEW_CAMERA = PinholeCamera(480, 360, 415.0, 415.0, 239.5, 179.5)
"""The camera of rendered views, 60° wide. Photographs and queries are scaled to about the same pixels per degree."""
_LEAST_WIDTH_PX = 320


@dataclass(frozen=True, eq=False)
class View:
    """An image with a pose and a depth."""

    camera: PinholeCamera
    camera_from_world: SE3
    image: NDArray[np.uint8]
    """(H, W) grey."""
    depth: NDArray[np.float32]
    """(H, W) along z, 0 where the map covers nothing."""
    valid: NDArray[np.bool_]
    """(H, W), where the image shows something."""


def rendered_view(renderer: Renderer, camera_from_world: SE3, camera: PinholeCamera = VIEW_CAMERA) -> View:
    """Return the map as seen from a pose."""
    rendering = renderer.render(camera, camera_from_world)
    image = to_bytes(renderer.shade(rendering, color=False))
    return View(camera, camera_from_world, image, rendering.depth, rendering.covered)


def photographed_view(renderer: Renderer, frame: Frame, camera_from_world: SE3) -> View:
    """Return a photograph with the depth that the map has there."""
    camera, image, valid = query_image(frame)
    rendering = renderer.render(camera, camera_from_world)
    return View(camera, camera_from_world, image, rendering.depth, valid & rendering.covered)


def query_image(frame: Frame) -> tuple[PinholeCamera, NDArray[np.uint8], NDArray[np.bool_]]:
    """Return camera, grey image (H, W) and valid pixels of a frame, at about the pixels per degree of the rendered views.

    Made from the full image: that which the alignment works on is too small for local features. It is never enlarged.
    """
    camera, rgb = frame.rectify()
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, max(VIEW_CAMERA.fx / camera.fx, _LEAST_WIDTH_PX / camera.width))
    width, height = round(camera.width * scale), round(camera.height * scale)
    small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    valid = cv2.resize(frame.valid.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return camera.area_scaled(width, height), small, valid.astype(np.bool_)


def to_bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return an image in 0..1 as one in 0..255."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
