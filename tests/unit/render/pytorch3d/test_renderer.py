from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest
import torch

from reloc.align.torch_motion import exp_motion
from reloc.errors import ConfigError
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.differentiable import DifferentiableRenderer
from reloc.render.pytorch3d.library import require_pytorch3d
from reloc.render.pytorch3d.renderer import PyTorch3dRenderer, faces_in_view
from reloc.render.renderer import Renderer
from reloc.render.software import SoftwareRenderer
from reloc.render.torch_surface import TorchSurface
from reloc.synthetic.handheld import HandHeld
from tests.scenes import ANYWHERE, painted_corner, room, view_of_the_corner
from tests.tolerances import OTHER_FACE_SHARE, PYTORCH3D_COLOUR, PYTORCH3D_DEPTH, PYTORCH3D_GRADIENT
from tests.unit.render.test_torch_surface import colourful_triangles

needs_library = pytest.mark.skipif(find_spec("pytorch3d") is None, reason="PyTorch3D is not installed; it has no wheel on PyPI")
CAMERA = PinholeCamera(64, 48, 52.0, 53.0, 31.1, 24.3)
VIEWS = {
    "corner": (painted_corner, view_of_the_corner([0.03, -0.02, 0.01, 0.02, 0.01, -0.03])),
    "triangles": (colourful_triangles, ANYWHERE),
    "room": (lambda: room().mesh, HandHeld(0).world_from_camera(1.0).inverse()),
}


@pytest.fixture(params=list(VIEWS))
def view(request: pytest.FixtureRequest) -> Iterator[tuple[TexturedMesh, SE3]]:
    make, pose = VIEWS[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own
        yield make(), pose


@needs_library
def test_it_is_a_renderer_in_both_senses() -> None:
    renderer = PyTorch3dRenderer(painted_corner(), faces=100)
    assert isinstance(renderer, Renderer)
    assert isinstance(renderer, DifferentiableRenderer)


@needs_library
def test_faces_depths_and_weights_are_those_of_our_z_buffer(view: tuple[TexturedMesh, SE3]) -> None:
    mesh, pose = view
    found, expected = PyTorch3dRenderer(mesh, faces=20000).render(CAMERA, pose), SoftwareRenderer(mesh).render(CAMERA, pose)
    same = found.face_id == expected.face_id
    assert expected.coverage > 0.3
    assert 1 - same.mean() <= OTHER_FACE_SHARE
    both = same & expected.covered
    np.testing.assert_allclose(found.depth[both], expected.depth[both], rtol=PYTORCH3D_DEPTH)
    np.testing.assert_allclose(found.weights[both], expected.weights[both], atol=1e-3)


@needs_library
def test_colours_are_those_of_our_own_shading(view: tuple[TexturedMesh, SE3]) -> None:
    # It takes one level of the texture for the whole picture, we mix two at each pixel.
    mesh, pose = view
    matrix = torch.from_numpy(pose.matrix)
    found = PyTorch3dRenderer(mesh, faces=20000).draw(CAMERA, matrix)
    expected = TorchSurface(mesh, SoftwareRenderer(mesh)).draw(CAMERA, matrix)
    assert float((found.color - expected.color).abs().mean()) < PYTORCH3D_COLOUR * float(expected.color.std())


@needs_library
def test_the_derivative_by_the_pose_is_that_of_our_own_shading() -> None:
    mesh = colourful_triangles()
    gradients = []
    for renderer in (PyTorch3dRenderer(mesh, faces=100), TorchSurface(mesh, SoftwareRenderer(mesh))):
        delta = torch.zeros(6, dtype=torch.float64, requires_grad=True)
        color = renderer.draw(CAMERA, exp_motion(delta) @ torch.from_numpy(ANYWHERE.matrix)).color
        (color**2).mean().backward()
        gradients.append(delta.grad)
    found, expected = gradients
    torch.testing.assert_close(found, expected, rtol=0, atol=PYTORCH3D_GRADIENT * float(expected.abs().max()))


@needs_library
def test_where_too_many_faces_are_in_view_the_largest_are_drawn(caplog: pytest.LogCaptureFixture) -> None:
    make, pose = VIEWS["room"]
    renderer = PyTorch3dRenderer(make(), faces=300)
    drawn = renderer.render(CAMERA, pose)
    pixels = np.unique(SoftwareRenderer(make()).render(CAMERA, pose).face_id, return_counts=True)[1]
    assert len(np.unique(drawn.face_id)) <= 301
    assert drawn.coverage >= np.sort(pixels)[-250:].sum() / drawn.face_id.size * 0.5
    renderer.render(CAMERA, pose)
    assert caplog.text.count("PyTorch3D draws only those 300") == 1


def test_faces_in_view_are_all_that_are_seen() -> None:
    make, pose = VIEWS["room"]
    seen = np.unique(SoftwareRenderer(make()).render(CAMERA, pose).face_id)
    chosen = faces_in_view(make(), CAMERA, pose)
    assert np.isin(seen[seen >= 0], chosen).all()
    assert len(chosen) < 0.8 * len(make().faces)


def test_without_the_library_its_own_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reloc.render.pytorch3d.library.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"not installed.*facebookresearch/pytorch3d/blob/main/INSTALL\.md"):
        PyTorch3dRenderer(painted_corner(), faces=100)


def test_a_library_built_for_another_torch_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reloc.render.pytorch3d.library.find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "pytorch3d", ModuleType("pytorch3d"))
    monkeypatch.setitem(sys.modules, "pytorch3d._C", None)
    with pytest.raises(ConfigError, match=r"not built for the torch that is here.*INSTALL\.md"):
        require_pytorch3d()
