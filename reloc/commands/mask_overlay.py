"""A picture of an alignment of masks: the object's mask and the outline of the map, at the beginning and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.align.outline import outline_of_rendering
from reloc.files import write_atomically
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer
from reloc.sinks import pictures

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_MASK_TINT = (70, 130, 240)
_BOTH, _ONLY_MASK, _ONLY_MAP = (60, 66, 76), (70, 130, 240), (250, 150, 60)


@dataclass(frozen=True, eq=False)
class MaskPicture:
    """What is drawn of one camera."""

    name: str
    camera: PinholeCamera
    background: NDArray[np.float32]
    """(H, W) luminance of the image in 0..1, or zeros."""
    mask: Mask
    """(H, W), true on the object."""
    start: SE3
    """camera_from_world at the beginning,"""
    end: SE3
    """and at the end; both as the map is to be rendered, its scale in them."""


def write_mask_overlay(path: Path, views: Sequence[MaskPicture], renderer: Renderer) -> None:
    """Write, one row a camera: the outline at the start, at the end, and where mask and map differ."""
    rows = [_row(view, renderer) for view in views]
    width = max(row.shape[1] for row in rows)
    padded = [
        cv2.copyMakeBorder(row, 0, 8, 0, width - row.shape[1], cv2.BORDER_CONSTANT, value=pictures.BACKGROUND) for row in rows
    ]
    picture = np.concatenate(padded)
    data = cv2.imencode(path.suffix.lower(), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    write_atomically(path, data.tobytes())


def _row(view: MaskPicture, renderer: Renderer) -> Picture:
    start, end = (renderer.render(view.camera, pose) for pose in (view.start, view.end))
    difference = np.full((*view.mask.shape, 3), pictures.BACKGROUND, np.uint8)
    for where, color in (
        (view.mask & end.covered, _BOTH),
        (view.mask & ~end.covered, _ONLY_MASK),
        (~view.mask & end.covered, _ONLY_MAP),
    ):
        difference[where] = color
    captions = [f"{view.name}: mask, map at the start", "map at the end", "blue: only mask, orange: only map"]
    drawn = [_outlined(view, outline_of_rendering(look).rim) for look in (start, end)]
    return pictures.side_by_side([*drawn, difference], captions)


def _outlined(view: MaskPicture, rim: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Picture:
    """Return the image with the mask tinted and the outline drawn two pixels wide."""
    grey = pictures.as_bytes(np.repeat(view.background[:, :, None], 3, axis=2))
    tint = np.where(view.mask[..., None], np.array(_MASK_TINT, np.uint8), grey).astype(np.uint8)
    result = np.asarray(cv2.addWeighted(grey, 0.55, tint, 0.45, 0.0), np.uint8)
    line = np.zeros(view.mask.shape, np.uint8)
    line[rim] = 1
    result[cv2.dilate(line, np.ones((2, 2), np.uint8)) > 0] = pictures.EDGE_COLOR
    return result
