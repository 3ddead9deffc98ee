"""What can be chosen about live cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class LiveConfig:
    """Live cameras: how long one may keep silent, and when it is tried again. Recordings that are replayed are not watched."""

    silence_s: Annotated[float, Gt(0), Le(3600)] = 1.0
    """A camera that gives no frame for so long is reported. Make it three frame periods or more for slow cameras."""
    hang_s: Annotated[float, Gt(0), Le(3600)] = 2.0
    """A camera that neither gives a frame nor reports an error for so long is let go of and opened anew."""
    first_frame_s: Annotated[float, Gt(0), Le(3600)] = 20.0
    """The same for the first frame after opening: devices and networks take seconds to start, and longer after a reset."""
    shortest_wait_s: Annotated[float, Gt(0), Le(3600)] = 0.5
    """Pause before a camera that failed is opened anew; doubled after each failure in a row."""
    longest_wait_s: Annotated[float, Gt(0), Le(3600)] = 10.0
    """The longest such pause."""
    steady_s: Annotated[float, Ge(0), Le(3600)] = 5.0
    """After so long with frames the next failure counts as the first."""
    most_hanging: Annotated[int, Ge(1), Le(100)] = 8
    """A driver may never return. Once so many threads hang in one, the camera is opened anew only when one has come back."""
    health: bool = True
    """Tell other programs on this machine how the run is doing: JSON at /health, Prometheus' text at /metrics."""
    health_port: Annotated[int, Ge(0), Le(65535)] = 8710
    """Port for that on 127.0.0.1; 0 takes any that is free."""
