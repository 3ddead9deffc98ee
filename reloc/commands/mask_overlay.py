"""A picture of an alignment of masks: the object's mask and the outline of the map, at the beginning and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.align.outline import outline_of_rendering
from reloc.commands.film import write_picture
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
    write_picture(path, np.concatenate(padded))


def _row(view: MaskPicture, renderer: Renderer) -> Picture:
    start, end = (outline_of_rendering(renderer.render(view.camera, pose)) for pose in (view.start, view.end))
    captions = [f"{view.name}: mask, map at the start", "map at the end", "blue: only mask, orange: only map"]
    row = [outlined(view, start.rim), outlined(view, end.rim), difference(view.mask, end.inside)]
    return pictures.side_by_side(row, captions)


def difference(mask: Mask, drawn: Mask) -> Picture:
    """Return a picture of where a mask and the map as it is drawn agree, and where only one of them is."""
    result = np.full((*mask.shape, 3), pictures.BACKGROUND, np.uint8)
    for where, color in ((mask & drawn, _BOTH), (mask & ~drawn, _ONLY_MASK), (~mask & drawn, _ONLY_MAP)):
        result[where] = color
    return result


def outlined(view: MaskPicture, rim: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Picture:
    """Return the image with the mask tinted and the outline drawn two pixels wide."""
    grey = pictures.as_bytes(np.repeat(view.background[:, :, None], 3, axis=2))
    tint = np.where(view.mask[..., None], np.array(_MASK_TINT, np.uint8), grey).astype(np.uint8)
    result = np.asarray(cv2.addWeighted(grey, 0.55, tint, 0.45, 0.0), np.uint8)
    line = np.zeros(view.mask.shape, np.uint8)
    line[rim] = 1
    result[cv2.dilate(line, np.ones((2, 2), np.uint8)) > 0] = pictures.EDGE_COLOR
    return result
