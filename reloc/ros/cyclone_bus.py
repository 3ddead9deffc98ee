"""ROS 2 topics through cyclonedds, without ROS. On this machine only, unless CYCLONEDDS_URI says otherwise."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from functools import partial
from threading import Event, Thread
from typing import Any

from reloc.errors import ConfigError, OutputError
from reloc.ros import idl
from reloc.ros.loopback import confine_to_loopback

Fields = dict[str, Any]

LOOPBACK = (
    "<CycloneDDS><Domain><General><Interfaces><NetworkInterface name='lo'/></Interfaces><AllowMulticast>false</AllowMulticast>"
    "</General><Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>120</MaxAutoParticipantIndex>"
    "<Peers><Peer address='127.0.0.1'/></Peers></Discovery></Domain></CycloneDDS>"
)
"""What CYCLONEDDS_URI becomes where nobody has set it; for other nodes in `configs/cyclonedds-loopback.xml`."""

_DEPTH = 10
_RECEIVE_DEPTH = 2
_LOOK_MS = 100
_JOIN_S = 2.0
_LARGEST_DOMAIN = 232
_MOST_TOPICS = 1000
_NAME = re.compile(r"/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")

logger = logging.getLogger(__name__)


class CycloneBus:
    """Takes part in the DDS domain ROS_DOMAIN_ID (default 0)."""

    def __init__(self) -> None:
        """Join; raises `ConfigError` where that fails."""
        from cyclonedds.core import DDSException
        from cyclonedds.domain import DomainParticipant

        domain = _domain()
        if "CYCLONEDDS_URI" not in os.environ:
            logger.warning("ROS 2 topics stay on this machine, among those with the same CYCLONEDDS_URI; set it to reach others")
        # cyclonedds reads it when the first participant of a process joins.
        uri = os.environ.setdefault("CYCLONEDDS_URI", LOOPBACK)
        try:
            self._participant: Any = DomainParticipant(domain)
        except DDSException as error:
            raise ConfigError(f"cannot join the ROS 2 network: {error}; check CYCLONEDDS_URI={uri}") from error
        if uri == LOOPBACK:
            confine_to_loopback(domain)
        self._stop = Event()
        self._threads: list[Thread] = []
        self._writers: dict[str, Any] = {}

    def publisher(self, topic: str, kind: str) -> Callable[[Fields], None]:
        """Return what sends a message."""
        from cyclonedds.pub import DataWriter
        from cyclonedds.qos import Policy, Qos
        from cyclonedds.util import duration

        qos = Qos(
            Policy.Reliability.Reliable(duration(milliseconds=100)),
            Policy.History.KeepLast(_DEPTH),
            Policy.Durability.Volatile,
            # Plain CDR, the only encoding of ROS 2.
            Policy.DataRepresentation(use_cdrv0_representation=True, use_xcdrv2_representation=False),
        )
        self._writers[topic] = DataWriter(self._participant, self._topic(topic, kind), qos=qos)
        return partial(self._publish, topic, kind)

    def _publish(self, topic: str, kind: str, fields: Fields) -> None:
        from cyclonedds.core import DDSException

        try:
            self._writers[topic].write(idl.build(kind, fields))
        except DDSException as error:
            if error.code != DDSException.DDS_RETCODE_TIMEOUT:
                raise OutputError(f"a ROS 2 message could not be sent on {topic}: {error}") from error
            logger.warning("A reader of %s does not keep up; a message is left out", topic)

    def subscribe(self, topic: str, kind: str, receive: Callable[[Any], None]) -> None:
        """Call `receive` with each message from a thread of its own."""
        from cyclonedds.qos import Policy, Qos
        from cyclonedds.sub import DataReader

        qos = Qos(Policy.Reliability.BestEffort, Policy.History.KeepLast(_RECEIVE_DEPTH), Policy.Durability.Volatile)
        reader = DataReader(self._participant, self._topic(topic, kind), qos=qos)
        thread = Thread(target=self._receive, args=(reader, receive), name=f"reloc-ros {topic}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def topics(self) -> dict[str, str]:
        """Return the topics of ROS that others publish at present, with their types."""
        from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication

        seen = BuiltinDataReader(self._participant, BuiltinTopicDcpsPublication).read(_MOST_TOPICS)
        ours = self._participant.guid
        return {
            sample.topic_name.removeprefix("rt"): sample.type_name.replace("::dds_::", "::").replace("::", "/").removesuffix("_")
            for sample in seen
            if sample.topic_name.startswith("rt/") and sample.participant_key != ours
        }

    def close(self) -> None:
        """Leave the domain."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_JOIN_S)
        # Each handle goes with its last reference.
        self._writers.clear()
        self._participant = None

    def _topic(self, topic: str, kind: str) -> Any:
        from cyclonedds.topic import Topic

        if not _NAME.fullmatch(topic):
            raise ConfigError(f"“{topic}” is no name of a ROS topic; one like /camera/image_raw was expected")
        # ROS puts `rt` before the names of its topics.
        return Topic(self._participant, f"rt/{topic.removeprefix('/')}", idl.idl_type(kind))

    def _receive(self, reader: Any, receive: Callable[[Any], None]) -> None:
        from cyclonedds.internal import InvalidSample
        from cyclonedds.util import duration

        while not self._stop.is_set():
            for message in reader.take_iter(timeout=duration(milliseconds=_LOOK_MS)):
                if not isinstance(message, InvalidSample):
                    receive(message)
                if self._stop.is_set():
                    return


def _domain() -> int:
    text = os.environ.get("ROS_DOMAIN_ID", "") or "0"
    if not text.isdecimal() or int(text) > _LARGEST_DOMAIN:
        raise ConfigError(f"ROS_DOMAIN_ID must be a number from 0 to {_LARGEST_DOMAIN}, found “{text[:20]}”")
    return int(text)
