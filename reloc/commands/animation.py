"""The optimisation for people to see: the map as it moves onto the image, and how the difference falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.align.exposure import matched_exposure
from reloc.commands.film import chosen_steps, curve, write_film, write_picture
from reloc.estimate import Estimate, Exposure
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer
from reloc.sinks import pictures
from reloc.sinks.pictures import Picture

_WIDTH_PX = 480
_CLIP = 0.2


@dataclass(frozen=True, eq=False)
class _Moment:
    """How the map looks from one pose on the way."""

    rendering: Picture
    """Exposed like the image."""
    covered: NDArray[np.bool_]
    difference: float
    """Mean squared difference of intensities 0..1, clipped at 0.2², over what the map covers."""


def write_animation(path: Path, way: Sequence[SE3], estimate: Estimate, renderer: Renderer) -> None:
    """Write the way of a solver, poses camera_from_world, as GIF or MP4 after the name."""
    chosen = chosen_steps(len(way))
    image, moments = _moments([way[i] for i in chosen], estimate, renderer)
    differences = [moment.difference for moment in moments]
    frames = [
        _frame(image, moment, differences[: number + 1], differences, chosen[number], len(way) - 1)
        for number, moment in enumerate(moments)
    ]
    write_film(path, frames)


def write_stages(path: Path, way: Sequence[SE3], estimate: Estimate, renderer: Renderer) -> None:
    """Write start, end and target side by side, as PNG or JPEG after the name."""
    image, (start, end) = _moments([way[0], way[-1]], estimate, renderer)
    captions = [f"start, difference {start.difference:.4f}", f"end, difference {end.difference:.4f}", "target"]
    write_picture(path, pictures.side_by_side([start.rendering, end.rendering, image], captions))


def _moments(poses: Sequence[SE3], estimate: Estimate, renderer: Renderer) -> tuple[Picture, list[_Moment]]:
    """Return the image, small, and the map from each pose."""
    camera, full = estimate.frame.rectify()
    width = min(_WIDTH_PX, full.shape[1])
    camera = camera.area_scaled(width, round(full.shape[0] * width / full.shape[1]))
    image = np.asarray(cv2.resize(full, (camera.width, camera.height), interpolation=cv2.INTER_AREA), np.uint8)
    moments = []
    for pose in poses:
        rendering = renderer.render(camera, pose)
        drawn, covered = renderer.shade(rendering, color=True), rendering.covered
        values, wanted = drawn[covered].astype(np.float64), image[covered] / 255.0
        exposure = matched_exposure(wanted, values)
        gain, bias = exposure[0::2], exposure[1::2]
        squares = np.minimum((gain * values + bias - wanted) ** 2, _CLIP**2)
        exposed = pictures.exposed(pictures.as_bytes(drawn), Exposure(gain, bias))
        exposed[~covered] = pictures.BACKGROUND
        moments.append(_Moment(exposed, covered, float(squares.mean()) if squares.size else _CLIP**2))
    return image, moments


def _frame(
    image: Picture, moment: _Moment, so_far: Sequence[float], all_of_them: Sequence[float], step: int, steps: int
) -> Picture:
    """Return the edges of the map on the image, the map itself, and the curve up to now, in one row."""
    edges = pictures.edge_overlay(image, moment.rendering, moment.covered)
    drawn = curve(so_far, all_of_them, (image.shape[1] * 3 // 4, image.shape[0]))
    captions = ["edges of the map on the image", f"the map, step {step} of {steps}", f"difference {so_far[-1]:.4f}"]
    return pictures.side_by_side([edges, moment.rendering, drawn], captions)
