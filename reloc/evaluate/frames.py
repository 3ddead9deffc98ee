"""What was known of each frame of a run, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Verdict
from reloc.geometry.trajectory import Trajectory

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RunFrames:
    """The table of frames.jsonl: N rows in order of time; NaN and empty text where a row said nothing."""

    indices: NDArray[np.int64]
    """(N,) place in the source."""
    timestamps_ns: NDArray[np.int64]
    """(N,)"""
    names: tuple[str, ...]
    verdicts: NDArray[np.str_]
    """(N,) such as `TRACKED`."""
    reasons: tuple[str, ...]
    translations: Array
    """(N, 3) of world_from_camera, whatever the verdict."""
    quaternions: Array
    """(N, 4) in the order (w, x, y, z)."""
    covariances: Array
    """(N, 6, 6) for exp(δ) @ world_from_camera."""
    measures: Mapping[str, Array]
    """(N,) each: `score`, `residual`, `nis`, ... as in the file."""
    exposure: Mapping[str, Array]
    """(N,) `gain` and `bias`, averaged over the channels."""
    milliseconds: Mapping[str, Array]
    """(N,) for each stage."""

    def __len__(self) -> int:
        return len(self.timestamps_ns)

    @property
    def has_pose(self) -> NDArray[np.bool_]:
        """(N,) where a finite pose was written, believed or not."""
        return np.asarray(np.isfinite(np.hstack([self.translations, self.quaternions])).all(axis=1))

    @property
    def is_believed(self) -> NDArray[np.bool_]:
        """(N,) where the pose was measured and can be used: TRACKED or LIMITED."""
        return np.isin(self.verdicts, [verdict.value for verdict in Verdict if verdict.is_believed])

    def poses(self, which: NDArray[np.bool_]) -> Trajectory:
        """Return the trajectory of the frames in a mask (N,), which must have a pose."""
        return Trajectory(self.timestamps_ns[which], self.translations[which], self.quaternions[which])
