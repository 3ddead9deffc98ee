"""The folder that a run is written into: an earlier run there is replaced, anything else is left alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from reloc.build import CONFIG, FRAMES, MCAP, RECORDING, SESSION, SMOOTH, SUMMARY, TRAJECTORY
from reloc.config import RelocConfig, dump_config
from reloc.errors import OutputError
from reloc.files import write_atomically

_OUR_FILES = (TRAJECTORY, FRAMES, SUMMARY, CONFIG, SESSION, MCAP)
_LARGEST_SUMMARY_BYTES = 1 << 20


def check_folder(out: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` where the run would replace files of the same names that are not an earlier run's."""
    if out.exists() and not out.is_dir():
        raise OutputError("the run needs a folder to write into, found a file", out)
    there = [name for name in _OUR_FILES if (out / name).exists()]
    if not there or overwrite:
        return
    if not _is_run(out):
        raise OutputError(
            f"the folder holds {', '.join(there)}, but no run of reloc that could be replaced; "
            "choose another folder, or replace these files with --overwrite",
            out,
        )
    print(f"note: the earlier run in {out} is replaced", file=sys.stderr)


def begin_folder(out: Path, config: RelocConfig, header: str) -> None:
    """Write the configuration of a run, and remove what an earlier run left that this one will not replace."""
    stale = [SESSION] if config.viewer.mode != "save" else []
    stale += [] if config.output.frames else [FRAMES]
    stale += [] if config.mcap.enabled else [MCAP]
    comment = "".join(f"# {line}\n" for line in header.splitlines())
    write_atomically(out / CONFIG, f"{comment}\n{dump_config(config)}")
    try:
        for name in stale:
            (out / name).unlink(missing_ok=True)
        for name in _OUR_FILES:
            (out / SMOOTH / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"a file of the earlier run cannot be removed: {error.strerror or error}", out) from error


def written_files(out: Path) -> list[str]:
    """Return the names of the files of a run that are in a folder, and of the recordings in it."""
    recordings = sorted(f"{folder.name}/" for folder in out.glob(f"{RECORDING}*") if folder.is_dir())
    return [*(name for name in _OUR_FILES if (out / name).is_file()), *recordings]


def read_summary(out: Path) -> dict[str, object]:
    """Return the summary of a run, empty where there is none that can be read."""
    try:
        with (out / SUMMARY).open("rb") as file:
            found = json.loads(file.read(_LARGEST_SUMMARY_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_run(out: Path) -> bool:
    versions = read_summary(out).get("versions")
    return isinstance(versions, dict) and "reloc" in versions
