"""The line at the terminal that says how a live run is going."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reloc.commands.progress import COLORS
from reloc.estimate import Estimate
from reloc.live import CameraState, CameraStatus

_WINDOW_S = 2.0
_REFRESH_HZ = 4


class FrameRate:
    """Counts frames over the last seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, window_s: float = _WINDOW_S) -> None:
        self._clock, self._window_s = clock, window_s
        self._begun_s: float | None = None
        # Bounded, whatever somebody calls a frame.
        self._times_s: deque[float] = deque(maxlen=10_000)

    def tick(self) -> None:
        """Count a frame."""
        now_s = self._clock()
        if self._begun_s is None:
            self._begun_s = now_s
        self._times_s.append(now_s)

    def hz(self) -> float:
        """Return how many frames a second there have been lately."""
        if self._begun_s is None:
            return 0.0
        now_s = self._clock()
        since_s = now_s - self._window_s
        recent = sum(time_s > since_s for time_s in tuple(self._times_s))
        return recent / max(min(self._window_s, now_s - self._begun_s), 0.1)


class LiveLine:
    """What there is to say about the latest frame and the camera, as text with rich's markup."""

    def __init__(self, status: Callable[[], CameraStatus], rate: FrameRate | None = None) -> None:
        self._status, self._rate = status, rate or FrameRate()
        self._latest: Estimate | None = None

    def show(self, estimate: Estimate) -> None:
        """Take the latest estimate."""
        self._rate.tick()
        self._latest = estimate

    def text(self) -> str:
        """Return the line."""
        status, latest = self._status(), self._latest
        parts = [] if status.state is CameraState.STREAMING else [_camera(status)]
        if latest is not None:
            latency_ms = latest.milliseconds.get("latency")
            parts.append(f"[{COLORS[latest.verdict]}]{latest.verdict}[/]  score {latest.score:.2f}")
            parts.append(f"{self._rate.hz():.1f} fps")
            parts += [] if latency_ms is None else [f"latency {latency_ms:.0f} ms"]
        parts.append(f"{status.dropped} dropped")
        parts += [] if latest is None or not latest.reason else [latest.reason.replace("[", r"\[")]
        return "  ".join(parts)


def _camera(status: CameraStatus) -> str:
    color = "yellow" if status.state is CameraState.STARTING else "red"
    return f"[{color}]camera {status.state} {status.state_s:.0f} s[/]"


@contextmanager
def live_line(status: Callable[[], CameraStatus]) -> Iterator[Callable[[Estimate], None]]:
    """Show the line on stderr while the block runs, if that is a terminal; give what takes each estimate."""
    if not sys.stderr.isatty():
        yield lambda estimate: None
        return
    # Late: a run as a service needs none of it.
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    line = LiveLine(status)
    shown = Live(
        get_renderable=lambda: Text.from_markup(line.text(), overflow="ellipsis"),
        console=Console(stderr=True),
        refresh_per_second=_REFRESH_HZ,
        transient=True,
    )
    with shown:
        yield line.show
