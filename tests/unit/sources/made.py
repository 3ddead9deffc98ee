"""What the tests of sources make for themselves: images, frames, sources, videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.frame import RawFrame
from reloc.sources.source import SourceInfo

TIME_BASE = Fraction(1, 90_000)


def picture(seed: int, height: int = 48, width: int = 64, dtype: type = np.uint8) -> NDArray[Any]:
    """Random RGB, smooth enough to survive JPEG and H.264."""
    noise = np.random.default_rng(seed).random((height, width, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return (smooth * np.iinfo(dtype).max).astype(dtype)


def write_image(path: Path, rgb: NDArray[Any]) -> None:
    ok, data = cv2.imencode(path.suffix, rgb[..., ::-1] if rgb.ndim == 3 else rgb)
    assert ok
    path.write_bytes(data.tobytes())


def write_video(
    path: Path,
    pictures: Sequence[NDArray[Any]],
    ticks: Sequence[int],
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
) -> None:
    """Encode at presentation times `ticks`, counted in 1/90000 s."""
    grey = pictures[0].ndim == 2
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "gray16le" if grey else "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        stream.options = {} if grey else {"crf": "5", "g": "10"}
        for image, tick in zip(pictures, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="gray16le" if grey else "rgb24")
            frame.pts, frame.time_base = tick, TIME_BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@dataclass
class ListSource:
    """A source of given frames that counts how often it is opened and closed and can break off with an error."""

    frames: Sequence[RawFrame]
    error: Exception | None = None
    live: bool = False
    opened: int = 0
    closed: int = 0
    read: list[int] = field(default_factory=list)

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("made", live=self.live, length=len(self.frames), camera=None)

    def __iter__(self) -> Iterator[RawFrame]:
        for frame in self.frames:
            self.read.append(frame.index)
            yield frame
        if self.error is not None:
            raise self.error

    def __enter__(self) -> Self:
        self.opened += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.closed += 1


def frames(count: int, *, height: int = 24, width: int = 32, fps: int = 30) -> list[RawFrame]:
    """Frames with different pictures at an even rate, which starts at 5 s."""
    return [
        RawFrame(i, 5_000_000_000 + i * 1_000_000_000 // fps, picture(i, height, width), f"{i:06d}.png") for i in range(count)
    ]
