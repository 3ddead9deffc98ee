"""What a page tells of one run, gathered from its folder, from a ground truth, from its map and from its images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.evaluate.judge import Judged
from reloc.evaluate.run import Run
from reloc.geometry.trajectory import Trajectory
from reloc.report.topview import TopView
from reloc.report.worst import WorstFrame
from reloc.sinks.pictures import Picture

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ShownFrame:
    """A frame that is worth a look, with its pictures."""

    frame: WorstFrame
    pictures: tuple[Picture, ...]
    """RGB, as many as there are captions."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One run on the page."""

    run: Run
    judged: Judged | None = None
    """None without a ground truth."""
    worst: tuple[WorstFrame, ...] = ()
    shown: tuple[ShownFrame, ...] = ()
    """Those of `worst` whose image was found."""
    missing_pictures: str = ""
    """Why there are no pictures, empty where there are."""
    settings: str = ""
    """Its config.yaml, empty where there is none."""

    @property
    def begin_ns(self) -> int:
        """The time that plots count from: of the first frame that is known."""
        times = [one.timestamps_ns[0] for one in (self.run.frames, self.run.trajectory) if one is not None and len(one)]
        return int(min(times, default=0))

    def seconds(self, timestamps_ns: NDArray[np.int64]) -> Array:
        """Return seconds since `begin_ns`."""
        return np.asarray((timestamps_ns - self.begin_ns) * 1e-9)

    def errors_over_time(self) -> tuple[Array, Array, Array]:
        """Return seconds, centimetres and degrees for every frame of the ground truth that counts; NaN where there is no pose."""
        if self.judged is None:
            return np.zeros(0), np.zeros(0), np.zeros(0)
        evaluation = self.judged.evaluation
        position, rotation = np.full((2, evaluation.frames), np.nan)
        position[evaluation.frame_of_match] = 100 * evaluation.errors.position_m
        rotation[evaluation.frame_of_match] = np.degrees(evaluation.errors.rotation_rad)
        return self.seconds(evaluation.groundtruth.timestamps_ns), position, rotation


@dataclass(frozen=True, eq=False)
class MapView:
    """A map from above, or why there is none, and the runs that belong to it."""

    view: TopView | None
    missing: str
    """Why there is no picture; empty where there is one."""
    runs: tuple[int, ...]
    """Places of the runs in the page's list, next to one another."""
    groundtruth: Trajectory | None = None
