"""A line of frames.jsonl, as far as the evaluation needs it. What else stands there is stepped over and costs next to nothing."""

from __future__ import annotations

from msgspec import DecodeError, Struct
from msgspec.json import Decoder

LINE_FAULTS = (DecodeError, RecursionError)
"""What `decode_line` raises for a line that is none, with a message that says where in it."""

Numbers = list[float | None]
"""null stands for what a filter or solver could not say."""


# What a parsed line holds is lists of numbers: there are no cycles that Python's garbage collector would have to look for.
class PoseOfLine(Struct, gc=False):
    """world_from_camera."""

    translation: Numbers | None = None
    quaternion_xyzw: Numbers | None = None


class ExposureOfLine(Struct, gc=False):
    """A number a channel."""

    gain: Numbers | None = None
    bias: Numbers | None = None


class FrameLine(Struct, gc=False):
    """What the sink has written of a frame, by the names that it has in the file."""

    timestamp_ns: int
    verdict: str
    index: int = -1
    name: str = ""
    reason: str = ""
    world_from_camera: PoseOfLine | None = None
    covariance: list[Numbers] | None = None
    exposure: ExposureOfLine | None = None
    milliseconds: dict[str, float | None] | None = None
    score: float | None = None
    iterations: float | None = None
    inlier_share: float | None = None
    correlation: float | None = None
    coverage: float | None = None
    visible_share: float | None = None
    condition: float | None = None
    residual: float | None = None
    nis: float | None = None


decode_line = Decoder(FrameLine).decode
"""Returns the frame of a line; raises one of `LINE_FAULTS` for what is no JSON, or of other types."""
