"""What can be chosen about the files of a run and about the viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class OutputConfig:
    """The files of a run."""

    frames: bool = True
    """Write frames.jsonl with all that is known of every frame, 2 kB a frame; without it only trajectory and summary remain."""


@dataclass(frozen=True)
class ViewerConfig:
    """The Rerun viewer."""

    mode: Literal["none", "save", "spawn", "serve"] = "none"
    """`save` writes session.rrd, `spawn` opens a window, `serve` serves a page for a browser on this machine."""
    rate_hz: Annotated[float, Gt(0), Le(1000)] = 10.0
    """Pictures a second, at most; numbers are shown for every frame. More makes larger recordings and costs time."""
    image_width: Annotated[int, Ge(16), Le(8192)] = 640
    """Width in pixels to which pictures are reduced before they are shown."""
    jpeg_quality: Annotated[int, Ge(1), Le(100)] = 80
    """Quality of the pictures: 100 is the best and the largest."""
    memory_limit: str = "512MiB"
    """What `spawn` and `serve` may keep in memory; beyond it they forget what is oldest."""
    bind_ip: str = "127.0.0.1"
    """Address that `spawn` and `serve` listen on. Any other than 127.0.0.1 lets other machines look, without a password."""
    web_port: Annotated[int, Ge(0), Le(65535)] = 9090
    """Port of the page of `serve`; 0 takes any that is free."""
    grpc_port: Annotated[int, Ge(0), Le(65535)] = 9876
    """Port through which `spawn` and `serve` hand the data to the viewer; 0 takes any that is free."""
