"""`--init click`: the first pose from a person who clicks on what image and map have in common."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from reloc.errors import ConfigError
from reloc.first_pose import first_pose
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.places.cache import load_cached_index
from reloc.places.sampling import Plausible, sample_views
from reloc.places.views import VIEW_CAMERA
from reloc.render.renderer import Renderer
from reloc.undistort import Undistorter

CLICK = "click"
_VIEWS = 24
_POLL_S = 0.5


def beginning(init: str | None, raw: RawFrame, lens: LensCamera, mesh: TexturedMesh, renderer: Renderer) -> SE3 | None:
    """Return world_from_camera of the first frame as `init` says it, asking a person if it says `click`; None if it is None."""
    if init is None:
        return None
    return clicked_pose(raw, lens, mesh, renderer) if init == CLICK else first_pose(init, raw.timestamp_ns, raw.name)


def clicked_pose(raw: RawFrame, lens: LensCamera, mesh: TexturedMesh, renderer: Renderer) -> SE3:
    """Return world_from_camera of a frame as a person finds it on a page of this machine, and say where the page is.

    Ctrl-C ends the wait. Raises `ConfigError` where nothing of the map can be shown.
    """
    from reloc.picking import PickingServer, PickingSession  # late: few runs begin so

    camera, image = Undistorter(lens, working_width=lens.width)(raw).rectify()
    server = PickingServer(PickingSession(renderer, camera, image, _views(mesh, renderer)))
    print(f"say where the image was taken, on this page: {server.url}", file=sys.stderr, flush=True)
    try:
        while (found := server.wait(_POLL_S)) is None:
            pass
    finally:
        server.close()
    print("thank you; going on from that pose", file=sys.stderr, flush=True)
    return found.inverse()


def refuse_click(init: str | None) -> None:
    """Raise `ConfigError` where a camera that moves on is to begin with a click."""
    if init == CLICK:
        raise ConfigError(
            "--init click is for recordings and single images: a live camera would move on meanwhile. Leave --init out, so that "
            "the camera is looked for among the known views of the map"
        )


def _views(mesh: TexturedMesh, renderer: Renderer) -> Sequence[SE3]:
    """Return some views that stand for all: the first ones of the index, which were chosen so, or new ones."""
    index = load_cached_index(mesh)
    if index is not None:
        return [index.pose(number) for number in range(min(_VIEWS, len(index)))]
    return sample_views(renderer, mesh, VIEW_CAMERA, _VIEWS, Plausible())
