"""From what a run was made: its summary says so, and its images can be looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reloc.errors import CalibrationError
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera, LensModel


@dataclass(frozen=True)
class RunInputs:
    """The arguments of a run, with absolute paths. Files may have been moved since."""

    source: str
    """As `reloc.sources.open.open_source` takes it."""
    map: str
    """The mesh file."""
    every: int = 1
    part: tuple[int, int | None] | None = None
    """From which frame to which, the last one not included; None is all."""
    fps: float | None = None
    mask: str | None = None
    groundtruth: str | None = None
    """The TUM file that came with the recording, if one did."""

    def as_mapping(self) -> dict[str, Any]:
        """Return what the summary holds."""
        return asdict(self)


def inputs_of(summary: Mapping[str, Any] | None) -> RunInputs | None:
    """Return what a summary says that its run was made from, or None where it does not, or not rightly."""
    try:
        found = (summary or {})["inputs"]
        return RunInputs(
            source=str(found["source"]),
            map=str(found["map"]),
            every=max(1, int(found.get("every", 1))),
            part=_part(found.get("part")),
            fps=None if found.get("fps") is None else float(found["fps"]),
            mask=None if found.get("mask") is None else str(found["mask"]),
            groundtruth=None if found.get("groundtruth") is None else str(found["groundtruth"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _part(found: Any) -> tuple[int, int | None] | None:
    return None if found is None else (int(found[0]), None if found[1] is None else int(found[1]))


def cameras_of(summary: Mapping[str, Any] | None) -> tuple[PinholeCamera | None, LensCamera | None]:
    """Return the camera of the undistorted images and the lens that a summary describes, None for what it does not."""
    described = summary or {}
    return _camera(described.get("camera")), _lens(described.get("lens"))


def _camera(found: Any) -> PinholeCamera | None:
    """Return the camera that a part of a summary describes; None where it is missing or says something else."""
    try:
        size = (int(found[name]) for name in ("width", "height"))
        values = (float(found[name]) for name in ("fx", "fy", "cx", "cy"))
        return PinholeCamera(*size, *values)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _lens(found: Any) -> LensCamera | None:
    """Return the lens that a part of a summary describes; None where it is missing or says something else."""
    try:
        fields = dict(found)
        return LensCamera(**{**fields, "model": LensModel(fields["model"]), "distortion": tuple(fields["distortion"])})
    except (KeyError, TypeError, ValueError, CalibrationError):
        return None


def absolute(spec: str) -> str:
    """Return the absolute path that a source names, or the spec itself where it is no path that exists."""
    path = Path(spec).expanduser()
    return str(path.resolve()) if path.exists() else spec
