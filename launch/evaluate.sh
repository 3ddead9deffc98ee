#!/usr/bin/env bash
# Tracks a recording from its own first ground-truth pose and says how far off the poses were:
#   launch/evaluate.sh recordings/desk [more options of `reloc track`]
set -euo pipefail
recording=$1
shift
out="out/$(basename "$recording")"
reloc track "$recording" --init "$recording/groundtruth.txt" --out "$out" "$@"
exec reloc evaluate "$out" --groundtruth "$recording"
