"""Which estimate belongs to which ground-truth frame: by time alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Indices = NDArray[np.int64]


def associate(groundtruth_ns: Times, estimate_ns: Times, tolerance_ns: int) -> tuple[Indices, Indices]:
    """Return indices (M,) and (M,) of the frames and poses that are each other's nearest in time, at most `tolerance_ns` apart.

    Both arrays increase. No frame and no pose is used twice; of two at the same distance the earlier is the nearer.
    """
    if len(groundtruth_ns) == 0 or len(estimate_ns) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    pose_of_frame = _nearest(estimate_ns, groundtruth_ns)
    frame_of_pose = _nearest(groundtruth_ns, estimate_ns)
    frames = np.arange(len(groundtruth_ns))
    mutual = frame_of_pose[pose_of_frame] == frames
    close = np.abs(estimate_ns[pose_of_frame] - groundtruth_ns) <= tolerance_ns
    return frames[mutual & close], pose_of_frame[mutual & close]


def _nearest(sorted_times: Times, wanted: Times) -> Indices:
    """Return for each wanted time the index of the nearest of the sorted times."""
    after = np.clip(np.searchsorted(sorted_times, wanted), 0, len(sorted_times) - 1)
    before = np.maximum(after - 1, 0)
    earlier = np.abs(wanted - sorted_times[before]) <= np.abs(sorted_times[after] - wanted)
    return np.asarray(np.where(earlier, before, after), dtype=np.int64)
