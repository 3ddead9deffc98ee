"""Estimates made for the tests of sinks and of what reads their files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from reloc.estimate import Estimate, Exposure, Outcome, Quality, Verdict
from reloc.frame import Frame, RawFrame
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.sources.source import SourceInfo

CAMERA = PinholeCamera(640, 480, 500.0, 501.0, 319.5, 239.5)
LENS = LensCamera(LensModel.OPENCV, 640, 480, 518.0, 516.0, 318.0, 234.0, (-0.01, -0.05, 0.0, 0.0))
INFO = SourceInfo("kitchen", live=False, length=10, camera=LENS, clock="recording")
QUALITY = Quality(
    inlier_share=0.9,
    correlation=0.8,
    coverage=0.95,
    visible_share=0.85,
    condition=12.0,
    residual=0.03,
    nis=5.5,
    sharpness=0.7,
    unlit_share=0.1,
    occluded_share=0.2,
    best_regions=0.6,
    points=800,
    surprise_share=0.01,
)


def _never() -> tuple[PinholeCamera, np.ndarray]:
    raise AssertionError("a file of numbers needs no picture")


def estimate(index: int = 0, world_from_camera: SE3 | None = None, *, timestamp_ns: int | None = None, **fields: Any) -> Estimate:
    """Return an estimate of frame `index` at 30 Hz; `fields` replace those of `Estimate`."""
    pose = SE3.exp([0.1 * index, 0.2, 0.3, 0.0, 0.1 * index, 0.2]) if world_from_camera is None else world_from_camera
    time_ns = index * 33_333_333 if timestamp_ns is None else timestamp_ns
    raw = RawFrame(index, time_ns, np.zeros((2, 2), np.uint8), f"{index:06d}.jpg")
    frame = Frame(index, time_ns, CAMERA, np.zeros((2, 2), np.float32), np.ones((2, 2), bool), raw, _never)
    made = Estimate(
        frame=frame,
        verdict=Verdict.TRACKED,
        reason="",
        score=0.9,
        camera_from_world=pose.inverse(),
        covariance=np.diag([1e-4, 2e-4, 3e-4, 4e-6, 5e-6, 6e-6]),
        exposure=Exposure(np.array([1.1]), np.array([0.02])),
        outcome=Outcome.CONVERGED,
        iterations=11,
        quality=QUALITY,
        milliseconds={"align": 4.0, "total": 7.0},
    )
    return replace(made, **fields)
