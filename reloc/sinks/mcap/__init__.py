"""MCAP files with ROS 2 messages, for Foxglove, Rerun and the tools of ROS."""

from reloc.sinks.mcap.sink import McapSink

__all__ = ["McapSink"]
