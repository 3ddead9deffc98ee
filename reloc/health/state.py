"""What is known of a live run at a moment."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reloc.estimate import Estimate, Verdict
from reloc.live import CameraState, CameraStatus
from reloc.sinks.queued import QueueStatus

# A frame may take long while the camera is lost; longer than this, and tracking itself hangs.
_STUCK_S = 5.0


@dataclass(frozen=True)
class Latest:
    """What the latest estimate said, without its images."""

    index: int
    timestamp_ns: int
    verdict: Verdict
    reason: str
    score: float
    latency_ms: float | None
    seen_s: float
    """When it came, on our clock."""


class HealthState:
    """Takes estimates from one thread and answers others.

    Args:
        camera: How the camera is.
        sinks: How the sinks behind queues are.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        camera: Callable[[], CameraStatus],
        sinks: Callable[[], Sequence[QueueStatus]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.camera, self.sinks = camera, sinks
        self._clock = clock
        self._lock = threading.Lock()
        self._begun_s = clock()
        self._verdicts: Counter[Verdict] = Counter()
        self._latest: Latest | None = None

    def take(self, estimate: Estimate) -> None:
        """Note what there is to know of an estimate."""
        latest = Latest(
            estimate.frame.index,
            estimate.frame.timestamp_ns,
            estimate.verdict,
            estimate.reason,
            estimate.score,
            estimate.milliseconds.get("latency"),
            self._clock(),
        )
        with self._lock:
            self._latest = latest
            self._verdicts[estimate.verdict] += 1

    @property
    def latest(self) -> Latest | None:
        """What the latest estimate said."""
        return self._latest

    def age_s(self, latest: Latest) -> float:
        """Return how long ago an estimate came, in seconds."""
        return self._clock() - latest.seen_s

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """How many frames got which verdict."""
        with self._lock:
            return {verdict: self._verdicts[verdict] for verdict in Verdict}

    def problems(self) -> list[str]:
        """Return what is wrong at the moment, in sentences for people."""
        camera, latest = self.camera(), self._latest
        found = []
        if camera.state is not CameraState.STREAMING:
            cause = f": {camera.last_error}" if camera.last_error and camera.state is CameraState.WAITING else ""
            found.append(f"the camera is {camera.state} for {camera.state_s:.1f} s{cause}")
        elif latest is None:
            found.append("there is no pose yet")
        elif (age_s := self.age_s(latest)) > _STUCK_S:
            found.append(f"tracking hangs: frames come, but the latest pose is {age_s:.1f} s old")
        if latest is not None and latest.verdict.is_lost:
            found.append(f"the camera is lost: {latest.reason or 'no reason is known'}")
        return found + [f"{sink.name} failed: {sink.failure}" for sink in self.sinks() if sink.failure]

    def report(self) -> dict[str, Any]:
        """Return all that is known, for JSON."""
        latest, problems = self._latest, self.problems()
        return {
            "ok": not problems,
            "problems": problems,
            "uptime_s": self._clock() - self._begun_s,
            "frames": sum(self.verdicts.values()),
            "verdicts": {verdict.value: count for verdict, count in self.verdicts.items()},
            "latest": None if latest is None else {**_without_time(latest), "age_s": self.age_s(latest)},
            "camera": asdict(self.camera()),
            "sinks": [asdict(sink) for sink in self.sinks()],
        }


def _without_time(latest: Latest) -> dict[str, Any]:
    found = asdict(latest)
    del found["seen_s"]
    return found
