"""What can be chosen about the second pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt


@dataclass(frozen=True)
class SmoothConfig:
    """`reloc track --smooth`: a second pass, backwards, once the recording has been tracked."""

    run_up: Annotated[int, Ge(1)] = 3
    """Before the frames of a gap are walked through backwards, so many after it are, from which the velocity is learnt."""
    misses: Annotated[int, Ge(1)] = 5
    """The walk into a gap ends after so many frames in a row that cannot be aligned."""
    memory_mib: Annotated[int, Ge(1)] = 512
    """Images of a gap that are kept to be walked through backwards; of a longer gap its end is."""
    guess_spread: Annotated[float, Gt(0)] = 0.05
    """Frames that remain are aligned anew from the smoothed pose where that is known to so much: standard deviation, in median
    depths and in radians. About as much is what an alignment recovers from."""
    fill_spread: Annotated[float, Gt(0)] = 0.02
    """Poses between aligned frames become part of the trajectory where they are known to so much; others only of frames.jsonl."""
