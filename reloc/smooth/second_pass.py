"""The second pass as a whole: walk back into the gaps, smooth, align once more what is still missing, smooth again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise

from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.motion import MotionModel
from reloc.smooth.config import SmoothConfig
from reloc.smooth.rts import Smoothed, smooth
from reloc.smooth.seen import Seen
from reloc.smooth.shake import shake_of
from reloc.smooth.walk import Found, MakeRelocalizer, guessed, walked_back, with_found, worth_a_try
from reloc.sources.source import FrameSource, SourceInfo

Reopen = Callable[[str], AbstractContextManager[FrameSource]]
"""Opens the recording once more; gets what for, in words."""


class MeasurementSink:
    """Keeps of each estimate what the second pass needs: a kilobyte a frame."""

    def __init__(self) -> None:
        self.frames: list[Seen] = []

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Need nothing."""

    def write(self, estimate: Estimate) -> None:
        """Keep a frame."""
        self.frames.append(Seen(estimate.frame.timestamp_ns, estimate.measurement))

    def close(self) -> None:
        """Keep what there is."""


@dataclass(frozen=True, eq=False)
class SecondPass:
    """What the second pass knows of N frames."""

    found: Mapping[int, Found]
    """The frames that were aligned in it, by their places in the run."""
    smoothed: Sequence[Smoothed | None]
    """(N,) None where nothing is known from both sides."""


def second_pass(
    frames: Sequence[Seen], reopen: Reopen, make: MakeRelocalizer, model: MotionModel, gate: float, config: SmoothConfig
) -> SecondPass:
    """Return what is known of the frames of a forward pass once all of them have been seen.

    Args:
        frames: What the forward pass measured.
        reopen: Opens the same recording again; it is read once or twice more where frames are missing.
        make: Makes a relocalizer like that of the forward pass.
        model: How the camera is taken to move.
        gate: Normalised innovation squared beyond which a pose does not belong to the motion.
        config: How far to go.
    """
    found: dict[int, Found] = {}
    if _has_gap(frames):
        with reopen("walking back") as source:
            found |= walked_back(source, frames, make, config)
    known = with_found(frames, found)
    shake = shake_of(known, model, gate)
    smoothed = smooth(known, model, gate, shake)
    if any(worth_a_try(frame, guess, config) for frame, guess in zip(known, smoothed, strict=True)):
        with reopen("aligning anew") as source:
            found |= guessed(source, known, smoothed, make, gate, config)
        smoothed = smooth(with_found(frames, found), model, gate, shake)
    return SecondPass(found, smoothed)


def _has_gap(frames: Sequence[Seen]) -> bool:
    """Return whether a frame that was aligned follows one that was not."""
    missing = [frame.measurement is None for frame in frames]
    return any(before and not here for before, here in pairwise(missing))
