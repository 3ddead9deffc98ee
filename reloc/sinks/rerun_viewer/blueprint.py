"""How the viewer is laid out at first sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.geometry.se3 import SE3

# Behind the camera's shoulder: far enough to see it and what it sees, near enough to make out the surface.
_BACK_SHARE, _UP_SHARE, _AHEAD_SHARE = 0.22, 0.16, 0.12
_SHOWN_MS = 50.0
"""The first frames compile or load something and would flatten the plot; who wants to see them zooms out."""
# A camera held within this angle of an axis of the map is taken to be upright along it; maps are levelled as a rule.
_UPRIGHT_COSINE = np.cos(np.radians(40.0))


@dataclass(frozen=True, eq=False)
class Eye:
    """From where the map is looked at, in world space."""

    position: NDArray[np.float64]
    target: NDArray[np.float64]
    up: NDArray[np.float64]


def eye_behind(world_from_camera: SE3, diagonal_m: float) -> Eye:
    """Return an eye behind and above the camera in a map whose box has the diagonal `diagonal_m`."""
    _, down, forward = world_from_camera.rotation.T
    up = _upright(-down)
    center = world_from_camera.translation
    position = center + diagonal_m * (_UP_SHARE * up - _BACK_SHARE * forward)
    return Eye(position, center + diagonal_m * _AHEAD_SHARE * forward, up)


def _upright(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the axis of the map, in either sense, that `up` is near to, else `up` itself."""
    axis = int(np.argmax(np.abs(up)))
    snapped = np.zeros(3)
    snapped[axis] = np.sign(up[axis])
    return snapped if abs(up[axis]) >= _UPRIGHT_COSINE else up


def layout(eye: Eye | None) -> Any:
    """Return the rerun blueprint: the map large, pictures beside it, verdict, plots and messages below."""
    import rerun.blueprint as rrb

    pictures = rrb.Vertical(
        rrb.Spatial2DView(origin="pictures/overlay", name="Edges of the map on the image"),
        rrb.Tabs(
            rrb.Spatial2DView(origin="pictures/residual", name="Image − map"),
            rrb.Spatial2DView(origin="world/camera/image", name="Image"),
        ),
        rrb.TextLogView(
            origin="messages",
            name="Messages",
            columns=rrb.TextLogColumns(timeline_columns=["frame"], text_log_columns=["loglevel", "body"]),
        ),
        row_shares=[4, 4, 2],
    )
    plots = rrb.Horizontal(
        rrb.TimeSeriesView(origin="plots/trust", name="Trust", axis_y=rrb.ScalarAxis(range=(0.0, 1.05))),
        rrb.TimeSeriesView(
            origin="plots/milliseconds", name="Milliseconds per frame", axis_y=rrb.ScalarAxis(range=(0.0, _SHOWN_MS))
        ),
        rrb.Tabs(
            rrb.TimeSeriesView(origin="plots/exposure", name="Exposure"),
            rrb.TimeSeriesView(origin="plots/residual", name="Residual"),
            rrb.TimeSeriesView(origin="plots/innovation", name="NIS"),
        ),
    )
    left = rrb.Vertical(
        _map_view(eye),
        rrb.StateTimelineView(origin="verdict", name="Verdict", titlebar=False),
        plots,
        row_shares=[6, 0.85, 2.4],
    )
    return rrb.Blueprint(
        rrb.Horizontal(left, pictures, column_shares=[2.2, 1]),
        rrb.TimePanel(state="collapsed", timeline="frame"),
        rrb.BlueprintPanel(state="collapsed"),
        rrb.SelectionPanel(state="collapsed"),
        auto_layout=False,
        auto_views=False,
    )


def _map_view(eye: Eye | None) -> Any:
    import rerun as rr
    import rerun.blueprint as rrb

    controls = None
    if eye is not None:
        controls = rrb.EyeControls3D(kind=rrb.Eye3DKind.Orbital, position=eye.position, look_target=eye.target, eye_up=eye.up)
    past = rr.TimeRange(start=rrb.TimeRangeBoundary.infinite(), end=rrb.TimeRangeBoundary.cursor_relative())
    return rrb.Spatial3DView(
        origin="world",
        name="Map",
        line_grid=False,
        background=[18, 20, 24],
        eye_controls=controls,
        overrides={
            "world/trajectory": rrb.VisibleTimeRanges(
                [rrb.VisibleTimeRange(timeline, range=past) for timeline in ("frame", "t_cam")]
            )
        },
    )
