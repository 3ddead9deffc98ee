"""Pictures of frames for the page: the image with the map's edges on it, and the map beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reloc.estimate import Exposure, Verdict
from reloc.evaluate.frames import RunFrames
from reloc.frame import RawFrame
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer
from reloc.sinks import pictures
from reloc.sinks.pictures import Picture
from reloc.undistort import Undistorter

CAPTIONS = ("the image, with the map’s edges as seen from the estimated pose", "the map from there")
_WIDTH_PX = 560


@dataclass(frozen=True, eq=False)
class View:
    """An image and what the map looks like from where the run put the camera."""

    image: Picture
    """Undistorted."""
    rendering: Picture
    """With the exposure that the run found, where it found one."""
    covered: pictures.Mask


def view_of(raw: RawFrame, frames: RunFrames, row: int, undistorter: Undistorter, renderer: Renderer, width_px: int) -> View:
    """Return the image of a frame and the map from the pose in a row of the run's table, both `width_px` wide at most."""
    camera, image = undistorter(raw).rectify()
    if camera.width > width_px:
        camera = camera.area_scaled(width_px, max(1, round(camera.height * width_px / camera.width)))
        image = np.asarray(cv2.resize(image, (camera.width, camera.height), interpolation=cv2.INTER_AREA), np.uint8)
    pose = SE3.from_quaternion(frames.quaternions[row], frames.translations[row])
    rendering = renderer.render(camera, pose.inverse())
    drawn = pictures.as_bytes(renderer.shade(rendering, color=True))
    gain, bias = frames.exposure["gain"][row], frames.exposure["bias"][row]
    if np.isfinite([gain, bias]).all():
        drawn = pictures.exposed(drawn, Exposure(np.array([gain]), np.array([bias])))
        drawn[~rendering.covered] = 0
    return View(image, drawn, rendering.covered)


def page_pictures(
    raw: RawFrame, frames: RunFrames, row: int, undistorter: Undistorter, renderer: Renderer
) -> tuple[Picture, ...]:
    """Return the pictures of a frame, one for each of `CAPTIONS`."""
    view = view_of(raw, frames, row, undistorter, renderer, _WIDTH_PX)
    overlay = pictures.edge_overlay(view.image, view.rendering, view.covered)
    return with_verdict(overlay, frames, row), view.rendering


def with_verdict(picture: Picture, frames: RunFrames, row: int) -> Picture:
    """Return the picture with the verdict burnt in, and the reason or the score beside it."""
    text = frames.reasons[row] or f"score {frames.measures['score'][row]:.2f}"
    verdict = known_verdict(str(frames.verdicts[row]))
    return picture if verdict is None else pictures.with_badge(picture, verdict, text)


def known_verdict(name: str) -> Verdict | None:
    """Return the verdict of a name that a file holds, None for one that this version does not know."""
    return Verdict(name) if name in Verdict.__members__ else None


def wanted_frames(
    source: Iterable[RawFrame], timestamps_ns: Sequence[int], progress: Callable[[int], None]
) -> Iterator[RawFrame]:
    """Yield those frames of a source whose times are wanted, in its order, and read no further than the last of them.

    `progress` gets the number of frames that have been read.
    """
    wanted = set(timestamps_ns)
    for count, raw in enumerate(source, start=1):
        progress(count)
        if raw.timestamp_ns in wanted:
            wanted.remove(raw.timestamp_ns)
            yield raw
        if not wanted:
            return
