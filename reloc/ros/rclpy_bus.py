"""ROS 2 topics through rclpy, where ROS is sourced. Written after its documentation; never run against a real ROS here."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

from reloc.errors import ConfigError

Fields = dict[str, Any]

_DEPTH = 10
_RECEIVE_DEPTH = 2
_JOIN_S = 2.0


class RclpyBus:
    """A ROS 2 node of our own."""

    def __init__(self, name: str) -> None:
        """Start the node; raises `ConfigError` where ROS is not sourced."""
        try:
            import rclpy
            from rclpy.context import Context
            from rclpy.executors import SingleThreadedExecutor
        except ImportError as error:
            raise ConfigError(
                f"rclpy cannot be imported ({error}); source ROS first (. /opt/ros/…/setup.bash), or use cyclonedds"
            ) from error
        # A context of our own: whoever else uses rclpy in this process keeps theirs.
        self._context: Any = Context()
        # Without arguments: those of our command line are not ROS's.
        rclpy.init(args=[], context=self._context)
        self._node: Any = rclpy.create_node(name, context=self._context)
        self._executor: Any = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = Thread(target=self._executor.spin, name="reloc-rclpy", daemon=True)
        self._thread.start()

    def publisher(self, topic: str, kind: str) -> Callable[[Fields], None]:
        """Return what sends a message."""
        from rosidl_runtime_py.set_message import set_message_fields
        from rosidl_runtime_py.utilities import get_message

        message_type = get_message(kind)
        publisher = self._node.create_publisher(message_type, topic, _DEPTH)

        def publish(fields: Fields) -> None:
            message = message_type()
            set_message_fields(message, fields)
            publisher.publish(message)

        return publish

    def subscribe(self, topic: str, kind: str, receive: Callable[[Any], None]) -> None:
        """Call `receive` with each message from the node's thread."""
        from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
        from rosidl_runtime_py.utilities import get_message

        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=_RECEIVE_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._node.create_subscription(get_message(kind), topic, receive, qos)

    def topics(self) -> dict[str, str]:
        """Return the topics that can be seen, with the first of their types."""
        return {name: kinds[0] for name, kinds in self._node.get_topic_names_and_types() if kinds}

    def close(self) -> None:
        """Stop the node."""
        self._executor.shutdown()
        self._thread.join(_JOIN_S)
        self._node.destroy_node()
        self._context.try_shutdown()
