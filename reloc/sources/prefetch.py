"""Reading ahead: the next images are decoded while the current one is tracked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from reloc.frame import RawFrame
from reloc.sources.derived import DerivedSource
from reloc.sources.source import FrameSource


def prefetched(source: FrameSource, depth: int = 3) -> FrameSource:
    """Return the same frames, of which up to `depth` are decoded in advance by one thread.

    Errors arrive after the last good frame, as without it. The thread ends with the iterator: at the last frame, at an
    error, or when the iterator is closed. For recordings only: a live camera must not be waited for.
    """
    return DerivedSource(source, lambda inner: _read_ahead(inner, depth))


def _read_ahead(source: FrameSource, depth: int) -> Iterator[RawFrame]:
    frames = iter(source)
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reloc-prefetch")
    try:
        pending = deque(pool.submit(next, frames, None) for _ in range(depth))
        # A generator that has raised is exhausted, so the requests behind a failed one only return None.
        while (frame := pending.popleft().result()) is not None:
            pending.append(pool.submit(next, frames, None))
            yield frame
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
