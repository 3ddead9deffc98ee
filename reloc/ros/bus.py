"""A bus of ROS 2 topics, whoever carries it: rclpy where ROS is sourced, cyclonedds where it is not installed."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Literal, Protocol

from reloc.errors import ConfigError

Fields = dict[str, Any]
Transport = Literal["auto", "cyclonedds", "rclpy"]


class Bus(Protocol):
    """Publishes and subscribes by ROS names of topics (`/reloc/pose`) and types (`tf2_msgs/msg/TFMessage`)."""

    def publisher(self, topic: str, kind: str) -> Callable[[Fields], None]:
        """Return what sends a message, given as nested mappings; reliable, the latest ten are kept for slow readers."""
        ...

    def subscribe(self, topic: str, kind: str, receive: Callable[[Any], None]) -> None:
        """Call `receive` with each message, in a thread of the bus; the sender is not asked to repeat what is lost."""
        ...

    def topics(self) -> dict[str, str]:
        """Return the topics that others publish at present, with their types."""
        ...

    def close(self) -> None:
        """Leave the network; no message comes after this."""
        ...


def open_bus(transport: Transport = "auto", *, node: str = "reloc") -> Bus:
    """Join the network. Raises `ConfigError` where the package that is asked for is not installed."""
    if transport == "rclpy" or (transport == "auto" and os.environ.get("ROS_DISTRO") and find_spec("rclpy") is not None):
        from reloc.ros.rclpy_bus import RclpyBus

        return RclpyBus(node)
    if find_spec("cyclonedds") is None:
        raise ConfigError("ROS 2 topics need the package cyclonedds, or a sourced ROS; install it with: pip install 'reloc[ros]'")
    from reloc.ros.cyclone_bus import CycloneBus

    return CycloneBus()
