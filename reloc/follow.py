"""From what a frame led to, to what is said of it: the state that crosses frames, and the verdict.

TRACKED and LIMITED where the attempt is believed, COASTING while a prediction can stand in for it, then RELOCALISING or LOST.
docs/verdict.md says what each of them means and what makes it change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reloc.align.aligner import Alignment
from reloc.align.keyframe import Keyframe
from reloc.assess import AssessConfig, Assessment, Fit
from reloc.estimate import Quality, Verdict, Weakness
from reloc.frame import NANOSECONDS_PER_SECOND, Frame
from reloc.geometry.se3 import SE3
from reloc.motion import MotionModel, MotionState
from reloc.weakness import Picture, WeaknessConfig, in_words, weaknesses

Array = NDArray[np.float64]

_UNKNOWN_VARIANCE = 1e6


@dataclass(frozen=True, eq=False)
class Attempt:
    """A guess, or several, taken through rendering, alignment and assessment."""

    keyframe: Keyframe
    alignment: Alignment
    assessment: Assessment
    support: int | None = None
    """How many features speak for it, where it was found without regard to where the camera was expected; else None."""


@dataclass(frozen=True, eq=False)
class Track:
    """What crosses frames."""

    motion: MotionState
    model_covariance: Array
    """(6, 6) of the error of the last believed pose that no filter averages out."""
    keyframe: Keyframe
    picture: Picture
    last_believed_ns: int
    lost: bool
    misses: int
    """How many frames in a row were not believed."""
    found: bool = True
    """Whether there ever was a pose that was believed."""
    weaknesses: tuple[Weakness, ...] = ()
    """Of the last frame."""
    fit: Fit | None = None
    """What the next frame is held against; None before a pose was believed."""


@dataclass(frozen=True)
class Said:
    """What is said of a frame."""

    verdict: Verdict
    reason: str
    weaknesses: tuple[Weakness, ...]


class Follower:
    """Decides what to believe. Holds no state: it is given a track and returns the next.

    Args:
        motion: How the camera moves.
        filtered: Whether measured poses are filtered, or taken as they are.
        assess: How long to coast and to search.
        weakness: What makes a pose LIMITED.
        start: Where the camera was expected in the first frame; None where nobody knew.
        knows_places: Whether a camera that is lost is searched in the whole map.
    """

    def __init__(
        self,
        motion: MotionModel,
        *,
        filtered: bool,
        assess: AssessConfig,
        weakness: WeaknessConfig,
        start: SE3 | None,
        knows_places: bool,
    ) -> None:
        self._motion, self._filtered = motion, filtered
        self._assess, self._weakness = assess, weakness
        self._start, self._knows_places = start, knows_places

    def follow(
        self, frame: Frame, track: Track | None, predicted: MotionState | None, attempt: Attempt, quality: Quality
    ) -> tuple[Track, Said]:
        """Return the track after a frame, and what is said of the frame.

        Args:
            frame: The frame.
            track: The track so far; None before the first frame.
            predicted: The state expected at this frame; None before the first.
            attempt: The best that the frame led to.
            quality: All that was measured of it.
        """
        believed = attempt.assessment.believed
        before = () if track is None else track.weaknesses
        weak = weaknesses(quality, self._weakness, before, believed=believed)
        picture = Picture(frame.image, frame.timestamp_ns) if track is None else track.picture.followed_by(frame)
        if believed:
            motion = self._measured(frame, track, predicted, attempt, quality.frozen_s if Weakness.FROZEN in weak else 0.0)
            model = attempt.assessment.model_covariance
            found = Track(
                motion,
                model,
                attempt.keyframe,
                picture,
                frame.timestamp_ns,
                lost=False,
                misses=0,
                weaknesses=weak,
                fit=attempt.assessment.fit.remembered_after(None if track is None else track.fit),
            )
            return found, Said(Verdict.LIMITED if weak else Verdict.TRACKED, in_words(weak, quality), weak)
        reason = "; ".join(filter(None, (attempt.assessment.reason, in_words(weak, quality))))
        if predicted is None or track is None:
            where = "on the map" if self._knows_places else "near the first pose"
            return self._nowhere(frame, attempt, picture, weak), Said(Verdict.LOST, f"not found {where}: {reason}", weak)
        carried = self._carried(frame, track, predicted, picture, weak)
        return carried, Said(self._missing(frame, carried), reason, weak)

    def _measured(
        self, frame: Frame, track: Track | None, predicted: MotionState | None, attempt: Attempt, frozen_s: float
    ) -> MotionState:
        """Return the state after a pose that is believed, filtered where there is something to filter it with."""
        pose, noise, depth = attempt.alignment.camera_from_world, attempt.assessment.noise_covariance, attempt.keyframe.depth
        if frozen_s > 0:
            # The image says where the camera was when it was taken. Since then it may have gone anywhere.
            return self._motion.start(frame.timestamp_ns, pose, noise + self._motion.unseen_covariance(frozen_s, depth), depth)
        anew = track is None or track.lost or attempt.support is not None
        if predicted is None or anew or not self._filtered:
            return self._motion.start(frame.timestamp_ns, pose, noise, depth)
        return self._motion.update(predicted, pose, noise)

    def _nowhere(self, frame: Frame, attempt: Attempt, picture: Picture, weak: tuple[Weakness, ...]) -> Track:
        """Return the track of a camera that was not found in its first frame."""
        begin = attempt.alignment.camera_from_world if self._start is None else self._start
        nowhere = self._motion.start(frame.timestamp_ns, begin, _UNKNOWN_VARIANCE * np.eye(6), attempt.keyframe.depth)
        return Track(
            nowhere,
            np.zeros((6, 6)),
            attempt.keyframe,
            picture,
            frame.timestamp_ns,
            lost=True,
            misses=1,
            found=False,
            weaknesses=weak,
        )

    def _carried(self, frame: Frame, track: Track, predicted: MotionState, picture: Picture, weak: tuple[Weakness, ...]) -> Track:
        """Return the track after a frame that was not believed."""
        lost = track.lost or _unseen_s(frame, track) > self._assess.coasting_s
        return replace(track, motion=predicted, picture=picture, lost=lost, misses=track.misses + 1, weaknesses=weak)

    def _missing(self, frame: Frame, track: Track) -> Verdict:
        """Return the verdict of a frame that was not believed."""
        if not track.lost:
            return Verdict.COASTING
        is_searched = self._knows_places and track.found and Weakness.LOW_LIGHT not in track.weaknesses
        if is_searched and _unseen_s(frame, track) <= self._assess.relocalising_s:
            return Verdict.RELOCALISING
        return Verdict.LOST


def _unseen_s(frame: Frame, track: Track) -> float:
    """Return the seconds since a pose was believed."""
    return (frame.timestamp_ns - track.last_believed_ns) / NANOSECONDS_PER_SECOND
