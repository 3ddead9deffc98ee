from __future__ import annotations

from threading import Thread

from reloc.live.mailbox import Mailbox
from tests.unit.sources.made import frames

PATIENCE_S = 30.0


def test_the_newest_frame_wins_and_the_others_are_counted() -> None:
    box, made = Mailbox(), frames(5, height=2, width=2)
    for frame in made[:3]:
        box.put(frame)
    assert box.take(0.0) is made[2]
    assert box.dropped == 2
    box.put(made[3])
    assert box.take(0.0) is made[3]
    assert box.dropped == 2


def test_a_frame_is_taken_once() -> None:
    box = Mailbox()
    assert box.take(0.0) is None
    box.put(frames(1, height=2, width=2)[0])
    assert box.take(0.0) is not None
    assert box.take(0.0) is None
    assert not box.is_over


def test_one_that_waits_is_woken_by_a_frame() -> None:
    box, made, got = Mailbox(), frames(1, height=2, width=2), []
    waiting = Thread(target=lambda: got.append(box.take(PATIENCE_S)))
    waiting.start()
    box.put(made[0])
    waiting.join(PATIENCE_S)
    assert got == made


def test_closed_it_gives_what_is_left_and_takes_nothing_more() -> None:
    box, made = Mailbox(), frames(2, height=2, width=2)
    box.put(made[0])
    box.close()
    box.put(made[1])
    assert not box.is_over
    assert box.take(PATIENCE_S) is made[0]
    assert box.is_over
    assert box.take(PATIENCE_S) is None
    assert box.dropped == 0
