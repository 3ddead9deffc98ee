"""What can be chosen about finding a camera without knowing where to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge


@dataclass(frozen=True)
class PlacesConfig:
    """Finding the camera anywhere in the map, among known views of it."""

    use: Literal["auto", "never"] = "auto"
    """Whether a camera that is lost is looked for in the whole map: `auto` does wherever there is an index of known views."""
    features: Literal["sift", "aliked"] = "sift"
    """Which local features tell places apart: `aliked` is learned, needs `pip install "reloc[learned]"` and a second an image."""
    weights: str = ""
    """The file of weights of learned features; empty: those that torch hub has, or fetches."""
    matches: Literal["ratio", "lightglue"] = "ratio"
    """How features of image and view are matched: by the ratio of the nearest to the next, or, for `aliked`, by a network that
    looks at all of them at once and takes seconds an image."""
    match_weights: str = ""
    """The file of weights of `lightglue`; empty: those that torch hub has, or fetches."""
    views: Annotated[int, Ge(1)] = 400
    """How many views of a map are rendered for its index, at most."""
    guesses: Annotated[int, Ge(1)] = 3
    """How many of the poses that matched features speak for are aligned, at most. Each costs as much as a keyframe."""
    inliers: Annotated[int, Ge(4)] = 8
    """Poses that fewer matched features agree with are not tried: chance finds as many."""
