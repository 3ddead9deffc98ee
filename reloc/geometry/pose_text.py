"""A pose as a person types it."""

from __future__ import annotations

import math

import numpy as np

from reloc.errors import ConfigError
from reloc.geometry.se3 import SE3, wxyz_from_xyzw

POSE_FORM = "tx ty tz qx qy qz qw"
# As far from 1 as rounding to two decimals brings it.
_QUATERNION_NORM_SLACK = 0.02


def parse_pose(text: str) -> SE3:
    """Return the pose of seven numbers `tx ty tz qx qy qz qw`, with spaces or commas between; metres, the real part last.

    Raises `ConfigError` for anything else, and for a quaternion that is not of length 1.
    """
    fields = text.replace(",", " ").split()
    try:
        values = [float(field) for field in fields]
    except ValueError:
        values = []
    if len(values) != 7 or not all(map(math.isfinite, values)):
        raise ConfigError(f"a pose is seven numbers `{POSE_FORM}`, found `{text[:80]}`")
    length = math.hypot(*values[3:])
    if abs(length - 1.0) > _QUATERNION_NORM_SLACK:
        raise ConfigError(f"the quaternion of a pose has length 1, found {length:.4g}; the order is `{POSE_FORM}`")
    return SE3.from_quaternion(wxyz_from_xyzw(np.array(values[3:])), values[:3])
