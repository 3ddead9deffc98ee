"""The message types for cyclonedds, by the names and with the members that ROS 2 gives them on the wire.

ROS 2 writes the type `geometry_msgs/msg/Pose` as `geometry_msgs::msg::dds_::Pose_`; what it holds, rosbags knows.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from reloc.ros import cdr
from reloc.ros.topics import COMPRESSED_IMAGE, IMAGE


@cache
def idl_type(kind: str) -> Any:
    """Return the class (an IdlStruct) of a message type such as `tf2_msgs/msg/TFMessage`."""
    from cyclonedds.idl import make_idl_struct

    package, _, name = kind.partition("/msg/")
    members = {member: _member(form) for member, form in cdr.members(kind)}
    made: Any = make_idl_struct(f"{name}_", f"{package}::msg::dds_::{name}_", members)
    if kind in (IMAGE, COMPRESSED_IMAGE):
        # Into an array: cyclonedds would make a list of numbers, which takes 20 ms for 640×480 in colour.
        made.deserialize = classmethod(lambda cls, data, **_: cdr.deserialize(kind, data))
    return made


def build(kind: str, fields: dict[str, Any]) -> Any:
    """Return a message for cyclonedds from nested mappings of its fields."""
    return cdr.build(kind, fields, idl_type, lambda _, value: list(value))


def _member(form: Any) -> Any:
    """Return the type of a member as cyclonedds wants it."""
    from cyclonedds.idl import types
    from rosbags.interfaces import Nodetype

    node, detail = form
    if node is Nodetype.NAME:
        return idl_type(detail)
    if node is Nodetype.BASE:
        return {"bool": bool, "string": str}.get(detail[0]) or getattr(types, detail[0])
    inner, size = detail
    if node is Nodetype.ARRAY:
        return types.array[_member(inner), size]
    return types.sequence[_member(inner), size] if size else types.sequence[_member(inner)]
