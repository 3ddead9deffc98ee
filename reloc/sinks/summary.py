"""The sink that adds up a run: verdicts, timings, versions."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from reloc.estimate import Estimate, Verdict
from reloc.files import json_document, write_atomically
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera
from reloc.sinks.histogram import DurationHistogram
from reloc.sources.source import SourceInfo

_PACKAGES = {"reloc": ("reloc",), "numpy": ("numpy",), "numba": ("numba",), "opencv": ("opencv-python-headless", "opencv-python")}


class SummarySink:
    """Keeps `summary.json` true to a few seconds while the run goes on, in memory that does not grow with it."""

    def __init__(
        self,
        path: Path,
        *,
        lens: LensCamera | None = None,
        inputs: Mapping[str, Any] | None = None,
        figures: Callable[[], Mapping[str, Any]] | None = None,
        interval_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to `path`.

        `lens` is the calibration in use where the source brings none, `inputs` says from which files the run was made, and
        `figures` returns more to write.
        """
        self._path, self._lens, self._inputs, self._more = path, lens, inputs, figures
        self._interval_s, self._clock = interval_s, clock
        self._verdicts: Counter[str] = Counter()
        self._stages: dict[str, DurationHistogram] = {}
        self._keyframes = 0
        self._head: dict[str, Any] = {}
        self._opened_s = self._written_s = 0.0

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Write a first summary; raises `OutputError` where that fails."""
        lens = self._lens or info.camera
        self._head = {
            "source": info.name,
            **({} if self._inputs is None else {"inputs": self._inputs}),
            "live": info.live,
            "clock": info.clock,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "camera": asdict(camera),
            "lens": None if lens is None else asdict(lens),
        }
        self._opened_s = self._clock()
        self._save(complete=False)

    def write(self, estimate: Estimate) -> None:
        """Count a frame."""
        self._verdicts[estimate.verdict.value] += 1
        self._keyframes += estimate.keyframe_renewed
        for stage, milliseconds in estimate.milliseconds.items():
            self._stages.setdefault(stage, DurationHistogram()).add(milliseconds)
        self.refresh()

    def refresh(self) -> None:
        """Write the summary anew if that is due: also `figures` may have changed, where no frames come."""
        if self._clock() - self._written_s >= self._interval_s:
            self._save(complete=False)

    def close(self) -> None:
        """Write the last summary; `complete` says that the run came this far."""
        self._save(complete=True)

    def _save(self, *, complete: bool) -> None:
        self._written_s = self._clock()
        write_atomically(self._path, json_document(self._figures(complete)))

    def _figures(self, complete: bool) -> dict[str, Any]:
        stages = {name: {"median": one.percentile(50), "p95": one.percentile(95)} for name, one in self._stages.items()}
        return {
            "complete": complete,
            "frames": self._verdicts.total(),
            "verdicts": {verdict.value: self._verdicts[verdict.value] for verdict in Verdict},
            "milliseconds": stages,
            "keyframes": self._keyframes,
            **({} if self._more is None else self._more()),
            "wall_s": round(self._written_s - self._opened_s, 3),
            **self._head,
        }


def versions() -> dict[str, str]:
    """Return the versions of what the figures depend on, without importing it."""
    found = {name: _version(*distributions) for name, distributions in _PACKAGES.items()}
    return {"python": platform.python_version(), "platform": platform.platform(), **found}


def _version(*distributions: str) -> str:
    for distribution in distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "not installed"
