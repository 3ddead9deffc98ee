"""The process of one job: `reloc track` that ends when whoever started it does.

Its standard input is a pipe that nobody writes to. It closes when the batch stops, or dies in whatever way, and the run then ends
as when it is asked to terminate, with all files closed.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def run(arguments: list[str]) -> None:
    """Run the command line with these arguments, and exit as it does."""
    threading.Thread(target=_end_with_parent, name="reloc-batch-parent", daemon=True).start()
    sys.argv = ["reloc", *arguments]
    runpy.run_module("reloc", run_name="__main__")


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    # Not SIGINT: what a shell starts in the background ignores it, and so do its children.
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    run(sys.argv[1:])
