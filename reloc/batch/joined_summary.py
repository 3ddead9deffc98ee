"""The figures of a run that was joined from pieces, counted anew from its frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from reloc.estimate import Verdict
from reloc.sinks.histogram import DurationHistogram


class JoinedSummary:
    """Counts frames as the summary of a run does, in memory that does not grow with them."""

    def __init__(self) -> None:
        self._verdicts: Counter[Verdict] = Counter()
        self._stages: dict[str, DurationHistogram] = {}
        self._keyframes = 0
        self._last: Verdict | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it ended without a pose, or fewer than half of its frames have one."""
        believed = sum(count for verdict, count in self._verdicts.items() if verdict.is_believed)
        return self._last is None or self._last.is_lost or 2 * believed < self._verdicts.total()

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a frame."""
        self._last = Verdict(record["verdict"])
        self._verdicts[self._last] += 1
        self._keyframes += bool(record.get("keyframe_renewed"))
        for stage, milliseconds in (record.get("milliseconds") or {}).items():
            if isinstance(milliseconds, int | float):
                self._stages.setdefault(str(stage), DurationHistogram()).add(milliseconds)

    def figures(self) -> dict[str, Any]:
        """Return what takes the place of the figures of a piece."""
        return {
            "complete": True,
            "frames": self._verdicts.total(),
            "verdicts": {verdict.value: self._verdicts[verdict] for verdict in Verdict},
            "milliseconds": {
                name: {"median": one.percentile(50), "p95": one.percentile(95)} for name, one in self._stages.items()
            },
            "keyframes": self._keyframes,
        }
