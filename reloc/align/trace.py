"""The poses that solvers go through on their way, for people to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from reloc.geometry.se3 import SE3

# A descent that begins where another has ended takes its pose over through a product or two.
_SAME = 1e-9


class Trace:
    """Listens to the descents of solvers, of which many may lead nowhere, and finds the way to the pose that was chosen.

    Args:
        on_step: Called at every step, for a progress bar.
    """

    def __init__(self, on_step: Callable[[], None] | None = None) -> None:
        self._on_step = on_step
        self._descents: list[list[SE3]] = []

    def begin(self, pose: SE3) -> Callable[[SE3], None]:
        """Note that a descent begins at a pose camera_from_world; return what is to be called with each further pose."""
        descent = [pose]
        self._descents.append(descent)

        def step(pose: SE3) -> None:
            descent.append(pose)
            if self._on_step is not None:
                self._on_step()

        return step

    def way_to(self, pose: SE3) -> Sequence[SE3]:
        """Return the poses from a guess to `pose`: the last descent that ended there, after those that led to its start."""
        way = [pose]
        for descent in reversed(self._descents):
            if _is_same(descent[-1], way[0]):
                way = descent[:-1] + way
        return way


def _is_same(a: SE3, b: SE3) -> bool:
    return bool(np.abs(a.matrix - b.matrix).max() < _SAME)
