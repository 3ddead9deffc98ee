"""ROS 2 bags as sources: folders of rosbag2 with SQLite or MCAP files, and single .mcap files, also such that break off."""

from reloc.sources.rosbag.source import RosbagSource, holds_bag, open_bag

__all__ = ["RosbagSource", "holds_bag", "open_bag"]
