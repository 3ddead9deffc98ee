#!/usr/bin/env bash
# Records a RealSense camera as lossless video, half the size of images, until Ctrl-C:
#   launch/record_realsense.sh recordings/hall [more options of `reloc record`]
set -euo pipefail
out=$1
shift
exec reloc record realsense --format ffv1 --out "$out" "$@"
