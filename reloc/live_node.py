"""Runs a live camera through a relocalizer into sinks, until the camera's recording ends or somebody asks to stop."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from reloc.errors import RelocError
from reloc.estimate import Estimate, Verdict
from reloc.frame import RawFrame
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3
from reloc.live.camera import LiveCamera
from reloc.node import RunResult
from reloc.relocalizer import Relocalizer
from reloc.render.renderer import Renderer
from reloc.sinks.queued import QueuedSink
from reloc.sinks.sink import FanOut, Sink

_WAIT_S = 0.1
_WARM_UP_STEP_NS = 33_333_333
_NANOSECONDS_PER_MILLISECOND = 1e6

logger = logging.getLogger(__name__)


def run_live(
    camera: LiveCamera,
    begin: Callable[[RawFrame], Relocalizer],
    sinks: Sequence[Sink],
    full_camera: PinholeCamera,
    *,
    ready: Callable[[], None] = lambda: None,
    progress: Callable[[Estimate], None] = lambda estimate: None,
    idle: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Track the newest frame of a camera again and again, and hand each estimate to the sinks.

    Each estimate gets the latency from exposure to pose among its `milliseconds`. A frame that cannot be used is left out, as
    long as there was one that could: a camera may send nonsense when it comes back. The camera is started here, after all else
    is ready, and closed.

    Args:
        camera: Not started yet.
        begin: Makes the relocalizer once the first frame is there.
        sinks: Opened and, whatever happens, closed; those that may be slow belong into a `QueuedSink`.
        full_camera: The full-size undistorted camera, for the sinks.
        ready: Called when the sinks are open: what is to be done before the first frame is taken.
        progress: Gets each estimate as well.
        idle: Called when no frame has come for a while.
        stop: Asked before each frame, and several times a second where none comes.

    Raises:
        RelocError: A sink cannot be opened, the first frame cannot be used, or a recording breaks off.
    """
    outputs = FanOut(sinks)
    tracker = LiveTracker(begin)
    verdicts: Counter[Verdict] = Counter()
    last, stopped = None, False
    outputs.open(camera.info, full_camera)
    try:
        ready()
        camera.start()
        while not camera.is_over:
            if stop():
                stopped = True
                break
            raw = camera.take(_WAIT_S)
            estimate = None if raw is None else tracker.step(raw)
            if estimate is None:
                idle()
                continue
            outputs.write(estimate)
            last = estimate.verdict
            verdicts[last] += 1
            progress(estimate)
    finally:
        camera.close()
        # All of them at once, so that their times of grace do not add up.
        for sink in sinks:
            if isinstance(sink, QueuedSink):
                sink.end()
        outputs.close()
    broken = [sink.name for sink in sinks if isinstance(sink, QueuedSink) and sink.status.failure]
    return RunResult(dict(verdicts), last, stopped, (*outputs.failed, *broken))


def warm_up(make: Callable[[], Relocalizer], renderer: Renderer, lens: LensCamera, world_from_camera: SE3) -> None:
    """Go through all that frames will need, so that the first ones need not wait: compiled kernels, texture levels, lens maps.

    `make` returns relocalizers that share what is slow to begin with the one that will be used; these ones are thrown away.
    """
    tracker = make()
    rendering = renderer.render(lens.pinhole, world_from_camera.inverse())
    view = np.rint(255.0 * np.clip(renderer.shade(rendering, color=True), 0.0, 1.0)).astype(np.uint8)
    # Seen, then tracked, then black: that is searched for.
    for index, image in enumerate((view, view, np.zeros_like(view))):
        tracker.step(RawFrame(index, index * _WARM_UP_STEP_NS, image))


class LiveTracker:
    """A relocalizer that comes to be with the first frame, outlives frames that cannot be used, and measures the latency."""

    def __init__(self, begin: Callable[[RawFrame], Relocalizer], now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._begin, self._now_ns = begin, now_ns
        self._relocalizer: Relocalizer | None = None
        self._is_proven = False
        self._complaint = ""

    def step(self, raw: RawFrame) -> Estimate | None:
        """Return where the camera was; None for a frame that cannot be used. Raises `RelocError` if not one could be so far."""
        if self._relocalizer is None:
            self._relocalizer = self._begin(raw)
        try:
            estimate = self._relocalizer.step(raw)
        except RelocError as error:
            if not self._is_proven:
                raise
            self._complain(str(error))
            return None
        self._is_proven, self._complaint = True, ""
        return self._with_latency(estimate, raw)

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            logger.warning("a frame cannot be used and is left out: %s", text)

    def _with_latency(self, estimate: Estimate, raw: RawFrame) -> Estimate:
        if raw.host_ns is None:
            return estimate
        latency_ms = (self._now_ns() - raw.host_ns) / _NANOSECONDS_PER_MILLISECOND
        return replace(estimate, milliseconds={**estimate.milliseconds, "latency": latency_ms})
