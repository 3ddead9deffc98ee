"""What is logged to Rerun, and where: the vocabulary of entities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Estimate, Verdict
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import xyzw_from_wxyz
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer
from reloc.sinks import pictures
from reloc.sinks.rerun_viewer.blueprint import eye_behind, layout
from reloc.sinks.rerun_viewer.feed import Piece, Row, TrajectoryPieces, row_of, series
from reloc.sinks.rerun_viewer.surface import surfaces_of

# Timestamps beyond this count from 1970 rather than from the start of a recording: 9 September 2001.
_EPOCH_NS = 10**18
_LEVELS = {Verdict.TRACKED: "INFO", Verdict.COASTING: "WARN", Verdict.LOST: "ERROR"}
_SERIES_STYLE: dict[str, tuple[str, tuple[int, int, int]]] = {
    "trust/score": ("score", (90, 200, 120)),
    "trust/inlier_share": ("inlier share", (90, 150, 240)),
    "trust/correlation": ("correlation", (240, 170, 60)),
    "fit/residual": ("residual (rms)", (220, 120, 200)),
    "filter/nis": ("NIS (6 degrees of freedom)", (200, 200, 120)),
    "exposure/gain": ("gain", (240, 220, 120)),
    "exposure/bias": ("bias", (130, 170, 220)),
    "milliseconds/total": ("total", (240, 240, 240)),
}


class Scene:
    """Writes the map, the camera and what is known of every frame into one Rerun stream. Used by one thread."""

    def __init__(self, stream: Any, mesh: TexturedMesh, renderer: Renderer, image_width: int, jpeg_quality: int) -> None:
        low, high = mesh.bounds
        self._diagonal_m = float(np.linalg.norm(high - low))
        self._stream, self._mesh, self._renderer = stream, mesh, renderer
        self._image_width, self._jpeg_quality = image_width, jpeg_quality
        self._trajectory = TrajectoryPieces(shortest_step_m=self._diagonal_m * 5e-4)
        self._known_series: set[str] = set()
        self._last: Row | None = None
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
        for name, having, values in series(rows):
            self._log_series(name, having, values)
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

    def _log_series(self, name: str, rows: Sequence[Row], values: NDArray[np.float64]) -> None:
        import rerun as rr

        if name not in self._known_series:
            self._known_series.add(name)
            label, color = _SERIES_STYLE.get(name, (name.split("/")[-1].replace("_", " "), None))
            self._stream.log(f"plots/{name}", rr.SeriesLines(names=label, colors=color, widths=1.5), static=True)
        self._stream.send_columns(f"plots/{name}", self._times(rows), rr.Scalars.columns(scalars=values))

    def _log_verdict(self, row: Row) -> None:
        """Log a verdict where it changes: its lane, the colour of the camera, a message."""
        import rerun as rr

        if self._last is not None and row.verdict == self._last.verdict:
            return
        color = pictures.VERDICT_COLORS[row.verdict]
        self._set_time(row)
        self._stream.log("verdict", rr.StateChange(state=row.verdict))
        self._stream.log("world/camera", rr.Pinhole.from_fields(color=color))
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
        camera, image = shown_camera(camera, self._image_width), shown_image(image, self._image_width)
        self._set_time(row)
        self._log_jpeg("world/camera/image", image)
        if row.world_from_camera is None:
            return
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


def _caption(estimate: Estimate) -> str:
    return estimate.reason or f"score {estimate.score:.2f}"
