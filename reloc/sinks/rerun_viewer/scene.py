"""What is logged to Rerun, and where: the vocabulary of entities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from reloc.estimate import Estimate, Verdict
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import xyzw_from_wxyz
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer
from reloc.sinks import pictures
from reloc.sinks.rerun_viewer.blueprint import eye_behind, layout
from reloc.sinks.rerun_viewer.feed import CurveGroup, Piece, Row, TrajectoryPieces, row_of, with_newcomers
from reloc.sinks.rerun_viewer.surface import surfaces_of

# Timestamps beyond this count from 1970 rather than from the start of a recording: 9 September 2001.
_EPOCH_NS = 10**18
# A server that runs for days forgets what is old; whoever opens the page then must still learn the verdict.
_VERDICT_PERIOD_NS = 10 * NANOSECONDS_PER_SECOND
# About what the layout has room for; drawing the map is the dearest part of a picture, and grows with its pixels.
_OVERLAY_WIDTH_PX = 480
_LEVELS = {
    Verdict.TRACKED: "INFO",
    Verdict.LIMITED: "WARN",
    Verdict.COASTING: "WARN",
    Verdict.RELOCALISING: "ERROR",
    Verdict.LOST: "ERROR",
}
# Of middle lightness: the viewer's background is dark or light as its user's desktop is.
_CURVE_COLORS = ((46, 160, 90), (70, 130, 230), (225, 140, 30), (200, 80, 170), (120, 120, 220), (150, 150, 60), (40, 160, 170))
# The other stages wait in the legend: a dozen lines on one another say nothing.
_FIRST_STAGES = ("total", "latency", "align", "render")
_TOTAL_COLOR = (140, 140, 140)


class Scene:
    """Writes the map, the camera and what is known of every frame into one Rerun stream. Used by one thread."""

    def __init__(self, stream: Any, mesh: TexturedMesh, renderer: Renderer, image_width: int, jpeg_quality: int) -> None:
        low, high = mesh.bounds
        self._diagonal_m = float(np.linalg.norm(high - low))
        self._stream, self._mesh, self._renderer = stream, mesh, renderer
        self._image_width, self._jpeg_quality = image_width, jpeg_quality
        self._trajectory = TrajectoryPieces(shortest_step_m=self._diagonal_m * 5e-4)
        self._curves: dict[str, list[CurveGroup]] = {}
        self._last: Row | None = None
        self._verdict_logged_ns = 0
        self._counts_from_epoch = False

    def log_start(self, camera: PinholeCamera) -> None:
        """Log what does not change: the map, the lens and the styles."""
        import rerun as rr

        for number, surface in enumerate(surfaces_of(self._mesh)):
            mesh = rr.Mesh3D(
                vertex_positions=surface.vertices,
                triangle_indices=surface.triangles,
                vertex_texcoords=surface.uv,
                albedo_texture=surface.texture,
                vertex_colors=surface.vertex_colors,
                # Walls seen from behind would hide the room from an eye outside it.
                face_rendering=rr.components.MeshFaceRendering.Front,
            )
            self._stream.log(f"world/map/{number}", mesh, static=True)
        self._stream.log("world/camera", self._pinhole(camera), static=True)
        colors = list(pictures.VERDICT_COLORS.values())
        self._stream.log("verdict", rr.StateConfiguration(values=list(pictures.VERDICT_COLORS), colors=colors), static=True)

    def _pinhole(self, camera: PinholeCamera) -> Any:
        import rerun as rr

        camera = shown_camera(camera, self._image_width)
        # Rerun counts pixels from the corner of the image, we from the centre of its first pixel.
        matrix = camera.matrix + np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
        size = (camera.width, camera.height)
        return rr.Pinhole(
            image_from_camera=matrix, resolution=size, image_plane_distance=0.04 * self._diagonal_m, line_width=-1.5
        )

    def log_rows(self, rows: Sequence[Row]) -> None:
        """Log what is known of every frame: pose, plots, changes of the verdict, the trajectory."""
        if not rows:
            return
        if self._last is None:
            self._log_first(rows[0])
        self._log_poses([row for row in rows if row.world_from_camera is not None])
        times = self._times(rows)
        for plot in rows[0].plots:
            self._log_plot(plot, rows, times)
        for row in rows:
            self._log_verdict(row)
            self._log_piece("world/trajectory", row, self._trajectory.add(row))
            self._last = row
        self._log_piece("world/trajectory/latest", rows[-1], self._trajectory.open_piece())

    def _log_first(self, row: Row) -> None:
        self._counts_from_epoch = row.timestamp_ns >= _EPOCH_NS
        eye = None if row.world_from_camera is None else eye_behind(row.world_from_camera, self._diagonal_m)
        self._stream.send_blueprint(layout(eye))

    def _log_poses(self, rows: Sequence[Row]) -> None:
        import rerun as rr

        poses = [row.world_from_camera for row in rows if row.world_from_camera is not None]
        if poses:
            columns = rr.Transform3D.columns(
                translation=[pose.translation for pose in poses], quaternion=[xyzw_from_wxyz(pose.wxyz) for pose in poses]
            )
            self._stream.send_columns("world/camera", self._times(rows), columns)

    def _log_plot(self, plot: str, rows: Sequence[Row], times: list[Any]) -> None:
        import rerun as rr

        values = [row.plots[plot] for row in rows]
        known = self._curves.get(plot, [])
        self._curves[plot] = groups = with_newcomers(known, values)
        for number, group in enumerate(groups):
            # Many curves in one entity: a viewer's work grows with the number of chunks that it is sent.
            entity = f"plots/{plot}/{number}"
            if number >= len(known):
                colors = [_curve_color(group.first_color + k, name) for k, name in enumerate(group.names)]
                visible = [plot != "milliseconds" or name in _FIRST_STAGES for name in group.names]
                style = rr.SeriesLines(names=group.names, colors=colors, visible_series=visible)
                self._stream.log(entity, style, static=True)
            columns = rr.Scalars.columns(scalars=group.values(values).ravel()).partition([len(group.names)] * len(rows))
            self._stream.send_columns(entity, times, columns)

    def _log_verdict(self, row: Row) -> None:
        """Log a verdict where it changes, with a message; its lane and the colour of the camera also from time to time."""
        import rerun as rr

        changed = self._last is None or row.verdict != self._last.verdict
        if not changed and 0 <= row.timestamp_ns - self._verdict_logged_ns < _VERDICT_PERIOD_NS:
            return
        self._verdict_logged_ns = row.timestamp_ns
        color = pictures.VERDICT_COLORS[row.verdict]
        self._set_time(row)
        self._stream.log("verdict", rr.StateChange(state=row.verdict))
        self._stream.log("world/camera", rr.Pinhole.from_fields(color=color))
        if changed:
            text = f"{row.verdict}: {row.reason}" if row.reason else str(row.verdict)
            self._stream.log("messages", rr.TextLog(text, level=_LEVELS[row.verdict], color=color))

    def _log_piece(self, entity: str, row: Row, piece: Piece | None) -> None:
        import rerun as rr

        if piece is not None:
            self._set_time(row)
            strip = rr.LineStrips3D([piece.points_in_world], colors=[pictures.VERDICT_COLORS[piece.verdict]], radii=[-2.0])
            self._stream.log(entity, strip)

    def log_pictures(self, estimate: Estimate) -> None:
        """Log the undistorted image, the map's edges on it, and the residual."""
        row = row_of(estimate)
        camera, image = estimate.frame.rectify()
        self._set_time(row)
        self._log_jpeg("world/camera/image", shown_image(image, self._image_width))
        if row.world_from_camera is None:
            return
        width = min(self._image_width, _OVERLAY_WIDTH_PX)
        camera, image = shown_camera(camera, width), shown_image(image, width)
        rendering = self._renderer.render(camera, estimate.camera_from_world)
        colors, covered = pictures.as_bytes(self._renderer.shade(rendering, color=True)), rendering.covered
        overlay = pictures.edge_overlay(image, colors, covered)
        self._log_jpeg("pictures/overlay", pictures.with_badge(overlay, row.verdict, _caption(estimate)))
        self._log_jpeg("pictures/residual", pictures.residual_picture(image, colors, covered, estimate.exposure))

    def _log_jpeg(self, entity: str, picture: pictures.Picture) -> None:
        import rerun as rr

        self._stream.log(entity, rr.EncodedImage(contents=pictures.jpeg(picture, self._jpeg_quality), media_type="image/jpeg"))

    def _times(self, rows: Sequence[Row]) -> list[Any]:
        import rerun as rr

        stamps = np.array([row.timestamp_ns for row in rows], dtype=np.int64)
        frames = rr.TimeColumn("frame", sequence=[row.index for row in rows])
        if self._counts_from_epoch:
            return [frames, rr.TimeColumn("t_cam", timestamp=stamps.astype("datetime64[ns]"))]
        return [frames, rr.TimeColumn("t_cam", duration=stamps.astype("timedelta64[ns]"))]

    def _set_time(self, row: Row) -> None:
        self._stream.set_time("frame", sequence=row.index)
        if self._counts_from_epoch:
            self._stream.set_time("t_cam", timestamp=np.datetime64(row.timestamp_ns, "ns"))
        else:
            self._stream.set_time("t_cam", duration=np.timedelta64(row.timestamp_ns, "ns"))


def shown_camera(camera: PinholeCamera, width: int) -> PinholeCamera:
    """Return the camera of the image as it is shown: at most `width` pixels wide."""
    return camera if camera.width <= width else camera.area_scaled(width, max(1, round(camera.height * width / camera.width)))


def shown_image(image: pictures.Picture, width: int) -> pictures.Picture:
    """Return the image at most `width` pixels wide, area-averaged, so that it fits `shown_camera`."""
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return (
        image
        if image.shape[1] <= width
        else np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    )


def _curve_color(number: int, name: str) -> tuple[int, int, int]:
    return _TOTAL_COLOR if name == "total" else _CURVE_COLORS[number % len(_CURVE_COLORS)]


def _caption(estimate: Estimate) -> str:
    return estimate.reason or f"score {estimate.score:.2f}"
