from __future__ import annotations

import threading

import pytest

from reloc.sources.realsense.buffer import FrameBuffer


class Numbered:
    """Stands for a frame of the library."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.kept = 0

    def keep(self) -> None:
        self.kept += 1


def _drained(buffer: FrameBuffer) -> list[int]:
    return [frame.number for frame in iter(lambda: buffer.get(0.0), None)]


def test_a_live_buffer_keeps_the_newest_in_order_and_takes_them_out_of_the_librarys_pool() -> None:
    buffer, frames = FrameBuffer(3, lossless=False), [Numbered(i) for i in range(8)]
    for frame in frames:
        buffer.put(frame)
    assert _drained(buffer) == [5, 6, 7]
    assert [frame.kept for frame in frames] == [1] * 8


def test_a_lossless_buffer_takes_all_while_the_library_starts_and_then_lets_it_wait_for_room() -> None:
    buffer = FrameBuffer(3, lossless=True)
    for i in range(5):
        buffer.put(Numbered(i))
    buffer.hold_back()
    done = threading.Event()
    writer = threading.Thread(target=lambda: [buffer.put(Numbered(5)), done.set()])
    writer.start()
    got = []
    for _ in range(2):
        assert not done.wait(0.05)
        got.append(buffer.get(1.0).number)
    assert not done.wait(0.05)
    got.append(buffer.get(1.0).number)
    assert done.wait(10)
    writer.join()
    assert got + _drained(buffer) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("lossless", [True, False])
def test_closing_lets_everybody_go_and_refuses_what_comes_later(lossless: bool) -> None:
    buffer = FrameBuffer(1, lossless=lossless)
    buffer.hold_back()
    buffer.put(Numbered(0))
    threads = [
        threading.Thread(target=buffer.put, args=(Numbered(1),)),
        threading.Thread(target=lambda: [buffer.get(60.0) for _ in range(3)]),
    ]
    for thread in threads:
        thread.start()
    buffer.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    buffer.put(Numbered(2))
    assert buffer.closed
    assert buffer.get(0.0) is None
