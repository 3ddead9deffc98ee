"""`reloc demo`: a made-up recording, tracked and evaluated."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reloc.build import SESSION
from reloc.commands.evaluation_table import print_report
from reloc.commands.kernels import announce_compilation
from reloc.commands.options import ViewerMode, configuration
from reloc.commands.tracking import Request, track_into_folder
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.evaluate.run import load_run
from reloc.evaluate.summary import DEFAULT_TOLERANCE_S, evaluate
from reloc.evaluate.trust import assess_trust
from reloc.synthetic.recording import make_recording
from reloc.synthetic.rig_recording import make_rig_recording

EXAMPLES = """
reloc demo
reloc demo --out out/other --seed 3 --frames 600 --viewer spawn
reloc demo --rig --out out/rig
"""


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the recording and the results.")] = Path(
        "out/demo"
    ),
    frames: Annotated[int, typer.Option("--frames", min=2, help="Length of the recording, at 30 frames a second.")] = 150,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another number makes another room and another walk.")] = 0,
    rig: Annotated[bool, typer.Option("--rig", help="Two cameras instead of one: other lenses and sizes, one pose.")] = False,
    viewer: Annotated[ViewerMode, typer.Option("--viewer", help="As of `reloc track`.")] = "save",
) -> None:
    """Make a recording of a made-up room, track it, evaluate it, and say where everything is. Needs no data and no network.

    The camera is one that nobody would choose: a distorting lens, drifting exposure, flicker, noise and motion blur.
    """
    announce_compilation()
    # Each kind in a folder of its own: what is left of the other would be taken for a part of it.
    recording, run = out / ("rig" if rig else "recording"), out / "run"
    print(f"making a recording of {frames} frames in {recording}", file=sys.stderr)
    (make_rig_recording if rig else make_recording)(recording, frames=frames, seed=seed, progress=_progress)
    truth_file = recording / "groundtruth.txt"
    print(f"tracking it: reloc track {recording} --init {truth_file} --out {run} --viewer {viewer}", file=sys.stderr)
    code = track_into_folder(
        Request(str(recording), None, None, str(truth_file), run, configuration(None, None, viewer=viewer), overwrite=True)
    )
    _evaluate(run, truth_file)
    print(f"\nrecording  {recording}\nresults    {run}")
    if (run / SESSION).is_file():
        print(f"to watch   rerun {run / SESSION}")
    raise typer.Exit(code)


def _evaluate(run: Path, truth_file: Path) -> None:
    """Print the report of `reloc evaluate`."""
    print()
    found, truth = load_run(run), load_groundtruth(truth_file)
    trust = None if found.frames is None else assess_trust(found.frames, truth, DEFAULT_TOLERANCE_S)
    print_report(found, evaluate(found.trajectory, truth, max_difference_s=DEFAULT_TOLERANCE_S), trust, len(truth))


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)
