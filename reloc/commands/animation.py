"""The optimisation for people to see: the map as it moves onto the image, and how the difference falls."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.align.exposure import matched_exposure
from reloc.errors import OutputError
from reloc.estimate import Estimate, Exposure
from reloc.files import write_atomically
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer
from reloc.sinks import pictures
from reloc.sinks.pictures import Picture

_SUFFIXES = (".gif", ".mp4")
_WIDTH_PX = 480
_MOST_FRAMES = 60
_FRAMES_A_SECOND = 12
_HOLD_FRAMES = 18
"""So long the last picture stands."""
_CLIP = 0.2
_CURVE, _AXIS, _TEXT = (0, 200, 120), (90, 94, 102), (235, 235, 235)


def check_animation_path(path: Path) -> None:
    """Raise `OutputError` where the name asks for a format that is not written."""
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"an animation can be written as {', '.join(_SUFFIXES)}; found `{path.suffix}`", path)


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
    chosen = np.unique(np.linspace(0, len(way) - 1, _MOST_FRAMES).round().astype(int))
    image, moments = _moments([way[i] for i in chosen], estimate, renderer)
    differences = [moment.difference for moment in moments]
    frames = [
        _frame(image, moment, differences[: number + 1], differences, int(chosen[number]), len(way) - 1)
        for number, moment in enumerate(moments)
    ]
    frames += [frames[-1]] * _HOLD_FRAMES
    write_atomically(path, _gif(frames) if path.suffix.lower() == ".gif" else _mp4(frames))


def write_stages(path: Path, way: Sequence[SE3], estimate: Estimate, renderer: Renderer) -> None:
    """Write start, end and target side by side, as PNG or JPEG after the name."""
    image, (start, end) = _moments([way[0], way[-1]], estimate, renderer)
    captions = [f"start, difference {start.difference:.4f}", f"end, difference {end.difference:.4f}", "target"]
    row = pictures.side_by_side([start.rendering, end.rendering, image], captions)
    write_atomically(path, cv2.imencode(path.suffix.lower(), cv2.cvtColor(row, cv2.COLOR_RGB2BGR))[1].tobytes())


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
    curve = _curve(so_far, all_of_them, (image.shape[1] * 3 // 4, image.shape[0]))
    captions = ["edges of the map on the image", f"the map, step {step} of {steps}", f"difference {so_far[-1]:.4f}"]
    return pictures.side_by_side([edges, moment.rendering, curve], captions)


def _curve(so_far: Sequence[float], all_of_them: Sequence[float], size: tuple[int, int]) -> Picture:
    """Return a picture (H, W, 3) of the given size (width, height): the whole curve faintly, what has been in full colour."""
    width, height = size
    result = np.full((height, width, 3), pictures.BACKGROUND, np.uint8)
    left, right, top, bottom = 56, width - 12, 16, height - 24
    highest = max(max(all_of_them), 1e-9)

    def places(values: Sequence[float]) -> NDArray[np.int32]:
        x = left + np.arange(len(values)) * (right - left) / max(len(all_of_them) - 1, 1)
        y = bottom - np.array(values) / highest * (bottom - top)
        return np.stack([x, y], axis=1).round().astype(np.int32)

    for share in (0.0, 0.5, 1.0):
        y = round(bottom - share * (bottom - top))
        cv2.line(result, (left, y), (right, y), _AXIS, 1)
        cv2.putText(result, f"{share * highest:.3f}", (6, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _TEXT, 1, cv2.LINE_AA)
    cv2.polylines(result, [places(all_of_them)], isClosed=False, color=_AXIS, thickness=1, lineType=cv2.LINE_AA)
    cv2.polylines(result, [places(so_far)], isClosed=False, color=_CURVE, thickness=2, lineType=cv2.LINE_AA)
    cv2.circle(result, places(so_far)[-1].tolist(), 4, _CURVE, -1, cv2.LINE_AA)
    return result


def _gif(frames: Sequence[Picture]) -> bytes:
    from PIL import Image

    # One palette for all, of the first and the last picture, or colours would flicker.
    palette = Image.fromarray(np.concatenate([frames[0], frames[-1]])).quantize(256)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=1000 // _FRAMES_A_SECOND, loop=0)
    return file.getvalue()


def _mp4(frames: Sequence[Picture]) -> bytes:
    import av

    file = io.BytesIO()
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(_FRAMES_A_SECOND))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "20"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()
