#!/usr/bin/env bash
# Follows a RealSense camera in a map, with a page for a browser on this machine:
#   launch/live_realsense.sh MESH "tx ty tz qx qy qz qw" [more options of `reloc live`]
# Beside it, for instance: --record, --set ros.enabled=true, --set mcap.enabled=true
set -euo pipefail
map=$1 init=$2
shift 2
exec reloc live --camera realsense --map "$map" --init "$init" --out "out/live-$(date +%Y%m%d-%H%M%S)" --viewer serve "$@"
