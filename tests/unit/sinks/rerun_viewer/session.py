"""Sessions made for the tests of the viewer, and the recordings read back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from rerun.chunk import RrdReader

from reloc.estimate import Estimate, Verdict
from reloc.frame import Frame, RawFrame
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Rendering
from reloc.sinks.rerun_viewer import RerunSink
from tests.unit.sinks.estimates import estimate

CAMERA = PinholeCamera(64, 48, 50.0, 51.0, 30.0, 22.0)
_SQUARE = np.array([[0, 0, 0], [4, 0, 0], [4, 0, 3], [0, 0, 3]], np.float32)


def texture(*color: int) -> np.ndarray:
    return np.full((16, 16, 3), color, np.uint8)


MESH = TexturedMesh(
    vertices=_SQUARE,
    faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    uv=np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 0.75]]], np.float32),
    material=np.array([0, 1], np.int16),
    textures=(texture(200, 30, 30), texture(30, 30, 200)),
)
DIAGONAL_M = 5.0


class FlatRenderer:
    """Sees one grey wall; waits at the gate, if there is one."""

    def __init__(self, gate: Event | None = None) -> None:
        self.gate, self.entered, self.poses = gate, Event(), list[SE3]()

    def render(self, camera: PinholeCamera, camera_from_world: SE3) -> Rendering:
        self.entered.set()
        assert self.gate is None or self.gate.wait(30.0)
        self.poses.append(camera_from_world)
        shape = (camera.height, camera.width)
        face_id, depth, weights = np.zeros(shape, np.int32), np.ones(shape, np.float32), np.zeros((*shape, 2), np.float32)
        return Rendering(camera, camera_from_world, face_id, depth, weights)

    def shade(self, rendering: Rendering, *, color: bool) -> np.ndarray:
        assert color
        return np.full((*rendering.face_id.shape, 3), 0.5, np.float32)

    def facing(self, rendering: Rendering) -> np.ndarray:
        return np.ones(rendering.face_id.shape, np.float32)


class BrokenRenderer(FlatRenderer):
    """Fails at every frame."""

    def render(self, camera: PinholeCamera, camera_from_world: SE3) -> Rendering:
        raise ZeroDivisionError("broken on purpose")


def seen(index: int, verdict: Verdict = Verdict.TRACKED, *, timestamp_ns: int | None = None, **fields: Any) -> Estimate:
    """Return an estimate whose frame has a picture: grey, with the number of the frame as its level."""
    image = np.full((CAMERA.height, CAMERA.width, 3), index % 256, np.uint8)
    time_ns = index * 33_333_333 if timestamp_ns is None else timestamp_ns
    raw = RawFrame(index, time_ns, image)
    frame = Frame(index, time_ns, CAMERA, np.zeros((48, 64), np.float32), np.ones((48, 64), bool), raw, lambda: (CAMERA, image))
    return estimate(index, frame=frame, verdict=verdict, **fields)


def write_all(sink: RerunSink, estimates: Iterable[Estimate]) -> None:
    for each in estimates:
        sink.write(each)
    sink.close()


class Recording:
    """A recording on disk, by entity and component."""

    def __init__(self, path: Path) -> None:
        self.static: dict[str, dict[str, list[Any]]] = defaultdict(dict)
        self.entities: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.static_rows: dict[str, int] = defaultdict(int)
        for chunk in RrdReader(path).stream().to_chunks():
            batch = chunk.to_record_batch()
            rows = [{name: value for name, value in row.items() if value is not None} for row in batch.to_pylist()]
            temporal = "frame" in batch.schema.names
            if temporal:
                self.entities[chunk.entity_path] += rows
            else:
                self.static_rows[chunk.entity_path] += len(rows)
                for row in rows:
                    self.static[chunk.entity_path].update(row)

    def column(self, entity: str, component: str) -> dict[int, Any]:
        """Return frame → value, in the order of the frames; fails where a frame was logged twice."""
        found = [(row["frame"], row[component]) for row in self.entities[entity] if component in row]
        assert len({frame for frame, _ in found}) == len(found), f"{entity} has a frame twice"
        return dict(sorted(found, key=lambda pair: pair[0]))

    def times(self, entity: str) -> dict[int, Any]:
        return {row["frame"]: row["t_cam"] for row in self.entities[entity]}
