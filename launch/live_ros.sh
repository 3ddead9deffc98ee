#!/usr/bin/env bash
# Follows the images of a ROS 2 topic in a map, and tells ROS where the camera is (/reloc/pose, /tf, /diagnostics):
#   launch/live_ros.sh /camera/color/image_raw MESH "tx ty tz qx qy qz qw" [more options of `reloc live`]
# Without a sourced ROS this stays on this machine, where it meets nodes that use configs/cyclonedds-loopback.xml. To meet others,
# set CYCLONEDDS_URI and ROS_DOMAIN_ID as they are set on the robot.
set -euo pipefail
topic=$1 map=$2 init=$3
shift 3
config="$(dirname "$0")/../configs/ros.yaml"
exec reloc live --camera "ros:$topic" --map "$map" --init "$init" --config "$config" \
    --out "out/live-$(date +%Y%m%d-%H%M%S)" "$@"
