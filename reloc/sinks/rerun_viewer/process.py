"""Rerun's own program as a child: the window on this desktop, or the page for a browser; on loopback unless asked otherwise."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from reloc.errors import ConfigError

# POSIX: the shell waits for our end of the pipe to close, which happens however we die, and takes the viewer with it.
_UNTIL_PARENT_ENDS = '"$@" </dev/null & child=$!; trap "kill $child" TERM; read -r _; kill $child; wait $child'


def viewer_program() -> Path:
    """Return the path of the viewer that came with rerun-sdk. Raises `ConfigError` where there is none."""
    spec = importlib.util.find_spec("rerun_cli")
    name = "rerun.exe" if sys.platform == "win32" else "rerun"
    folders = [] if spec is None or spec.submodule_search_locations is None else spec.submodule_search_locations
    for folder in folders:
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    raise ConfigError(
        "the viewer program of rerun-sdk is missing; expected rerun_cli beside the package rerun, found none. "
        "Install it with: pip install --force-reinstall 'rerun-sdk==0.41.*'"
    )


def start(arguments: list[str], *, ends_with_us: bool) -> subprocess.Popen[bytes]:
    """Start the viewer program with `arguments`. With `ends_with_us` it ends when this process does, even if that is killed."""
    command = [str(viewer_program()), *arguments]
    # RERUN_APP_ONLY keeps it from printing its welcome to the terminal of the person who tracks.
    environment = {**os.environ, "RERUN_APP_ONLY": "true"}
    if ends_with_us and os.name == "posix":
        command = ["/bin/sh", "-c", _UNTIL_PARENT_ENDS, "sh", *command]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE if ends_with_us else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl-C is for us: we close our files first, then the viewer
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a child started with `ends_with_us`, and wait until it is gone."""
    if process.stdin is not None:
        process.stdin.close()
    if os.name != "posix":
        process.terminate()
    try:
        process.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
