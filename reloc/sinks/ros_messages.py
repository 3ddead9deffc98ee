"""What ROS is told about an estimate: by MCAP files and on the network alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from reloc.estimate import Estimate, Verdict
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.ros.messages import DIAGNOSTICS, ERROR, OK, POSE, TRANSFORMS, WARN, diagnostics, pose_with_covariance, transform

_LEVELS = {
    Verdict.TRACKED: OK,
    Verdict.LIMITED: WARN,
    Verdict.COASTING: WARN,
    Verdict.RELOCALISING: ERROR,
    Verdict.LOST: ERROR,
}
_NAME = "reloc: pose of the camera"


@dataclass(frozen=True)
class RosNames:
    """Names of frames and topics. An empty topic is not sent."""

    map_frame: str = "map"
    """The frame of the mesh, after REP-105."""
    camera_frame: str = "camera_optical_frame"
    """The camera's optical frame, after REP-103. A robot that knows it from its own tree wants another name or no /tf: a frame
    has one parent only."""
    pose_topic: str = "/reloc/pose"
    tf_topic: str = "/tf"
    diagnostics_topic: str = "/diagnostics"


class Message(NamedTuple):
    """A message with the topic that it goes to."""

    topic: str
    kind: str
    fields: dict[str, Any]


class EstimateMessages:
    """Makes the messages of a run. A camera that is lost has no pose; diagnostics come with a new verdict, and each second."""

    def __init__(self, names: RosNames, source: str) -> None:
        """`source` names the camera in the diagnostics."""
        self._names, self._source = names, source
        self._verdict: Verdict | None = None
        self._told_ns = 0

    def of(self, estimate: Estimate) -> list[Message]:
        """Return the messages of one estimate."""
        messages = [] if estimate.verdict.is_lost or not estimate.camera_from_world.is_finite else self._pose(estimate)
        return [message for message in [*messages, *self._diagnostics(estimate)] if message.topic]

    def _pose(self, estimate: Estimate) -> list[Message]:
        names, time_ns, pose = self._names, estimate.frame.timestamp_ns, estimate.world_from_camera
        return [
            Message(names.pose_topic, POSE, pose_with_covariance(time_ns, names.map_frame, pose, estimate.world_covariance)),
            Message(names.tf_topic, TRANSFORMS, transform(time_ns, names.map_frame, names.camera_frame, pose)),
        ]

    def _diagnostics(self, estimate: Estimate) -> list[Message]:
        time_ns = estimate.frame.timestamp_ns
        if estimate.verdict is self._verdict and 0 <= time_ns - self._told_ns < NANOSECONDS_PER_SECOND:
            return []
        self._verdict, self._told_ns = estimate.verdict, time_ns
        message = estimate.reason or estimate.verdict.value
        fields = diagnostics(time_ns, _NAME, self._source, _LEVELS[estimate.verdict], message, _values(estimate))
        return [Message(self._names.diagnostics_topic, DIAGNOSTICS, fields)]


def _values(estimate: Estimate) -> dict[str, str]:
    """Return what a person at a dashboard wants to know."""
    variances = np.diag(estimate.covariance)
    quality = estimate.quality
    return {
        "verdict": estimate.verdict.value,
        "score": f"{estimate.score:.3f}",
        "position deviation [cm]": f"{100 * math.sqrt(max(variances[:3].sum(), 0.0)):.2f}",
        "rotation deviation [deg]": f"{math.degrees(math.sqrt(max(variances[3:].sum(), 0.0))):.3f}",
        "inlier share": f"{quality.inlier_share:.3f}",
        "correlation": f"{quality.correlation:.3f}",
        "coverage": f"{quality.coverage:.3f}",
        "outcome": estimate.outcome.value,
        "iterations": str(estimate.iterations),
        "milliseconds": f"{estimate.milliseconds.get('total', math.nan):.1f}",
    }
