from __future__ import annotations

import numpy as np

from reloc.align.trace import Trace
from reloc.geometry.se3 import SE3


def pose(x: float) -> SE3:
    return SE3(np.eye(3), np.array([x, 0.0, 0.0]))


def positions(trace: Trace, end: float) -> list[float]:
    return [float(one.translation[0]) for one in trace.way_to(pose(end))]


def descend(trace: Trace, *xs: float) -> None:
    step = trace.begin(pose(xs[0]))
    for x in xs[1:]:
        step(pose(x))


def test_the_way_leads_through_the_descents_that_end_where_the_next_begins() -> None:
    trace = Trace()
    descend(trace, 0, 1, 2)
    descend(trace, 10, 11)
    descend(trace, 2, 3)
    descend(trace, 11, 12)
    descend(trace, 3, 3.5)
    assert positions(trace, 3.5) == [0, 1, 2, 3, 3.5]
    assert positions(trace, 12) == [10, 11, 12]


def test_a_descent_that_takes_no_step_adds_nothing() -> None:
    trace = Trace()
    descend(trace, 0, 1)
    descend(trace, 1)
    descend(trace, 1, 2)
    assert positions(trace, 2) == [0, 1, 2]


def test_a_pose_that_no_descent_led_to_is_its_own_way() -> None:
    trace = Trace()
    descend(trace, 0, 1)
    assert positions(trace, 5) == [5]


def test_every_step_is_told() -> None:
    told: list[int] = []
    trace = Trace(lambda: told.append(1))
    descend(trace, 0, 1, 2)
    descend(trace, 5)
    assert len(told) == 2
