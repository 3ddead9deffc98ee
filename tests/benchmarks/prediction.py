"""How well the next pose is predicted, and how well the filter knows how well: over its memory, on three ways of moving."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reloc.estimate import Measurement
from reloc.geometry.se3 import SE3
from reloc.motion import MotionConfig, MotionModel
from reloc.synthetic.handheld import HandHeld, look_at
from tests.benchmarks.common import recording, renderer_of, tracker
from tests.benchmarks.report import Cell, Report, Table

EVERY = (1, 2, 4, 8, 12, 16, 24)
MEMORIES_S = (0.1, 0.3, 0.5, 0.7, 1.0, 2.0)
WIDTH_PX, FOCAL_PX = 320, 267.0
"""Of the images in whose pixels errors are given: those in which kitchen is tracked."""
COLUMNS = {"way": "", "every": "d", "predicted by": "", "median px": ".1f", "p90 px": ".1f", "claimed px": ".1f", "NIS": ".2f"}
_FRAME_NS = 33_333_333
_NOISE = np.diag(np.square(np.repeat([1e-3, np.radians(0.035)], 3)))
_DEPTH_M = 2.0


@dataclass(frozen=True, eq=False)
class Seen:
    """A pose as measured."""

    timestamp_ns: int
    measurement: Measurement


@dataclass(frozen=True, eq=False)
class Predictions:
    """One entry a frame that was predicted."""

    px: np.ndarray
    """How far the image moves between the predicted pose and the measured one, rms over the image at the median depth."""
    claimed_px: np.ndarray
    """What the filter says, as a standard deviation along the worse axis; empty without a filter."""
    nis: np.ndarray
    """Normalised innovation squared, of which the median should be 5.35."""

    def cells(self) -> list[Cell]:
        claimed, nis = (float(np.median(v)) if v.size else float("nan") for v in (self.claimed_px, self.nis))
        return [*np.percentile(self.px, [50, 90]).tolist(), claimed, nis]


def main(*, quick: bool = False) -> Report:
    rows: list[list[Cell]] = []
    for name, way in ways(quick=quick).items():
        for every in EVERY[::3] if quick else EVERY:
            rows += [[name, every, predictor, *found.cells()] for predictor, found in predicted(way, every).items()]
    notes = [
        "all phases of each thinning; the first three poses of each are left out",
        "white acceleration: a memory without end, with 0.3 depths/s² and 1.2 rad/s²",
    ]
    return Report("Prediction of the next pose", [Table("Errors in pixels of an image 320 wide", COLUMNS, rows)], (), notes)


def ways(*, quick: bool = False) -> dict[str, list[Seen]]:
    """Return a recording as tracked, the made-up hand, and a robot, thirty poses a second."""
    seconds = 5.0 if quick else 20.0
    recorded = recording(150 if quick else None)
    follow = tracker(renderer_of(recorded.map), recorded.lens, recorded.truth, recorded.frames[0])
    tracked = [(raw.timestamp_ns, follow.step(raw).measurement) for raw in recorded.frames]
    hand = HandHeld(0)
    return {
        recorded.name: [Seen(time_ns, found) for time_ns, found in tracked if found is not None],
        "hand": _noisy([hand.world_from_camera(t) for t in np.arange(0.0, seconds, 1 / 30)]),
        "robot": _noisy(list(_robot(seconds))),
    }


def _noisy(poses: Sequence[SE3]) -> list[Seen]:
    rng = np.random.default_rng(0)
    noise = rng.multivariate_normal(np.zeros(6), _NOISE, len(poses))
    shaken = [SE3.exp(one) @ world_from_camera.inverse() for one, world_from_camera in zip(noise, poses, strict=True)]
    return [Seen(i * _FRAME_NS, Measurement(pose, _NOISE, np.zeros((6, 6)), _DEPTH_M)) for i, pose in enumerate(shaken)]


def _robot(seconds: float) -> Iterator[SE3]:
    """Yield world_from_camera of a robot on straight lines and arcs: 0.5 m/s² and 1.5 rad/s² lead from one to the next."""
    rng, steps = np.random.default_rng(5), 10
    short = 1 / 30 / steps
    speed, turn, heading, place, until = 0.0, 0.0, 0.0, np.zeros(2), 0.0
    wanted = (0.0, 0.0)
    for i in range(round(seconds * 30)):
        if i / 30 >= until:
            wanted = (float(rng.choice([0.0, 0.25, 0.5, 0.5])), float(rng.choice([0.0, 0.0, 0.3, -0.3, 0.6, -0.6])))
            until = i / 30 + rng.uniform(1.0, 4.0)
        for _ in range(steps):
            speed += float(np.clip(wanted[0] - speed, -0.5 * short, 0.5 * short))
            turn += float(np.clip(wanted[1] - turn, -1.5 * short, 1.5 * short))
            heading += turn * short
            place = place + speed * short * np.array([np.cos(heading), np.sin(heading)])
        position = np.array([*place, 0.5])
        yield look_at(position, position + np.array([np.cos(heading), np.sin(heading), -0.05]))


def predicted(way: Sequence[Seen], every: int) -> Mapping[str, Predictions]:
    """Return how each predictor does where only every Nth pose is known."""
    endless, acceleration = 1000.0, (0.3, 1.2)
    speeds = [a * np.sqrt(endless / 2) for a in acceleration]
    models = {"white acceleration": MotionModel(MotionConfig(speed_share=speeds[0], turn_rate=speeds[1], memory_s=endless))}
    models |= {f"memory {memory_s:g} s": MotionModel(MotionConfig(memory_s=memory_s)) for memory_s in MEMORIES_S}
    phases = [way[first::every] for first in range(every)]
    last = np.concatenate([[_px(a, b) for a, b in pairwise(phase[2:])] for phase in phases])
    nothing = np.empty(0)
    return {"the last pose": Predictions(last, nothing, nothing)} | {n: _filtered(phases, m) for n, m in models.items()}


def _filtered(phases: Sequence[Sequence[Seen]], model: MotionModel) -> Predictions:
    rows = []
    for phase in phases:
        first = phase[0].measurement
        state = model.start(phase[0].timestamp_ns, first.camera_from_world, first.noise_covariance, first.depth)
        for number, seen in enumerate(phase[1:], 1):
            one = seen.measurement
            ahead = model.predict(state, seen.timestamp_ns, one.depth)
            if number > 2:
                variance = np.diag(ahead.pose_covariance)
                claimed = FOCAL_PX * np.sqrt(variance[:3].max() / one.depth**2 + variance[3:].max())
                off = pixels(ahead.camera_from_world, one.camera_from_world, one.depth)
                rows.append((off, claimed, model.nis(ahead, one.camera_from_world, one.noise_covariance)))
            state = model.update(ahead, one.camera_from_world, one.noise_covariance)
    return Predictions(*np.array(rows).T)


def _px(a: Seen, b: Seen) -> float:
    return pixels(a.measurement.camera_from_world, b.measurement.camera_from_world, b.measurement.depth)


def pixels(a: SE3, b: SE3, depth: float) -> float:
    """Return the rms over an image of how far points at a depth move in it from one pose camera_from_world to another."""
    u, v = np.meshgrid(np.linspace(-0.5, 0.5, 5) * WIDTH_PX, np.linspace(-0.375, 0.375, 5) * WIDTH_PX)
    points = depth * np.stack([u / FOCAL_PX, v / FOCAL_PX, np.ones_like(u)], axis=-1).reshape(-1, 3)
    moved = (b @ a.inverse()).apply(points)
    offset = FOCAL_PX * (moved[:, :2] / moved[:, 2:] - points[:, :2] / points[:, 2:])
    return float(np.sqrt((offset**2).sum(axis=1).mean()))
