"""The optimisation of an outline for people to see: the map as it moves onto the mask, and how the overlap grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from reloc.align.outline import Outline, outline_of_rendering, overlap
from reloc.commands.film import chosen_steps, curve, write_film, write_picture
from reloc.commands.mask_overlay import MaskPicture, difference, outlined
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer
from reloc.sinks import pictures
from reloc.sinks.pictures import Picture

_WIDTH_PX = 480


def write_mask_animation(path: Path, way: Sequence[SE3], picture: MaskPicture, renderer: Renderer) -> None:
    """Write the way of a solver, poses camera_from_world, as GIF or MP4 after the name."""
    small, chosen = _small(picture), chosen_steps(len(way))
    outlines = [outline_of_rendering(renderer.render(small.camera, way[step])) for step in chosen]
    missing = [1 - _overlap(small, outline) for outline in outlines]
    frames = [
        _frame(small, outline, missing[: number + 1], missing, f"step {chosen[number]} of {len(way) - 1}")
        for number, outline in enumerate(outlines)
    ]
    write_film(path, frames)


def write_mask_stages(path: Path, way: Sequence[SE3], picture: MaskPicture, renderer: Renderer) -> None:
    """Write start, end and target side by side, as PNG or JPEG after the name."""
    small = _small(picture)
    start, end = (outline_of_rendering(renderer.render(small.camera, pose)) for pose in (way[0], way[-1]))
    captions = [f"start, IoU {_overlap(small, start):.3f}", f"end, IoU {_overlap(small, end):.3f}", "target"]
    nothing = np.empty(0, np.int64), np.empty(0, np.int64)
    row = [outlined(small, start.rim), outlined(small, end.rim), outlined(small, nothing)]
    write_picture(path, pictures.side_by_side(row, captions))


def _small(picture: MaskPicture) -> MaskPicture:
    """Return the picture at the size of a film."""
    height, width = picture.mask.shape
    if width <= _WIDTH_PX:
        return picture
    camera = picture.camera.area_scaled(_WIDTH_PX, round(height * _WIDTH_PX / width))
    background, mask = (
        cv2.resize(one.astype(np.float32), (camera.width, camera.height), interpolation=cv2.INTER_AREA)
        for one in (picture.background, picture.mask)
    )
    return replace(picture, camera=camera, background=background, mask=mask >= 0.5)


def _overlap(picture: MaskPicture, outline: Outline) -> float:
    return overlap(Outline(picture.mask, np.ones_like(picture.mask)), outline)


def _frame(picture: MaskPicture, outline: Outline, so_far: Sequence[float], all_of_them: Sequence[float], step: str) -> Picture:
    """Return the outline of the map on the mask, where the two differ, and the curve up to now, in one row."""
    height, width = picture.mask.shape
    drawn = curve(so_far, all_of_them, (width * 3 // 4, height))
    captions = [f"mask, and outline of the map, {step}", "blue: only mask, orange: only map", f"1 - IoU: {so_far[-1]:.4f}"]
    return pictures.side_by_side([outlined(picture, outline.rim), difference(picture.mask, outline.inside), drawn], captions)
