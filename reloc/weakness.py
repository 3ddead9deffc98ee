"""What is weak about a view although its pose is believed: the reasons of the verdict LIMITED."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from reloc.estimate import Quality, Weakness
from reloc.frame import NANOSECONDS_PER_SECOND, Frame

_FEW_ROWS = 16
"""Images that differ at all mostly do so in every so many of their rows."""


@dataclass(frozen=True)
class WeaknessConfig:
    """When a believed pose is LIMITED rather than TRACKED."""

    sharpness: Annotated[float, Ge(0), Le(1)] = 0.35
    """Blur: the image is less than this share as sharp as the map, across the direction in which it is worse."""
    unlit_share: Annotated[float, Gt(0)] = 0.4
    """Low light: the image is black or burnt out at more than this share of the points in view."""
    black: Annotated[float, Ge(0), Le(1)] = 0.03
    """Intensities up to this are black, and as close to 1 burnt out."""
    occluded_share: Annotated[float, Gt(0)] = 0.2
    """Occlusion: more than this share of the points lies in parts of the image that show something else than the map."""
    points: Annotated[int, Ge(0)] = 300
    """Few points: fewer than this many points of the map are in view and fit."""
    coverage: Annotated[float, Ge(0), Le(1)] = 0.3
    """Off the map: the map covers less than this share of the image."""
    surprise_share: Annotated[float, Gt(0)] = 0.1
    """Fast motion: the image moved by more than this share of its width beyond what was predicted."""
    frozen_s: Annotated[float, Ge(0)] = 0.2
    """Frozen image: the same image to the last bit for longer than this. Cameras repeat a frame now and then, which is no harm; a
    longer halt cannot be told from a camera that stands still in a world without noise, so the pose stays, LIMITED."""
    release: Annotated[float, Gt(0), Le(1)] = 0.8
    """A weakness ends when it is down to this share of what makes it begin, lest it come and go with every frame."""


@dataclass(frozen=True, eq=False)
class Picture:
    """The image of a frame, and since when it has been the same to the last bit."""

    image: NDArray[np.float32]
    since_ns: int

    def followed_by(self, frame: Frame) -> Picture:
        """Return the picture of the next frame."""
        return Picture(frame.image, self.since_ns if _are_same(self.image, frame.image) else frame.timestamp_ns)

    def frozen_s(self, now_ns: int) -> float:
        """Return for how many seconds nothing has changed."""
        return max(now_ns - self.since_ns, 0) / NANOSECONDS_PER_SECOND


def _are_same(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Return whether two images are the same to the last bit."""
    return np.array_equal(a[::_FEW_ROWS], b[::_FEW_ROWS]) and np.array_equal(a, b)


_SENTENCES: dict[Weakness, Callable[[Quality], str]] = {
    Weakness.BLUR: lambda q: f"the image is {q.sharpness:.2f} times as sharp as the map",
    Weakness.LOW_LIGHT: lambda q: f"{100 * q.unlit_share:.0f} % of the view is black or burnt out",
    Weakness.OCCLUSION: lambda q: f"{100 * q.occluded_share:.0f} % of the view shows something else than the map",
    Weakness.FEW_POINTS: lambda q: f"{q.points} points of the map fit",
    Weakness.OFF_THE_MAP: lambda q: f"the map covers {100 * q.coverage:.0f} % of the image",
    Weakness.FAST_MOTION: lambda q: f"the image moved {100 * q.surprise_share:.0f} % of its width beyond the prediction",
    Weakness.FROZEN: lambda q: f"nothing in the image has changed for {q.frozen_s:.1f} s",
}
# What can be said of a view even if its pose is wrong.
_OF_THE_IMAGE = frozenset({Weakness.LOW_LIGHT, Weakness.FROZEN})


def weaknesses(quality: Quality, config: WeaknessConfig, before: Collection[Weakness], *, believed: bool) -> tuple[Weakness, ...]:
    """Return what is weak about a view, given what was weak in the frame `before`; of one that is not believed, what is sure."""
    severity = {
        Weakness.LOW_LIGHT: quality.unlit_share / config.unlit_share,
        Weakness.BLUR: config.sharpness / max(quality.sharpness, 1e-6),
        Weakness.OCCLUSION: quality.occluded_share / config.occluded_share,
        Weakness.FEW_POINTS: config.points / max(quality.points, 1),
        Weakness.OFF_THE_MAP: config.coverage / max(quality.coverage, 1e-6),
        Weakness.FAST_MOTION: quality.surprise_share / config.surprise_share,
        Weakness.FROZEN: quality.frozen_s / max(config.frozen_s, 1e-6),
    }
    return tuple(
        weakness
        for weakness, value in severity.items()
        if value > (config.release if weakness in before else 1.0) and (believed or weakness in _OF_THE_IMAGE)
    )


def in_words(found: Collection[Weakness], quality: Quality) -> str:
    """Return weaknesses as a phrase for people; empty where there are none."""
    return "; ".join(f"{weakness}: {_SENTENCES[weakness](quality)}" for weakness in found)
