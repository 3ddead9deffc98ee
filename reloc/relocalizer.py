"""The frame's way from image to estimate: the page to read first.

Undistort, predict, render if the view has changed, align, assess, filter. Where the prediction leads to nothing that can be
believed, look around it, or wherever in the map the image looks like; where that fails too, coast for a while and then say that
the camera is lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reloc.align.aligner import Aligner, Alignment, FrameAligner
from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.exposure import neutral_exposure
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Layers, build_layers
from reloc.align.likeliest import likeliest
from reloc.assess import AssessConfig, assess, residual_covariance
from reloc.estimate import Estimate, Exposure, Quality
from reloc.follow import Attempt, Follower, Said, Track
from reloc.frame import Frame, RawFrame
from reloc.geometry.se3 import SE3, interpolate
from reloc.guesses import SPACING_RAD, PlaceGuess, Places, neighbourhood, searched_next
from reloc.motion import MotionConfig, MotionModel, MotionState
from reloc.render.renderer import Renderer
from reloc.stopwatch import Stopwatch
from reloc.undistort import Undistorter
from reloc.view import is_unlit, measure_view, surprise_share
from reloc.weakness import WeaknessConfig

# The search starts from a view that is off by as much as the guess; seen from the pose it found, the points are the right ones.
_VIEWS_AFTER_SEARCH = 2
# Nineteen of twenty errors lie within two standard deviations.
_LIKELY_SIGMAS = 2.0


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
        self._undistorter = undistorter
        self._renderer = renderer
        self._start = start
        self._places = places
        self._align_config = align or AlignConfig()
        self._keyframe_config = keyframe or KeyframeConfig()
        self._motion_config = motion or MotionConfig()
        self._assess_config = assess or AssessConfig()
        self._weakness_config = weakness or WeaknessConfig()
        self._aligner = aligner or Aligner(self._align_config)
        self._motion = MotionModel(self._motion_config)
        self._follower = Follower(
            self._motion,
            filtered=self._motion_config.model != "none",
            assess=self._assess_config,
            weakness=self._weakness_config,
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
        attempt = self._look(frame, layers, predicted, watch)
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
        if track.lost or self._motion_config.model == "none":
            return replace(predicted, camera_from_world=track.motion.camera_from_world, twist=np.zeros(6))
        return predicted

    def _look(self, frame: Frame, layers: Layers, predicted: MotionState | None, watch: Stopwatch) -> Attempt:
        """Return the best attempt: at the prediction, and around it if that is in doubt."""
        if predicted is None or self._track is None:
            return self._look_first(frame, layers, watch)
        is_hopeless = is_unlit(frame, self._weakness_config.black)
        if self._track.lost and not is_hopeless:
            return self._look_further(frame, layers, predicted, watch)
        with watch.stage("align"):
            guess = self._first_guess(layers, predicted, self._track.keyframe)
        with watch.stage("render"):
            keyframe = self._next_keyframe(frame, self._track, guess)
        attempt = self._attempt(frame, layers, keyframe, [guess], predicted, watch)
        if is_hopeless or not attempt.assessment.doubtful:
            return attempt
        return max(attempt, self._look_further(frame, layers, predicted, watch), key=_trust)

    def _first_guess(self, layers: Layers, predicted: MotionState, keyframe: Keyframe) -> SE3:
        """Return where to begin to align: at the prediction or, if that is less sure than guesses are apart, at the likeliest.

        Without a filter nobody knows how sure the last pose is, and it is taken as it stands.
        """
        guess = predicted.camera_from_world
        unsure_rad = self._uncertainty_px(predicted, keyframe) / keyframe.rendering.camera.fx
        if SPACING_RAD < unsure_rad < math.inf:
            return likeliest(keyframe, layers, neighbourhood(guess, _LIKELY_SIGMAS * unsure_rad))
        return guess

    def _next_keyframe(self, frame: Frame, track: Track, guess: SE3) -> Keyframe:
        """Return the keyframe so far while it holds halfway from the last pose to the guess, else one as seen from the guess.

        A guess may be as far off as the camera has moved, and the points of a keyframe serve a little beyond where it holds:
        this renders an eighth less often than if it had to hold at every guess, and the poses are as good.
        """
        halfway = interpolate(track.motion.camera_from_world, guess, 0.5)
        if track.keyframe.holds_at(halfway, self._keyframe_config):
            return track.keyframe
        return self._keyframe_for(frame, guess)

    def _look_first(self, frame: Frame, layers: Layers, watch: Stopwatch) -> Attempt:
        """Return the best attempt where no frame came before."""
        if self._start is None:
            return self._look_anywhere(frame, layers, watch)
        attempt = self._search(frame, layers, self._start, None, watch)
        if attempt.assessment.believed or self._places is None:
            return attempt
        return max(attempt, self._look_anywhere(frame, layers, watch), key=_trust)

    def _look_further(self, frame: Frame, layers: Layers, predicted: MotionState, watch: Stopwatch) -> Attempt:
        """Return the best attempt around a prediction that has failed, or anywhere: each takes long, so they take turns."""
        assert self._track is not None
        tries = self._track.misses
        if self._places is not None:
            tries, is_turn_of_places = divmod(tries, 2)
            if is_turn_of_places:
                return self._look_anywhere(frame, layers, watch)
        return self._search(frame, layers, searched_next(predicted.camera_from_world, tries), predicted, watch)

    def _look_anywhere(self, frame: Frame, layers: Layers, watch: Stopwatch) -> Attempt:
        """Return the best attempt at poses from which the map looks like the image, the first that is believed."""
        assert self._places is not None
        with watch.stage("places"):
            guesses = self._places.guesses(frame)
        attempts: list[Attempt] = []
        for guess in guesses:
            attempts.append(self._align_anew(frame, layers, guess, watch))
            if attempts[-1].assessment.believed:
                break
        return max(attempts, key=_trust)

    def _align_anew(self, frame: Frame, layers: Layers, place: PlaceGuess, watch: Stopwatch) -> Attempt:
        """Align at a place that only the image speaks for, twice where that leads to another view."""
        keyframe, guess = None, place.camera_from_world
        for _ in range(_VIEWS_AFTER_SEARCH):
            with watch.stage("render"):
                keyframe = self._keyframe_for(frame, guess, keyframe)
            attempt = self._attempt(frame, layers, keyframe, [guess], None, watch, support=place.support)
            guess = attempt.alignment.camera_from_world
            if keyframe.holds_at(guess, self._keyframe_config):
                break
        return attempt

    def _keyframe_for(self, frame: Frame, guess: SE3, current: Keyframe | None = None) -> Keyframe:
        """Return the current keyframe while it holds, else a new one."""
        if current is not None and current.holds_at(guess, self._keyframe_config):
            return current
        return make_keyframe(self._renderer, frame.camera, guess, self._align_config, self._keyframe_config)

    def _search(self, frame: Frame, layers: Layers, around: SE3, predicted: MotionState | None, watch: Stopwatch) -> Attempt:
        """Look around a pose, then align again from the views that the search led to."""
        with watch.stage("render"):
            keyframe = self._keyframe_for(frame, around)
        attempt = self._attempt(frame, layers, keyframe, neighbourhood(around), predicted, watch, doubtful=predicted is not None)
        for _ in range(_VIEWS_AFTER_SEARCH):
            guess = attempt.alignment.camera_from_world
            with watch.stage("render"):
                keyframe = self._keyframe_for(frame, guess)
            attempt = self._attempt(frame, layers, keyframe, [guess], predicted, watch, doubtful=predicted is not None)
        return attempt

    def _attempt(
        self,
        frame: Frame,
        layers: Layers,
        keyframe: Keyframe,
        guesses: Sequence[SE3],
        predicted: MotionState | None,
        watch: Stopwatch,
        *,
        doubtful: bool = False,
        support: int | None = None,
    ) -> Attempt:
        """Align from some guesses and assess the outcome."""
        with watch.stage("align"):
            uncertainty_px = math.inf if predicted is None or doubtful else self._uncertainty_px(predicted, keyframe)
            alignment = self._aligner.align(keyframe, layers, guesses, uncertainty_px=uncertainty_px, doubtful=doubtful)
        with watch.stage("assess"):
            pose = alignment.camera_from_world
            view = measure_view(frame, layers, keyframe, pose, alignment.inlier_share, self._weakness_config.black)
            nis = math.nan
            if predicted is not None:
                covariance = self._assess_config.noise_inflation * residual_covariance(alignment)
                nis = self._motion.nis(predicted, pose, covariance)
            steady = not doubtful and self._track is not None and self._track.misses == 0
            coverage, depth = keyframe.coverage, keyframe.depth
            assessment = assess(
                alignment,
                view,
                coverage,
                depth,
                nis,
                self._assess_config,
                support=support,
                steady=steady,
                correlation_before=math.nan if self._track is None else self._track.correlation,
            )
            return Attempt(keyframe, alignment, assessment, support)

    def _uncertainty_px(self, predicted: MotionState, keyframe: Keyframe) -> float:
        """Return the standard deviation, in pixels, of where the prediction puts a point at the median depth."""
        if self._motion_config.model == "none":
            return math.inf
        variance = np.diag(predicted.pose_covariance)
        sideways = float(variance[:3].max()) / keyframe.depth**2 + float(variance[3:].max())
        return keyframe.rendering.camera.fx * math.sqrt(sideways)

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


def _trust(attempt: Attempt) -> tuple[bool, float]:
    return attempt.assessment.believed, attempt.assessment.score


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
