"""Where a camera is looked for: at the prediction, around it, or wherever in the map the image looks like.

Each of these is a few guesses that are rendered, aligned and assessed: an `Attempt`. The dearer ones are tried only where the
cheaper ones led to nothing that can be believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reloc.align.aligner import FrameAligner
from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Layers
from reloc.align.likeliest import likeliest
from reloc.assess import AssessConfig, assess
from reloc.follow import Attempt, Track
from reloc.frame import Frame
from reloc.geometry.se3 import SE3, interpolate
from reloc.geometry.uncertainty import spread_rad
from reloc.guesses import SPACING_RAD, PlaceGuess, Places, neighbourhood, searched_next
from reloc.motion import MotionModel, MotionState
from reloc.render.renderer import Renderer
from reloc.stopwatch import Stopwatch
from reloc.view import is_unlit, measure_view
from reloc.weakness import WeaknessConfig

# The search starts from a view that is off by as much as the guess; seen from the pose it found, the points are the right ones.
_VIEWS_AFTER_SEARCH = 2
# Nineteen of twenty errors lie within two standard deviations.
_LIKELY_SIGMAS = 2.0


@dataclass(frozen=True, eq=False)
class Sight:
    """A frame, and what is known when it is looked at."""

    frame: Frame
    layers: Layers
    """The pyramid of its image."""
    track: Track | None
    """What the frames before led to; None before the first."""
    predicted: MotionState | None
    """The state expected at this frame; None before the first."""
    watch: Stopwatch
    """Is told what the stages take."""


class Lookout:
    """Looks for the camera in one frame. Holds no state but its parts and settings.

    Args:
        renderer: Draws the map.
        aligner: Brings frames and keyframes into register.
        motion: How the camera moves.
        start: Where to look in the first frame, camera_from_world; None: anywhere.
        places: Where to look when the camera is lost; None: only around where it was lost.
        align: How to align.
        keyframe: When to render anew, and what to leave out.
        assess: When to believe.
        weakness: When an image is dark.
        filtered: Whether predictions say how sure they are.
    """

    def __init__(
        self,
        renderer: Renderer,
        aligner: FrameAligner,
        motion: MotionModel,
        start: SE3 | None,
        places: Places | None,
        *,
        align: AlignConfig,
        keyframe: KeyframeConfig,
        assess: AssessConfig,
        weakness: WeaknessConfig,
        filtered: bool,
    ) -> None:
        self._renderer, self._aligner, self._motion = renderer, aligner, motion
        self._start, self._places = start, places
        self._align_config, self._keyframe_config = align, keyframe
        self._assess_config, self._weakness_config = assess, weakness
        self._filtered = filtered

    def look(self, sight: Sight) -> Attempt:
        """Return the best attempt: at the prediction, and further away if that is in doubt."""
        track, predicted = sight.track, sight.predicted
        if track is None or predicted is None:
            return self._look_first(sight)
        is_hopeless = is_unlit(sight.frame, self._weakness_config.black)
        if track.lost and not is_hopeless:
            return self._look_further(sight, track, predicted)
        with sight.watch.stage("align"):
            guess = self._first_guess(sight.layers, predicted, track.keyframe)
        with sight.watch.stage("render"):
            keyframe = self._next_keyframe(sight.frame, track, guess)
        attempt = self._attempt(sight, keyframe, [guess])
        if is_hopeless or not attempt.assessment.doubtful:
            return attempt
        return max(attempt, self._look_further(sight, track, predicted), key=_trust)

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
        return self._make_keyframe(frame, guess, 1.0)

    def _look_first(self, sight: Sight) -> Attempt:
        """Return the best attempt where no frame came before."""
        if self._start is None:
            return self._look_anywhere(sight)
        attempt = self._search(sight, self._start)
        if attempt.assessment.believed or self._places is None:
            return attempt
        return max(attempt, self._look_anywhere(sight), key=_trust)

    def _look_further(self, sight: Sight, track: Track, predicted: MotionState) -> Attempt:
        """Return the best attempt around a prediction that has failed, or anywhere: each takes long, so they take turns."""
        tries = track.misses
        if self._places is not None:
            tries, is_turn_of_places = divmod(tries, 2)
            if is_turn_of_places:
                return self._look_anywhere(sight)
        return self._search(sight, searched_next(predicted.camera_from_world, tries))

    def _search(self, sight: Sight, around: SE3) -> Attempt:
        """Look around a pose, then align again from the views that the search led to."""
        doubtful, zoom = sight.predicted is not None, self._keyframe_config.search_zoom
        with sight.watch.stage("render"):
            keyframe = self._make_keyframe(sight.frame, around, zoom)
        attempt = self._attempt(sight, keyframe, neighbourhood(around), doubtful=doubtful)
        for _ in range(_VIEWS_AFTER_SEARCH):
            guess = attempt.alignment.camera_from_world
            with sight.watch.stage("render"):
                keyframe = self._make_keyframe(sight.frame, guess, zoom)
            again = self._attempt(sight, keyframe, [guess], doubtful=doubtful)
            if again.assessment.fit.is_fallen_from(attempt.assessment.fit, self._assess_config):
                break  # a coarse level of the new view was misled
            attempt = again
        return attempt

    def _look_anywhere(self, sight: Sight) -> Attempt:
        """Return the best attempt at poses from which the map looks like the image, the first that is believed."""
        assert self._places is not None
        with sight.watch.stage("places"):
            guesses = self._places.guesses(sight.frame)
        attempts: list[Attempt] = []
        for guess in guesses:
            attempts.append(self._align_anew(sight, guess))
            if attempts[-1].assessment.believed:
                break
        return max(attempts, key=_trust)

    def _align_anew(self, sight: Sight, place: PlaceGuess) -> Attempt:
        """Align at a place that only the image speaks for, twice where that leads to another view."""
        guess, zoom = place.camera_from_world, self._keyframe_config.search_zoom
        for _ in range(_VIEWS_AFTER_SEARCH):
            with sight.watch.stage("render"):
                keyframe = self._make_keyframe(sight.frame, guess, zoom)
            attempt = self._attempt(sight, keyframe, [guess], support=place.support)
            guess = attempt.alignment.camera_from_world
            if keyframe.holds_at(guess, self._keyframe_config):
                break
        return attempt

    def _make_keyframe(self, frame: Frame, guess: SE3, zoom: float) -> Keyframe:
        return make_keyframe(self._renderer, frame.camera, guess, self._align_config, self._keyframe_config, zoom=zoom)

    def _attempt(
        self, sight: Sight, keyframe: Keyframe, guesses: Sequence[SE3], *, doubtful: bool = False, support: int | None = None
    ) -> Attempt:
        """Align from some guesses and assess the outcome.

        Args:
            sight: The frame.
            keyframe: The view of the map.
            guesses: Poses camera_from_world to begin at.
            doubtful: Whether a prediction has failed, so that more is tried, and asked for.
            support: How many features speak for the guess, where it was made without regard to the prediction; else None.
        """
        track, layers = sight.track, sight.layers
        predicted = None if support is not None else sight.predicted
        with sight.watch.stage("align"):
            uncertainty_px = math.inf if predicted is None or doubtful else self._uncertainty_px(predicted, keyframe)
            alignment = self._aligner.align(keyframe, layers, guesses, uncertainty_px=uncertainty_px, doubtful=doubtful)
        with sight.watch.stage("assess"):
            pose, black = alignment.camera_from_world, self._weakness_config.black
            view = measure_view(sight.frame, layers, keyframe, pose, alignment.inlier_share, black)
            nis = math.nan
            if predicted is not None:
                covariance = self._assess_config.noise_inflation * alignment.residual_covariance
                nis = self._motion.nis(predicted, pose, covariance)
            assessment = assess(
                alignment,
                view,
                keyframe.coverage,
                keyframe.depth,
                nis,
                self._assess_config,
                support=support,
                steady=not doubtful and track is not None and track.misses == 0,
                before=None if track is None else track.fit,
            )
            return Attempt(keyframe, alignment, assessment, support)

    def _uncertainty_px(self, predicted: MotionState, keyframe: Keyframe) -> float:
        """Return the standard deviation, in pixels, of where the prediction puts a point at the median depth."""
        if not self._filtered:
            return math.inf
        return keyframe.rendering.camera.fx * spread_rad(predicted.pose_covariance, keyframe.depth)


def _trust(attempt: Attempt) -> tuple[bool, float]:
    return attempt.assessment.believed, attempt.assessment.score
