"""Decides when a camera has gone silent, when to let go of it and when to try again; others do it, and tell it the time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum, auto

from reloc.live.config import LiveConfig

# A camera that stays away for days must not fill the log: after so many equal failures in a row they are only for the curious.
_MOST_WARNINGS = 6

_log = logging.getLogger(__name__)


class CameraState(StrEnum):
    """What a camera is doing."""

    STARTING = "STARTING"
    """It is being opened and has not given a frame yet."""
    STREAMING = "STREAMING"
    """Frames come."""
    SILENT = "SILENT"
    """No frame has come for longer than is normal."""
    WAITING = "WAITING"
    """It failed or hangs, and will be opened anew in a moment."""
    ENDED = "ENDED"
    """The recording is over, or the camera was closed."""


class Action(StrEnum):
    """What is to be done now."""

    NOTHING = auto()
    OPEN = auto()
    """Open the camera and read it in a new thread."""
    ABANDON = auto()
    """Leave the thread that hangs to itself."""


@dataclass(frozen=True)
class CameraStatus:
    """How a camera is and what it has been through."""

    state: CameraState
    state_s: float
    """For how long it has been in this state."""
    frames: int
    """How many frames it has given, in order."""
    reconnects: int
    """How often it was opened anew."""
    silences: int
    """How often it has gone silent."""
    last_error: str
    """Why it failed last; empty if it never did."""
    hanging: int = 0
    """How many threads hang in its driver at this moment."""
    unordered: int = 0
    """How many frames were left out because their time was not later than that of the one before."""
    dropped: int = 0
    """How many frames nobody has seen: replaced by newer ones, or left out by the camera itself."""


class Watchdog:
    """The state of one camera. All times are seconds on a clock that only grows; `now_s` never decreases."""

    def __init__(self, config: LiveConfig, now_s: float) -> None:
        """Begin with a camera that is to be opened at once."""
        self._config = config
        self._state, self._since_s = CameraState.WAITING, now_s
        self._retry_s = now_s
        self._opened = -1
        self._failures = 0
        self._frames = self._silences = 0
        self._latest_s = self._first_s = self._opened_s = now_s
        self._gone_since_s: float | None = None
        self._last_error = ""

    def status(self, now_s: float) -> CameraStatus:
        """Return how the camera is."""
        return CameraStatus(
            self._state, now_s - self._since_s, self._frames, max(self._opened, 0), self._silences, self._last_error
        )

    def opened(self, now_s: float) -> None:
        """Take note that a thread has begun to open and read the camera."""
        self._opened += 1
        self._opened_s = now_s
        self._enter(CameraState.STARTING, now_s)

    def frame(self, now_s: float) -> None:
        """Take note of a frame."""
        if self._state is CameraState.STARTING:
            self._first_s = now_s
        if self._state is not CameraState.STREAMING:
            self._enter(CameraState.STREAMING, now_s)
            if self._gone_since_s is not None:
                _log.warning("the camera gives frames again, after %.1f s", now_s - self._gone_since_s)
                self._gone_since_s = None
        if now_s - self._first_s >= self._config.steady_s:
            self._failures = 0
        self._frames += 1
        self._latest_s = now_s

    def failed(self, reason: str, now_s: float) -> None:
        """Take note that the camera has failed or ended, so that its thread is at its end."""
        wait_s = min(self._config.shortest_wait_s * 2.0 ** min(self._failures, 64), self._config.longest_wait_s)
        self._failures += 1
        is_news = self._failures <= _MOST_WARNINGS or reason != self._last_error
        _log.log(
            logging.WARNING if is_news else logging.INFO, "the camera failed: %s; it is opened again in %.1f s", reason, wait_s
        )
        self._last_error = reason
        if self._gone_since_s is None:
            self._gone_since_s = self._latest_s
        self._retry_s = now_s + wait_s
        self._enter(CameraState.WAITING, now_s)

    def ended(self, now_s: float) -> None:
        """Take note that nothing will come any more, and nothing is to be done about it."""
        self._enter(CameraState.ENDED, now_s)

    def due(self, now_s: float, hanging: int = 0) -> Action:
        """Return what is to be done now, where `hanging` threads hang in the driver. To be asked several times a second."""
        if self._state is CameraState.WAITING:
            is_time = now_s >= self._retry_s and hanging < self._config.most_hanging
            return Action.OPEN if is_time else Action.NOTHING
        if self._state is CameraState.STARTING:
            return self._unless_it_hangs(self._opened_s, self._config.first_frame_s, now_s)
        if self._state is CameraState.STREAMING and now_s - self._latest_s >= self._config.silence_s:
            self._silences += 1
            self._gone_since_s = self._latest_s
            _log.warning("the camera has given no frame for %.1f s", now_s - self._latest_s)
            self._enter(CameraState.SILENT, now_s)
        if self._state is CameraState.SILENT:
            return self._unless_it_hangs(self._latest_s, self._config.hang_s, now_s)
        return Action.NOTHING

    def _unless_it_hangs(self, since_s: float, most_s: float, now_s: float) -> Action:
        if now_s - since_s < most_s:
            return Action.NOTHING
        self.failed(f"it hangs: for {most_s:g} s it gave neither a frame nor an error", now_s)
        return Action.ABANDON

    def _enter(self, state: CameraState, now_s: float) -> None:
        self._state, self._since_s = state, now_s
