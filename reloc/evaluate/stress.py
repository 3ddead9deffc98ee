"""What a disturbance did to tracking: errors, false confidence, and how fast it was noticed and overcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Verdict
from reloc.evaluate.trust import GOOD_DEG, GOOD_M

# A pose beyond these that is believed is a bluff.
BLUFF_M, BLUFF_DEG = 0.10, 10.0
# How soon after sight is back the camera has to be tracked again.
SOON_FRAMES = 5


class Phase(StrEnum):
    """What the camera sees at a frame."""

    USUAL = "usual"
    ELSEWHERE = "elsewhere"
    """Where it is, which is not where it would be by the frame before: it was carried there."""
    BLIND = "blind"
    """Nothing, or something old."""


@dataclass(frozen=True)
class StressFrame:
    """What came out of a disturbed frame."""

    verdict: Verdict
    position_m: float
    """Distance to the true position; NaN where the truth is not known."""
    rotation_deg: float
    phase: Phase
    is_frozen: bool = False
    """Whether it is said that the image has not changed for a while, and so may show where the camera was, not where it is."""

    @property
    def is_good(self) -> bool:
        """Whether the pose is within `GOOD_M` and `GOOD_DEG`, whatever the verdict."""
        return self.position_m <= GOOD_M and self.rotation_deg <= GOOD_DEG

    @property
    def is_far(self) -> bool:
        """Whether the pose is beyond `BLUFF_M` or `BLUFF_DEG`."""
        return self.position_m > BLUFF_M or self.rotation_deg > BLUFF_DEG


@dataclass(frozen=True)
class StressResult:
    """How tracking went under one disturbance, over one or several trials."""

    name: str
    trials: int
    frames: int
    tracked: float
    """Share 0..1 of the frames that are TRACKED."""
    limited: float
    """Share that is LIMITED."""
    within: float
    """Share of the frames with sight whose pose is believed and within 5 cm and 5°; NaN without a ground truth, as all below."""
    median_m: float
    """Over the poses that are believed."""
    p95_m: float
    median_deg: float
    p95_deg: float
    bluffs: int
    """Frames called TRACKED or LIMITED beyond 10 cm or 10°, and not for a frozen image: what must never happen."""
    frozen_far: int
    """Frames called LIMITED beyond 10 cm or 10° that say that the image is frozen."""
    detected_after: tuple[int, ...]
    """For each incident that leaves nothing true to track by, how many frames were still called TRACKED."""
    recovered_after: tuple[int | None, ...]
    """For each return of sight and each jump the number, from 1, of the first frame that is good and believed; None: none was."""

    @property
    def soon(self) -> float:
        """Share of the returns after which it tracked within `SOON_FRAMES` frames; NaN where there was none."""
        soon = [number is not None and number <= SOON_FRAMES for number in self.recovered_after]
        return float(np.mean(soon)) if soon else float("nan")

    def as_mapping(self) -> dict[str, Any]:
        """Return the figures as what `reloc stress --json` prints."""
        return {**asdict(self), "soon": self.soon}


def stress_result(name: str, trials: Sequence[Sequence[StressFrame]]) -> StressResult:
    """Return how tracking went; each trial is a run of frames in order of time."""
    frames = [frame for trial in trials for frame in trial]
    known = not all(np.isnan(frame.position_m) for frame in frames)
    believed = [frame for frame in frames if frame.verdict.is_believed]
    sight = [frame for frame in frames if frame.phase is not Phase.BLIND]
    nothing = float("nan")
    return StressResult(
        name=name,
        trials=len(trials),
        frames=len(frames),
        tracked=_share([frame.verdict is Verdict.TRACKED for frame in frames]),
        limited=_share([frame.verdict is Verdict.LIMITED for frame in frames]),
        within=_share([frame.verdict.is_believed and frame.is_good for frame in sight]) if known else nothing,
        median_m=_percentile([frame.position_m for frame in believed], 50),
        p95_m=_percentile([frame.position_m for frame in believed], 95),
        median_deg=_percentile([frame.rotation_deg for frame in believed], 50),
        p95_deg=_percentile([frame.rotation_deg for frame in believed], 95),
        bluffs=sum(frame.is_far and not frame.is_frozen for frame in believed),
        frozen_far=sum(frame.is_far and frame.is_frozen for frame in believed),
        detected_after=tuple(count for trial in trials for count in _detections(trial)) if known else (),
        recovered_after=tuple(number for trial in trials for number in _recoveries(trial)) if known else (),
    )


def _detections(frames: Sequence[StressFrame]) -> list[int]:
    """Return for each blindness and each jump how many frames were called TRACKED before it was admitted or put right."""
    counts = []
    for begin, end in _stretches(frames):
        if begin == 0 or (frames[begin].phase is not Phase.BLIND and frames[begin - 1].phase is Phase.BLIND):
            continue  # the begin of the recording, or of sight
        after = frames[begin:end]
        admitted = (i for i, one in enumerate(after) if one.verdict is not Verdict.TRACKED or _is_right(one))
        counts.append(next(admitted, len(after)))
    return counts


def _recoveries(frames: Sequence[StressFrame]) -> list[int | None]:
    """Return for each stretch with sight that follows another one the number of its first frame that is good and believed."""
    return [
        next((i + 1 for i, one in enumerate(frames[begin:end]) if one.verdict.is_believed and one.is_good), None)
        for begin, end in _stretches(frames)
        if begin > 0 and frames[begin].phase is not Phase.BLIND
    ]


def _is_right(frame: StressFrame) -> bool:
    return frame.phase is not Phase.BLIND and frame.is_good


def _stretches(frames: Sequence[StressFrame]) -> list[tuple[int, int]]:
    """Return begin and end of the stretches of one phase each."""
    changes = [i for i in range(1, len(frames)) if frames[i].phase is not frames[i - 1].phase]
    return list(pairwise([0, *changes, len(frames)]))


def _share(holds: Sequence[bool]) -> float:
    return float(np.mean(holds)) if holds else float("nan")


def _percentile(values: Sequence[float], percent: float) -> float:
    known: NDArray[np.float64] = np.array([value for value in values if not np.isnan(value)])
    return float(np.percentile(known, percent)) if known.size else float("nan")
