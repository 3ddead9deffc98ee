"""The errors that a user can cause and repair: each is one readable line at the command line."""

from __future__ import annotations

from pathlib import Path


class RelocError(Exception):
    """Bad input. The message says what failed, what was expected, what was found and what to do; the path comes last."""

    def __init__(self, message: str, path: str | Path | None = None) -> None:
        super().__init__(message if path is None else f"{message} [{path}]")
        self.path = None if path is None else Path(path)


class ConfigError(RelocError):
    """A configuration, an option or a first pose that cannot be used."""


class SourceError(RelocError):
    """Images, a video, a recording or a camera that cannot be read."""


class CalibrationError(RelocError):
    """A lens calibration that cannot be read or does not fit the images."""


class MeshError(RelocError):
    """A mesh or a texture that cannot be read or used as a map."""


class TrajectoryError(RelocError):
    """A file of poses that cannot be read."""


class OutputError(RelocError):
    """A file or folder that cannot be written."""
