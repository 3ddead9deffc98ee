"""What is asked of a bag, whatever its files are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Topic:
    """A topic of a bag."""

    kind: str
    """The type of its messages, such as `sensor_msgs/msg/Image`."""
    count: int
    """How many messages there are."""


class Bag(Protocol):
    """Messages by topic. Every reading opens the files anew."""

    def topics(self) -> Mapping[str, Topic]:
        """Return the topics whose messages are in ROS 2's format."""
        ...

    def messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        """Yield (time of recording in nanoseconds, CDR bytes) in the order of the files."""
        ...
