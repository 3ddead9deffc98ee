"""Several cameras that are fixed to one another: the same way from images to estimate as in `relocalizer.py`, with one pose.

The frames of the first camera bring those of the others along (`RawFrame.others`). What is estimated is the pose of the first
camera, also at instants at which it was missing: no pose is lost as long as one camera sees enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Layers, build_layers
from reloc.align.rig_aligner import RigAligner, RigView
from reloc.assess import AssessConfig, assess
from reloc.estimate import Estimate, Exposure, Quality
from reloc.follow import Attempt, Follower, Track
from reloc.frame import Frame, RawFrame
from reloc.geometry.rig import Rig
from reloc.geometry.se3 import SE3
from reloc.geometry.uncertainty import spread_rad
from reloc.guesses import neighbourhood
from reloc.motion import MotionConfig, MotionModel, MotionState
from reloc.render.renderer import Renderer
from reloc.stopwatch import Stopwatch
from reloc.undistort import Undistorter
from reloc.view import measure_view, surprise_share
from reloc.weakness import WeaknessConfig

_VIEWS_AFTER_SEARCH = 2


@dataclass(frozen=True, eq=False)
class RigConfigs:
    """The settings of the parts that a `RigRelocalizer` is put together from."""

    align: AlignConfig
    keyframe: KeyframeConfig
    motion: MotionConfig
    assess: AssessConfig
    weakness: WeaknessConfig


@dataclass(frozen=True, eq=False)
class _Sight:
    """What one camera sees at this instant."""

    name: str
    frame: Frame
    layers: Layers
    camera_from_rig: SE3


@dataclass(frozen=True, eq=False)
class _Tried:
    """An attempt, and the keyframes of all cameras that took part in it."""

    attempt: Attempt
    keyframes: Mapping[str, Keyframe]


class RigRelocalizer:
    """Says of every instant where the first camera of a rig was. Instants come in order of time.

    Args:
        rig: The cameras.
        undistorters: For each of them, by name.
        renderer: Draws the map.
        start: Where the first camera is expected in the first frame, camera_from_world.
        configs: The settings.
    """

    def __init__(
        self, rig: Rig, undistorters: Mapping[str, Undistorter], renderer: Renderer, start: SE3, configs: RigConfigs
    ) -> None:
        self._rig = rig.seen_from(rig.names[0])
        self._undistorters = undistorters
        self._renderer = renderer
        self._start = start
        self._configs = configs
        self._aligner = RigAligner(configs.align)
        self._motion = MotionModel(configs.motion)
        self._filtered = configs.motion.model != "none"
        self._follower = Follower(
            self._motion,
            filtered=self._filtered,
            assess=configs.assess,
            weakness=configs.weakness,
            start=start,
            knows_places=False,
        )
        self._track: Track | None = None
        self._keyframes: Mapping[str, Keyframe] = {}

    @property
    def undistorter(self) -> Undistorter:
        """What turns raw frames of the first camera into frames."""
        return self._undistorters[self._rig.names[0]]

    def step(self, raw: RawFrame) -> Estimate:
        """Return where the first camera was at this instant."""
        watch = Stopwatch()
        with watch.stage("undistort"):
            first, frames = self._frames(raw)
        with watch.stage("pyramid"):
            sights = self._sights(frames)
        with watch.stage("predict"):
            predicted = self._predict(first)
        if not sights:
            sights = self._sights({self._rig.names[0]: first})  # blank: it is assessed, and not believed
        tried = self._look(sights, predicted, watch)
        with watch.stage("assess"):
            quality = self._measure(sights[0], predicted, tried)
        with watch.stage("filter"):
            track, said = self._follower.follow(sights[0].frame, self._track, predicted, tried.attempt, quality)
        renewed = any(keyframe is not self._keyframes.get(name) for name, keyframe in tried.keyframes.items())
        # Keyframes of cameras that dropped out are kept: they may hold when these come back.
        self._track, self._keyframes = track, {**self._keyframes, **tried.keyframes}
        alignment = tried.attempt.alignment
        shown = said.verdict.is_believed and sights[0].name == self._rig.names[0]
        return Estimate(
            frame=first,
            verdict=said.verdict,
            reason=said.reason,
            score=tried.attempt.assessment.score,
            camera_from_world=track.motion.camera_from_world,
            covariance=track.motion.pose_covariance + track.model_covariance,
            exposure=alignment.exposure if shown else _unknown(alignment.exposure),
            outcome=alignment.outcome,
            iterations=alignment.iterations,
            quality=quality,
            milliseconds=watch.milliseconds(),
            weaknesses=said.weaknesses,
            keyframe_renewed=renewed,
            measurement=tried.attempt.assessment.measurement(alignment, tried.attempt.keyframe.depth),
        )

    def _frames(self, raw: RawFrame) -> tuple[Frame, dict[str, Frame]]:
        """Return the frame of the first camera, blank or not, and the frames of all that are there."""
        first_name = self._rig.names[0]
        first = self._undistorters[first_name](raw)
        there = {first_name: first} if first.valid.any() else {}
        # In the order of the rig, so that the first camera that is there leads.
        for name in self._rig.names[1:]:
            if name in raw.others:
                there[name] = self._undistorters[name](raw.others[name])
        return first, there

    def _sights(self, frames: Mapping[str, Frame]) -> list[_Sight]:
        return [
            _Sight(name, one, build_layers(one.image, one.valid, one.camera, self._configs.align), self._camera_from_rig(name))
            for name, one in frames.items()
        ]

    def _camera_from_rig(self, name: str) -> SE3:
        return self._rig.camera(name).camera_from_rig

    def _predict(self, frame: Frame) -> MotionState | None:
        """Return the state expected at an instant, or None before the first."""
        track = self._track
        if track is None:
            return None
        predicted = self._motion.predict(track.motion, frame.timestamp_ns, track.keyframe.depth)
        if track.lost or not self._filtered:
            return replace(predicted, camera_from_world=track.motion.camera_from_world, twist=np.zeros(6))
        return predicted

    def _look(self, sights: Sequence[_Sight], predicted: MotionState | None, watch: Stopwatch) -> _Tried:
        """Return the best attempt: at the prediction, and around it if that is in doubt."""
        if predicted is None or self._track is None:
            return self._search(sights, self._start, None, watch)
        guess = predicted.camera_from_world
        if self._track.lost:
            return self._search(sights, guess, predicted, watch)
        near = self._attempt(sights, self._keyframes, [guess], guess, predicted, watch, sure=True)
        if not near.attempt.assessment.doubtful:
            return near
        return max(near, self._search(sights, guess, predicted, watch), key=_trust)

    def _search(self, sights: Sequence[_Sight], around: SE3, predicted: MotionState | None, watch: Stopwatch) -> _Tried:
        """Look around a pose, then align again from the views that the search led to."""
        tried = self._attempt(sights, self._keyframes, neighbourhood(around), around, predicted, watch)
        for _ in range(_VIEWS_AFTER_SEARCH):
            pose = tried.attempt.alignment.camera_from_world
            again = self._attempt(sights, tried.keyframes, [pose], pose, predicted, watch)
            if again.attempt.assessment.fit.is_fallen_from(tried.attempt.assessment.fit, self._configs.assess):
                break
            tried = again
        return tried

    def _attempt(
        self,
        sights: Sequence[_Sight],
        known: Mapping[str, Keyframe],
        guesses: Sequence[SE3],
        seen_from: SE3,
        predicted: MotionState | None,
        watch: Stopwatch,
        *,
        sure: bool = False,
    ) -> _Tried:
        """Align from some guesses and assess the outcome; `sure` trusts the prediction's own uncertainty."""
        with watch.stage("render"):
            keyframes = {sight.name: self._keyframe(sight, known.get(sight.name), seen_from) for sight in sights}
        lead = keyframes[sights[0].name]
        with watch.stage("align"):
            views = [RigView(keyframes[one.name], one.layers, one.camera_from_rig) for one in sights]
            uncertainty_px = self._uncertainty_px(predicted, lead) if sure and predicted is not None else math.inf
            alignment, _ = self._aligner.align(views, guesses, uncertainty_px=uncertainty_px)
        with watch.stage("assess"):
            pose, first = alignment.camera_from_world, sights[0]
            seen, black = alignment.inlier_share, self._configs.weakness.black
            view = measure_view(first.frame, first.layers, lead, first.camera_from_rig @ pose, seen, black)
            view = replace(view, correlation=alignment.correlation)  # of all cameras, not of the first alone
            nis = math.nan
            if predicted is not None:
                covariance = self._configs.assess.noise_inflation * alignment.residual_covariance
                nis = self._motion.nis(predicted, pose, covariance)
            steady = sure and self._track is not None and self._track.misses == 0
            coverage = max(keyframe.coverage for keyframe in keyframes.values())
            before = None if self._track is None else self._track.fit
            assessment = assess(alignment, view, coverage, lead.depth, nis, self._configs.assess, steady=steady, before=before)
        return _Tried(Attempt(lead, alignment, assessment), keyframes)

    def _keyframe(self, sight: _Sight, current: Keyframe | None, rig_from_world: SE3) -> Keyframe:
        """Return a camera's current keyframe while it holds, else a new one."""
        guess = sight.camera_from_rig @ rig_from_world
        if current is not None and current.holds_at(guess, self._configs.keyframe):
            return current
        return make_keyframe(self._renderer, sight.frame.camera, guess, self._configs.align, self._configs.keyframe)

    def _uncertainty_px(self, predicted: MotionState, keyframe: Keyframe) -> float:
        """Return the standard deviation, in pixels, of where the prediction puts a point at the median depth."""
        if not self._filtered:
            return math.inf
        return keyframe.rendering.camera.fx * spread_rad(predicted.pose_covariance, keyframe.depth)

    def _measure(self, lead: _Sight, predicted: MotionState | None, tried: _Tried) -> Quality:
        """Return all that was measured; what concerns an image is that of the first camera that is there."""
        quality, track = tried.attempt.assessment.quality, self._track
        if track is None or predicted is None:
            return quality
        before, after = predicted.camera_from_world, tried.attempt.alignment.camera_from_world
        moved = (lead.camera_from_rig @ before, lead.camera_from_rig @ after)
        surprise = math.nan if track.lost else surprise_share(*moved, tried.attempt.keyframe)
        frozen_s = track.picture.followed_by(lead.frame).frozen_s(lead.frame.timestamp_ns)
        return replace(quality, surprise_share=surprise, frozen_s=frozen_s)


def _trust(tried: _Tried) -> tuple[bool, float]:
    return tried.attempt.assessment.believed, tried.attempt.assessment.score


def _unknown(exposure: Exposure) -> Exposure:
    return Exposure(exposure.gain * math.nan, exposure.bias * math.nan)
