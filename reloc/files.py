"""How reloc writes files: whole or not at all, and JSON that every parser accepts."""

from __future__ import annotations

import json
import math
import os
import threading
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reloc.errors import OutputError

NPY_FAULTS = (ValueError, EOFError, SyntaxError, tokenize.TokenError, RecursionError, TypeError, KeyError, OverflowError)
"""What NumPy raises for a damaged file of its own format: it reads the header as Python reads a literal."""


def path_of(text: str) -> Path:
    """Return the path that a person has typed, with ~ for their home; somebody's who does not exist stays as it is."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def exists(path: Path) -> bool:
    """Tell whether something is there; not under a name that no file can have."""
    try:
        return path.exists()
    except OSError:
        return False


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` in one step, so that a reader or a crash never sees half a file.

    Missing folders are made. Raises `OutputError` where the file cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    # In the same folder, since os.replace is atomic only within one file system.
    temporary = path.parent / f".{path.name}.{os.getpid()}.{threading.get_ident()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write the file: {error.strerror or error}; check the folder, rights and free space", path
        ) from error


def json_line(value: Any) -> str:
    """Return `value` as JSON on one line; NaN and infinities, which JSON lacks, become null, arrays become lists."""
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False)


def json_document(value: Any) -> str:
    """Return `value` as indented JSON for people; NaN and infinities become null, arrays become lists."""
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False, indent=2) + "\n"


def _plain(value: Any) -> Any:
    """Return `value` in terms of what the json module writes."""
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
