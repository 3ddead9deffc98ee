#!/usr/bin/env bash
# Follows a webcam in a map, with a page for a browser on this machine. A webcam brings no calibration: `reloc calibrate` makes one.
#   launch/live_webcam.sh MESH CALIBRATION "tx ty tz qx qy qz qw" [more options of `reloc live`]
set -euo pipefail
map=$1 calibration=$2 init=$3
shift 3
exec reloc live --camera webcam:0 --map "$map" --calibration "$calibration" --init "$init" \
    --out "out/live-$(date +%Y%m%d-%H%M%S)" --viewer serve "$@"
