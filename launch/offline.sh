#!/usr/bin/env bash
# Tracks a recording that brings calibration and map, with the viewer's session saved beside the results:
#   launch/offline.sh recordings/desk "0.1 0 1.2 0 0 0 1" [more options of `reloc track`]
set -euo pipefail
recording=$1 init=$2
shift 2
exec reloc track "$recording" --init "$init" --out "out/$(basename "$recording")" --viewer save "$@"
