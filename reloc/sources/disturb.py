"""Disturbs any source in the ways that break trackers: the yardstick of robustness.

Every disturbance is the same for the same seed and frame. Index and time stay with the frame; `RawFrame.name` stays with
the picture, so that a frozen or exchanged picture still says which view it shows.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from types import MappingProxyType

import numpy as np

from reloc.errors import ConfigError, SourceError
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.sources import effects
from reloc.sources.decode import Image
from reloc.sources.derived import DerivedSource
from reloc.sources.effects import Effect, Moment
from reloc.sources.every import every_nth
from reloc.sources.source import FrameSource

# An incident begins when a tracker has settled, and leaves time to recover in a recording of ten seconds.
_START_S = 3.0
_DURATION_S = 2.0
# The same for a jump, in shares of the length.
_JUMP, _FIRST_JUMP, _LAST_JUMP = 0.3, 0.1, 0.4
_JUMP_STEP = (_LAST_JUMP - _FIRST_JUMP) * (math.sqrt(5) - 1) / 2
# Between the earliest and the latest begin, each seed goes on by the golden section, round and round: no two begin alike, and few
# trials or many are spread evenly.
_EARLIEST_S, _LATEST_S = 1.6, 6.5
_STEP_S = (_LATEST_S - _EARLIEST_S) * (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Incident:
    """When something happens, in seconds since the first frame."""

    start_s: float
    duration_s: float

    @classmethod
    def of(cls, seed: int) -> Incident:
        """Return the incident of a seed, so that other seeds are other trials."""
        past = (_START_S - _EARLIEST_S + _STEP_S * seed) % (_LATEST_S - _EARLIEST_S)
        return cls(_EARLIEST_S + past, _DURATION_S)

    def holds_at(self, time_s: float) -> bool:
        """Return whether it happens at a time."""
        return self.start_s <= time_s < self.start_s + self.duration_s


@dataclass(frozen=True)
class Disturbance:
    """A way to disturb a source."""

    description: str
    """One line for people."""
    apply: Callable[[FrameSource, int], FrameSource]
    """Takes a source and a seed; returns the disturbed source."""
    blinds: bool = False
    """Whether its incident leaves nothing to track by."""
    repeats: bool = False
    """Whether another seed is another trial: an incident at another time."""
    carries: bool = False
    """Whether it takes the camera where only the whole map can be searched for it."""


def disturbed(source: FrameSource, name: str, seed: int = 0) -> FrameSource:
    """Return `source` under the disturbance `name` of `DISTURBANCES`. Raises `ConfigError` for an unknown name."""
    if name not in DISTURBANCES:
        close = difflib.get_close_matches(name, DISTURBANCES, n=1)
        hint = f"did you mean “{close[0]}”?" if close else f"known are {', '.join(DISTURBANCES)}"
        raise ConfigError(f"There is no disturbance “{name}”: {hint}")
    return DISTURBANCES[name].apply(source, seed)


def with_effect(source: FrameSource, effect: Effect, seed: int = 0) -> FrameSource:
    """Return `source` with `effect` on each image; size, bit depth and channels stay."""
    return DerivedSource(source, lambda inner: _changed(inner, effect, seed))


def apply_effect(image: Image, effect: Effect, moment: Moment) -> Image:
    """Return an 8- or 16-bit image under an effect, rounded and saturated."""
    white = np.iinfo(image.dtype).max
    result = effect(image.astype(np.float32) / np.float32(white), moment)
    stored: Image = np.rint(np.clip(result, 0, 1) * np.float32(white)).astype(image.dtype)
    return stored


def _changed(source: FrameSource, effect: Effect, seed: int) -> Iterator[RawFrame]:
    for frame, time_s in _timed(source):
        yield replace(frame, image=apply_effect(frame.image, effect, Moment(frame.index, time_s, seed)))


def _timed(source: FrameSource) -> Iterator[tuple[RawFrame, float]]:
    """Yield the frames with the seconds since the first of them."""
    first_ns: int | None = None
    for frame in source:
        first_ns = frame.timestamp_ns if first_ns is None else first_ns
        yield frame, (frame.timestamp_ns - first_ns) / NANOSECONDS_PER_SECOND


def dropped(source: FrameSource, seed: int, share: float) -> FrameSource:
    """Leave out `share` of the frames at random, but never frame 0."""

    def frames(inner: FrameSource) -> Iterator[RawFrame]:
        for frame in inner:
            if frame.index == 0 or np.random.default_rng([seed, frame.index]).random() >= share:
                yield frame

    return DerivedSource(source, frames, replace(source.info, length=None))


def frozen(source: FrameSource, incident: Incident) -> FrameSource:
    """Repeat the picture of the first frame of an incident while it lasts; index and time go on."""

    def frames(inner: FrameSource) -> Iterator[RawFrame]:
        held: RawFrame | None = None
        for frame, time_s in _timed(inner):
            if not incident.holds_at(time_s):
                yield frame
                continue
            held = held or frame
            yield _showing(held, frame)

    return DerivedSource(source, frames)


def kidnapped(source: FrameSource, seed: int, duration: float, shift: float) -> FrameSource:
    """Show pictures from elsewhere in the recording for a while: the camera jumps there, moves on, and jumps back.

    Both are shares of the length, as is the begin, which depends on the seed: the frames from there on show what lies `shift`
    later. The source is read twice at a time. Raises `SourceError` if its length is not known.
    """
    length = source.info.length
    if length is None or source.info.live:
        raise SourceError("Only a recording whose number of frames is known can show a camera that is carried elsewhere")
    start = _FIRST_JUMP + (_JUMP - _FIRST_JUMP + _JUMP_STEP * seed) % (_LAST_JUMP - _FIRST_JUMP)
    begin, end, offset = (round(share * length) for share in (start, start + duration, shift))

    def frames(inner: FrameSource) -> Iterator[RawFrame]:
        elsewhere = islice(iter(inner), begin + offset, end + offset)
        for position, frame in enumerate(inner):
            inside = begin <= position < end
            yield _showing(next(elsewhere, frame), frame) if inside else frame

    return DerivedSource(source, frames)


def _showing(picture: RawFrame, moment: RawFrame) -> RawFrame:
    """Return the picture of one frame at the index and time of another."""
    return replace(picture, index=moment.index, timestamp_ns=moment.timestamp_ns)


def _effect(description: str, effect: Effect) -> Disturbance:
    return Disturbance(description, lambda source, seed: with_effect(source, effect, seed))


def _incident(description: str, effect: Effect, *, blinds: bool = False) -> Disturbance:
    """Return an effect that lasts for a while, from a time on that depends on the seed."""

    def apply(source: FrameSource, seed: int) -> FrameSource:
        when = Incident.of(seed)
        return with_effect(source, effects.within(when.start_s, when.duration_s, effect), seed)

    return Disturbance(description, apply, blinds=blinds, repeats=True)


def _unseeded(description: str, apply: Callable[[FrameSource], FrameSource]) -> Disturbance:
    return Disturbance(description, lambda source, seed: apply(source))


DISTURBANCES: Mapping[str, Disturbance] = MappingProxyType(
    {
        "none": _unseeded("the source as it is", lambda source: source),
        # Light and disturbances that last: the table of the design.
        "gamma_half": _effect("gamma 0.5: the dark is brightened", effects.gamma(0.5)),
        "gamma_double": _effect("gamma 2: the dark is darkened", effects.gamma(2.0)),
        "shadow": _effect(
            "a hard shadow (−60 %) over 40 % of the image sweeps across it in 60 frames",
            effects.shadow(strength=0.6, share=0.4, period=60),
        ),
        "gain_sine": _effect("gain ±70 % in a sine of 38 frames", effects.gain_sine(amplitude=0.7, period=38)),
        "noise": _effect("Gaussian noise of 0.08", effects.noise(0.08)),
        "motion_blur": _effect("horizontal blur of 25 pixels", effects.motion_blur(25)),
        "noisy_patch": _effect("a patch of noise over a quarter of the image wanders", effects.noisy_patch(0.25)),
        "gain_half": _effect("half the light: gain 0.5", effects.gain_bias((0.5,))),
        "gain_double": _effect("twice the light: gain 2", effects.gain_bias((2.0,))),
        "bias_up": _effect("a veil of light: bias +0.1", effects.gain_bias((1.0,), 0.1)),
        "bias_down": _effect("blacks cut off: bias −0.1", effects.gain_bias((1.0,), -0.1)),
        "colour_cast": _effect("warm light: red × 1.3, blue × 0.7", effects.gain_bias((1.3, 1.0, 0.7))),
        "occluded": _effect("a textured patch over 30 % of the image wanders", effects.occluder(0.3)),
        "gain_swing": _effect(
            "gain × 0.3 to × 3 within 10 frames and back, over and over", effects.gain_swing(low=0.3, high=3.0, ramp=10, hold=20)
        ),
        "rolling_noise": _effect(
            "bands (±30 %) roll down the image, every row has noise of 0.05",
            effects.rolling_bands(depth=0.3, bands=3, period=11, sigma=0.05),
        ),
        # Incidents: from 3 s on for 2 s, other seeds at other times.
        "covered": _incident("the lens is covered for 2 s", effects.black, blinds=True),
        "half_covered": _incident("the left half of the lens is covered for 2 s", effects.half_black),
        "blurred": _incident("out of focus (σ 8 px) for 2 s", effects.defocus(8.0)),
        "lights_off": _incident("the lights are out (3 %, noise of 0.01) for 2 s", effects.darkness(0.03, 0.01)),
        "frozen": Disturbance(
            "the image is frozen for 2 s", lambda source, seed: frozen(source, Incident.of(seed)), blinds=True, repeats=True
        ),
        "kidnapped": Disturbance(
            "the camera is carried elsewhere for a fifth of the recording",
            partial(kidnapped, duration=0.2, shift=0.4),
            repeats=True,
            carries=True,
        ),
        # Frames that do not come.
        "dropped": Disturbance("30 % of the frames are dropped at random", partial(dropped, share=0.3)),
        "every_8": _unseeded("every 8th frame only", partial(every_nth, n=8)),
        "every_16": _unseeded("every 16th frame only", partial(every_nth, n=16)),
        "every_24": _unseeded("every 24th frame only", partial(every_nth, n=24)),
    }
)
"""Every disturbance by name."""
