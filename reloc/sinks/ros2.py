"""The sink that tells ROS 2 where the camera is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.ros.bus import Bus, open_bus
from reloc.ros.messages import DIAGNOSTICS, POSE, TRANSFORMS
from reloc.sinks.ros_messages import EstimateMessages, Message, RosNames
from reloc.sinks.worker import Worker
from reloc.sources.source import SourceInfo

_QUEUE_MESSAGES = 90
_CLOSE_TIMEOUT_S = 2.0


class RosSink:
    """Publishes pose, transform and diagnostics. A thread sends, so that a reader that hangs does not stop the tracker."""

    def __init__(self, names: RosNames | None = None, connect: Callable[[], Bus] = open_bus) -> None:
        """`connect` joins the network."""
        self._names, self._connect = names or RosNames(), connect
        self._bus: Bus | None = None
        self._worker: Worker[Message] | None = None

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Join the network; raises `ConfigError` where that fails."""
        self._messages = EstimateMessages(self._names, info.name)
        self._bus = bus = self._connect()
        names = self._names
        kinds = {names.pose_topic: POSE, names.tf_topic: TRANSFORMS, names.diagnostics_topic: DIAGNOSTICS}
        self._send: dict[str, Callable[[dict[str, Any]], None]] = {
            topic: bus.publisher(topic, kind) for topic, kind in kinds.items() if topic
        }
        self._worker = Worker("reloc-ros", self._publish, weigh=lambda message: 1, capacity=_QUEUE_MESSAGES)

    def write(self, estimate: Estimate) -> None:
        """Leave the messages for the thread. Raises what broke it, if anything did."""
        if self._worker is None:
            raise ValueError("the sink is not open")
        if self._worker.failure is not None:
            raise self._worker.failure
        for message in self._messages.of(estimate):
            self._worker.put(message)

    def close(self) -> None:
        """Send what is waiting and leave the network."""
        if self._worker is not None:
            self._worker.close(_CLOSE_TIMEOUT_S)
        if self._bus is not None:
            self._bus.close()
            self._bus = None

    def _publish(self, message: Message) -> None:
        self._send[message.topic](message.fields)
