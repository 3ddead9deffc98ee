"""Messages as bytes, and back, through rosbags, which knows what every ROS 2 message holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from reloc.errors import ConfigError


@cache
def typestore() -> Any:
    """Return rosbags' table of message types. Raises `ConfigError` where rosbags is not installed.

    The types used here have been the same since ROS 2 Foxy.
    """
    try:
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise ConfigError(
            f"ROS 2 messages need the package rosbags ({error}); install it with: pip install 'reloc[ros]'"
        ) from error
    return get_typestore(Stores.ROS2_JAZZY)


def serialize(kind: str, fields: dict[str, Any]) -> bytes:
    """Return the CDR bytes of a message of type `kind`, such as `sensor_msgs/msg/Image`."""
    message = build(kind, fields, typestore().types.__getitem__, _array)
    return bytes(typestore().serialize_cdr(message, kind))


def deserialize(kind: str, data: bytes) -> Any:
    """Return the message in CDR bytes, with arrays as numpy's."""
    return typestore().deserialize_cdr(data, kind)


def definition(kind: str) -> str:
    """Return the text that describes a message type and those within it, as in .msg files."""
    text: str = typestore().generate_msgdef(kind, ros_version=2)[0]
    return text


def members(kind: str) -> list[tuple[str, Any]]:
    """Return (name, form) of the members of a message type; a form is rosbags' pair of node type and detail."""
    members: list[tuple[str, Any]] = typestore().fielddefs[kind][1]
    return members


def build(
    kind: str, fields: dict[str, Any], class_of: Callable[[str], Callable[..., Any]], array: Callable[[str, Any], Any]
) -> Any:
    """Return the object that a library has for a message, from nested mappings of its fields.

    `class_of` returns the class of a message type, `array` makes what the class wants for an array of a primitive type.
    """
    values = {name: _value(form, fields[name], class_of, array) for name, form in members(kind)}
    return class_of(kind)(**values)


def _value(form: Any, value: Any, class_of: Callable[[str], Callable[..., Any]], array: Callable[[str, Any], Any]) -> Any:
    from rosbags.interfaces import Nodetype

    node, detail = form
    if node is Nodetype.NAME:
        return build(detail, value, class_of, array)
    if node is Nodetype.BASE:
        # A ROS `byte`.
        return value[0] if isinstance(value, bytes) else value
    (inner, name), _ = detail
    if inner is Nodetype.NAME:
        return [build(name, item, class_of, array) for item in value]
    return array(name[0], value)


def _array(primitive: str, value: Any) -> Any:
    return np.frombuffer(value, np.uint8) if isinstance(value, bytes) else np.array(value, np.dtype(primitive))
