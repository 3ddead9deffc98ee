"""Depth that belongs to an image: found by its time, and moved into the image's camera."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyrealsense2 as rs

_KEPT = 4  # of the frames of depth: the two cameras are never apart by more


def paired(frames: Iterable[rs.frame], period_ms: float) -> Iterator[tuple[rs.frame, rs.frame | None]]:
    """Yield every image with the depth that is nearest in time, or None if none lies within half a period.

    An image waits for its depth until a later one shows that it will not come.
    """
    depths: deque[rs.frame] = deque(maxlen=_KEPT)
    image: rs.frame | None = None
    for frame in frames:
        is_depth = frame.is_depth_frame()
        if is_depth:
            depths.append(frame)
        elif image is not None:
            yield image, _nearest(depths, image, period_ms / 2)
        if not is_depth:
            image = frame
        if image is not None and depths and depths[-1].get_timestamp() > image.get_timestamp() - period_ms / 2:
            yield image, _nearest(depths, image, period_ms / 2)
            image = None
    if image is not None:
        yield image, _nearest(depths, image, period_ms / 2)


def _nearest(depths: Iterable[rs.frame], image: rs.frame, within_ms: float) -> rs.frame | None:
    time_ms = image.get_timestamp()
    near = min(depths, key=lambda depth: abs(depth.get_timestamp() - time_ms), default=None)
    return near if near is not None and abs(near.get_timestamp() - time_ms) <= within_ms else None


def aligner() -> Callable[[rs.frame, rs.frame], NDArray[np.float32]]:
    """Return a function of an image and its depth: depth (H, W) in metres in the image's pixels, 0 where there is none."""
    import pyrealsense2 as rs

    made: list[rs.frameset] = []

    def compose(frames: rs.frame, source: rs.frame_source) -> None:
        made.append(source.allocate_composite_frame(given).as_frameset())
        source.frame_ready(frames)

    given: list[rs.frame] = []
    composer = rs.processing_block(compose)
    composer.start(lambda frame: None)
    align = rs.align(rs.stream.color)

    def aligned(image: rs.frame, depth: rs.frame) -> NDArray[np.float32]:
        given[:] = [image, depth]
        composer.invoke(image)
        frame = align.process(made.pop()).get_depth_frame()
        metres: NDArray[np.float32] = np.asanyarray(frame.get_data()) * np.float32(frame.get_units())
        return metres

    return aligned
