"""What a file reader hands over: a mesh as it stands in the file, before it is checked, and the files it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MISSING = -1
"""Index of a face's texture, or size of a file, where there is none."""


@dataclass(frozen=True)
class FileStamp:
    """How a file looked when it was read, so that a later change is noticed."""

    path: str
    size: int
    """Bytes; `MISSING` where there was no such file."""
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """Stamp a file as it is now; one that does not exist has a stamp too, so that its appearing is noticed."""
        try:
            status = path.stat()
        except OSError:
            return cls(str(path.absolute()), MISSING, 0)
        return cls(str(path.absolute()), status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, eq=False)
class RawMesh:
    """Triangles as a file gives them. Indices are in range; all else is still to be checked (see `clean.py`)."""

    vertices: NDArray[np.float32]
    """(V, 3)."""
    faces: NDArray[np.int32]
    """(F, 3)."""
    uv: NDArray[np.float32] | None
    """(F, 3, 2), origin at the top-left corner of the texture, v down; NaN at corners without; None where the file has none."""
    material: NDArray[np.int32]
    """(F,) index into `textures`, or `MISSING`."""
    textures: tuple[NDArray[np.uint8], ...]
    """RGB images (H, W, 3), each used by a face."""
    vertex_colors: NDArray[np.uint8] | None
    """(V, 3) RGB."""
    files: tuple[FileStamp, ...]
    """Every file that was read or looked for."""
    problems: tuple[str, ...] = ()
    """Sentences about colour that the file promises but that could not be read: errors where colour is needed."""
    notes: tuple[str, ...] = ()
    """Sentences about what was left out or repaired."""
