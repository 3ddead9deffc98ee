#!/usr/bin/env bash
# Writes the believed poses of a run for other programs, into the folder `export` of the run: TUM (evo), a COLMAP model with the poses
# of the images, and the path as a glTF mesh, to be looked at beside the map:
#   launch/export.sh out/desk [more options of `reloc export`, such as --rate 10 or --fill-gaps]
set -euo pipefail
run=$1
shift
reloc export "$run" --format tum --out "$run/export/poses.tum" "$@"
reloc export "$run" --format colmap --out "$run/export/colmap" "$@"
exec reloc export "$run" --format gltf --out "$run/export/path.glb" "$@"
