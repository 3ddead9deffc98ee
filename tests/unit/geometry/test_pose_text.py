from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reloc.errors import ConfigError
from reloc.geometry.pose_text import parse_pose
from tests.tolerances import ALGEBRA


@pytest.mark.parametrize(
    "text", ["1 -2 3e-1 0.1 0.2 0.3 0.927", "1, -2, 0.3, 0.1, 0.2, 0.3, 0.927\n", " 1 -2\t0.3,0.1 0.2 0.3 .927 "]
)
def test_seven_numbers_are_position_and_quaternion_with_the_real_part_last(text: str) -> None:
    pose = parse_pose(text)
    np.testing.assert_array_equal(pose.translation, [1, -2, 0.3])
    np.testing.assert_allclose(pose.rotation, Rotation.from_quat([0.1, 0.2, 0.3, 0.927]).as_matrix(), atol=ALGEBRA)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "seven numbers `tx ty tz qx qy qz qw`, found ``"),
        ("1 2 3 0 0 1", "seven numbers"),
        ("1 2 3 0 0 0 1 9", "seven numbers"),
        ("1 2 3 a 0 0 1", "seven numbers"),
        ("1 2 nan 0 0 0 1", "seven numbers"),
        ("1 2 3 0 0 0 0", "length 1, found 0; the order is"),
        ("0 0 0 1 1 2 3", "length 1, found 3.87"),
    ],
)
def test_anything_else_is_explained(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_pose(text)
