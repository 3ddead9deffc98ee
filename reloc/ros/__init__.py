"""ROS 2 on the wire, without ROS: images, calibrations and message types as sources and sinks need them.

Frames follow REP-103 and REP-105: poses are those of the camera's optical frame (x right, y down, z forward) in the frame `map`.
"""
