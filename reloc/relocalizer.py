"""The frame's way from image to estimate: the page to read first.

Undistort, build a pyramid, predict, look for the camera (render if the view has changed, align, assess), follow it. How it is
looked for is told in `look.py`: at the prediction first; where that leads to nothing that can be believed, around it, or
wherever in the map the image looks like. How it is followed is told in `follow.py`: filter what is believed; where nothing is,
coast for a while and then say that the camera is lost.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from reloc.align.aligner import Aligner, Alignment, FrameAligner
from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.exposure import neutral_exposure
from reloc.align.layers import build_layers
from reloc.assess import AssessConfig
from reloc.estimate import Estimate, Exposure, Quality
from reloc.follow import Attempt, Follower, Said, Track
from reloc.frame import Frame, RawFrame
from reloc.geometry.se3 import SE3
from reloc.guesses import Places
from reloc.look import Lookout, Sight
from reloc.motion import MotionConfig, MotionModel, MotionState
from reloc.render.renderer import Renderer
from reloc.stopwatch import Stopwatch
from reloc.undistort import Undistorter
from reloc.view import surprise_share
from reloc.weakness import WeaknessConfig


class Relocalizer:
    """Says of every frame where the camera was. One instance follows one camera; frames come in order of time.

    Args:
        undistorter: Turns raw frames into frames.
        renderer: Draws the map.
        start: Where to look in the first frame, camera_from_world; good to about 9° and a tenth of the depth. None: anywhere.
        places: Where to look when the camera is lost; None: only around where it was lost. One of the two must be given.
        align: How to align.
        aligner: Another solver than the one of `Aligner`.
        keyframe: When to render anew, and what to leave out.
        motion: How the camera is taken to move.
        assess: When to believe.
        weakness: When what is believed is LIMITED.
    """

    def __init__(
        self,
        undistorter: Undistorter,
        renderer: Renderer,
        start: SE3 | None,
        *,
        places: Places | None = None,
        align: AlignConfig | None = None,
        aligner: FrameAligner | None = None,
        keyframe: KeyframeConfig | None = None,
        motion: MotionConfig | None = None,
        assess: AssessConfig | None = None,
        weakness: WeaknessConfig | None = None,
    ) -> None:
        align, motion = align or AlignConfig(), motion or MotionConfig()
        assess, weakness = assess or AssessConfig(), weakness or WeaknessConfig()
        self._undistorter = undistorter
        self._align_config = align
        self._filtered = motion.model != "none"
        self._motion = MotionModel(motion)
        self._lookout = Lookout(
            renderer,
            aligner or Aligner(align),
            self._motion,
            start,
            places,
            align=align,
            keyframe=keyframe or KeyframeConfig(),
            assess=assess,
            weakness=weakness,
            filtered=self._filtered,
        )
        self._follower = Follower(
            self._motion,
            filtered=self._filtered,
            assess=assess,
            weakness=weakness,
            start=start,
            knows_places=places is not None,
        )
        self._track: Track | None = None

    @property
    def undistorter(self) -> Undistorter:
        """What turns raw frames into frames."""
        return self._undistorter

    def step(self, raw: RawFrame) -> Estimate:
        """Return where the camera was at this frame."""
        watch = Stopwatch()
        with watch.stage("undistort"):
            frame = self._undistorter(raw)
        with watch.stage("pyramid"):
            layers = build_layers(frame.image, frame.valid, frame.camera, self._align_config)
        with watch.stage("predict"):
            predicted = self._predict(frame)
        attempt = self._lookout.look(Sight(frame, layers, self._track, predicted, watch))
        with watch.stage("assess"):
            quality = self._measure(frame, predicted, attempt)
        with watch.stage("filter"):
            track, said = self._follower.follow(frame, self._track, predicted, attempt, quality)
        renewed = self._track is None or track.keyframe is not self._track.keyframe
        self._track = track
        return _estimate(frame, track, said, attempt, quality, watch.milliseconds(), renewed)

    def _predict(self, frame: Frame) -> MotionState | None:
        """Return the state expected at a frame, or None before the first."""
        track = self._track
        if track is None:
            return None
        predicted = self._motion.predict(track.motion, frame.timestamp_ns, track.keyframe.depth)
        if track.lost or not self._filtered:
            return replace(predicted, camera_from_world=track.motion.camera_from_world, twist=np.zeros(6))
        return predicted

    def _measure(self, frame: Frame, predicted: MotionState | None, attempt: Attempt) -> Quality:
        """Return all that was measured of an attempt, with what it says about the frames before."""
        track, pose = self._track, attempt.alignment.camera_from_world
        if track is None or predicted is None:
            return attempt.assessment.quality
        # Where the camera was lost, or found without regard to the prediction, nothing was expected.
        expected = not track.lost and attempt.support is None
        surprise = surprise_share(predicted.camera_from_world, pose, attempt.keyframe) if expected else math.nan
        frozen_s = track.picture.followed_by(frame).frozen_s(frame.timestamp_ns)
        return replace(attempt.assessment.quality, surprise_share=surprise, frozen_s=frozen_s)


def _estimate(
    frame: Frame, track: Track, said: Said, attempt: Attempt, quality: Quality, milliseconds: dict[str, float], renewed: bool
) -> Estimate:
    """Put the message together."""
    alignment = attempt.alignment
    return Estimate(
        frame=frame,
        verdict=said.verdict,
        reason=said.reason,
        score=attempt.assessment.score,
        camera_from_world=track.motion.camera_from_world,
        covariance=track.motion.pose_covariance + track.model_covariance,
        exposure=alignment.exposure if said.verdict.is_believed else _no_exposure(alignment),
        outcome=alignment.outcome,
        iterations=alignment.iterations,
        quality=quality,
        milliseconds=milliseconds,
        weaknesses=said.weaknesses,
        keyframe_renewed=renewed,
        measurement=attempt.assessment.measurement(alignment, attempt.keyframe.depth),
    )


def _no_exposure(alignment: Alignment) -> Exposure:
    """Return an exposure that claims nothing, for a frame that was not aligned."""
    neutral = neutral_exposure(len(alignment.exposure.gain))
    return Exposure(neutral[0::2] * math.nan, neutral[1::2] * math.nan)
