"""`python -m tests.benchmarks.fuzz --files 10000`: mutated files for all that reads files: refused, or sound.

Prints what it found, keeps it in out/fuzz.json, and ends with 1 where a reader raised anything but a `RelocError`, returned
something unsound, hung, died, or took more than 10 s of processor time or a GiB of memory. `--first N --files 1` makes one file
again, which then lies in out/fuzz/case/now.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.campaign import Campaign, Request, campaign

OUT = Path(__file__).resolve().parents[2] / "out"
_SHOWN_EVERY_S = 10.0


class Progress:
    """A line now and then, and each failure as it comes."""

    def __init__(self, files: int) -> None:
        self._files, self._told, self._latest_s = files, 0, time.monotonic()

    def __call__(self, so_far: Campaign) -> None:
        """Tell what is new."""
        for one in so_far.failures[self._told :]:
            print(f"{one.said}: {one.subject}, case {one.case}, {one.file}\n{one.what}", flush=True)
        self._told = len(so_far.failures)
        if time.monotonic() - self._latest_s > _SHOWN_EVERY_S:
            self._latest_s = time.monotonic()
            print(f"{so_far.files} of {self._files} files, {self._told} failures", flush=True)


def main() -> int:
    """Run, print and save."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the number of the first file [default: 0]")
    parser.add_argument("--only", metavar="SUBJECT", help="only this reader, such as “mesh obj”")
    given = parser.parse_args()
    request = Request(OUT / "fuzz", given.seed, name=given.only)
    found = campaign(request, files=given.files, first=given.first, progress=Progress(given.files))
    table = {subject: dict(counts) for subject, counts in sorted(found.outcomes.items())}
    figures = {
        "files": found.files,
        "seed": given.seed,
        "refused": found.count("refused"),
        "valid": found.count("valid"),
        "failures": [asdict(one) for one in found.failures],
        "cpu_s": round(found.cpu_s, 1),
        "most_cpu_s": found.most_cpu_s,
        "most_peak_mib": found.most_peak_mib,
        "subjects": table,
    }
    (OUT / "fuzz.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    return 1 if found.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
