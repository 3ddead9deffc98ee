"""The process of one job: `reloc` that ends when whoever started it does.

Its standard input is a pipe that nobody writes to. It closes when the batch stops, or dies in whatever way, and the run then ends
as when it is asked to terminate, with all files closed.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> None:
    """Run the command line with these arguments, and exit as it does."""
    threading.Thread(target=_end_with_parent, name="reloc-batch-parent", daemon=True).start()
    sys.argv = ["reloc", *arguments]
    runpy.run_module("reloc", run_name="__main__")


def _end_with_parent() -> None:
    while os.read(_STDIN, 1):
        pass
    # Not SIGINT: what a shell starts in the background ignores it, and so do its children.
    os.kill(os.getpid(), signal.SIGTERM)


_STDIN = 0

if __name__ == "__main__":
    run(sys.argv[1:])
