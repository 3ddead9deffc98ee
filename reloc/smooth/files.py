"""The smoothed run: a folder like that of any run, so that whatever reads runs reads this one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Verdict
from reloc.files import json_document, json_line, write_atomically
from reloc.geometry.se3 import SE3, xyzw_from_wxyz
from reloc.geometry.trajectory import TUM_HEADER, format_tum_line
from reloc.sinks.lines import LineFile
from reloc.smooth.config import SmoothConfig
from reloc.smooth.rts import Smoothed
from reloc.smooth.walk import Found

TRAJECTORY, FRAMES, SUMMARY = "trajectory.txt", "frames.jsonl", "summary.json"
FILLED = "lies between frames that were aligned"
"""The reason of a frame whose pose was inferred from those before and after it."""


@dataclass(frozen=True)
class SmoothCounts:
    """What the second pass brought."""

    found: int
    """Frames that were aligned in it."""
    filled: int
    """Frames whose pose in the trajectory lies between those of others."""


def write_smoothed(
    run: Path, out: Path, found: Mapping[int, Found], smoothed: Sequence[Smoothed | None], config: SmoothConfig
) -> SmoothCounts:
    """Write the files of the smoothed run into `out`, from those of the forward run in `run` and what the second pass knows.

    Raises `OutputError` where they cannot be written.
    """
    counts: Counter[str] = Counter()
    filled = 0
    trajectory, frames = LineFile(out / TRAJECTORY), LineFile(out / FRAMES)
    trajectory.open()
    frames.open()
    try:
        trajectory.write(TUM_HEADER)
        for row, record in enumerate(_records(run / FRAMES)):
            known = smoothed[row] if row < len(smoothed) else None
            made, pose = _smoothed_record(found[row].record if row in found else record, known)
            frames.write(json_line(made))
            counts[made["verdict"]] += 1
            fills = known is not None and made["reason"] == FILLED and known.spread <= config.fill_spread
            if pose is not None and (fills or Verdict(made["verdict"]).is_believed):
                trajectory.write(format_tum_line(made["timestamp_ns"], pose))
                filled += fills
    finally:
        trajectory.close()
        frames.close()
    result = SmoothCounts(len(found), filled)
    _write_summary(run / SUMMARY, out / SUMMARY, counts, result)
    return result


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the frames of the forward run, which this process has written."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _smoothed_record(record: Mapping[str, Any], known: Smoothed | None) -> tuple[dict[str, Any], SE3 | None]:
    """Return the record with the smoothed pose in place of the filtered one, and that pose; unchanged where nothing is known."""
    if known is None:
        return dict(record), None
    pose = known.camera_from_world.inverse()
    carried = pose.adjoint()
    changed: dict[str, Any] = {
        "world_from_camera": {"translation": pose.translation, "quaternion_xyzw": xyzw_from_wxyz(pose.wxyz)},
        "covariance": _symmetric(carried @ known.covariance @ carried.T),
    }
    if not Verdict(record["verdict"]).is_believed:
        changed |= {"verdict": Verdict.COASTING.value, "reason": FILLED}
    return {**record, **changed}, pose


def _symmetric(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return (matrix + matrix.T) / 2


def _write_summary(forward: Path, path: Path, counts: Counter[str], found: SmoothCounts) -> None:
    summary = json.loads(forward.read_text(encoding="utf-8"))
    summary["verdicts"] = {verdict.value: counts[verdict.value] for verdict in Verdict}
    write_atomically(path, json_document({**summary, "second_pass": vars(found)}))
