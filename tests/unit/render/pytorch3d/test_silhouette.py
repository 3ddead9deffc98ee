from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from reloc.align.torch_motion import exp_motion
from reloc.errors import ConfigError
from reloc.render.differentiable import SoftRenderer
from reloc.render.pytorch3d.convert import squared_pixels_to_pytorch3d
from reloc.render.pytorch3d.silhouette import PyTorch3dSilhouette
from tests.scenes import lump
from tests.tolerances import PYTORCH3D_SILHOUETTE, PYTORCH3D_SILHOUETTE_GRADIENT
from tests.unit.render.test_soft_outline import CAMERA, SOFTNESS, TRIANGLE, in_front, soft

needs_library = pytest.mark.skipif(find_spec("pytorch3d") is None, reason="PyTorch3D is not installed; it has no wheel on PyPI")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own
        yield


@needs_library
def test_a_triangle_is_drawn_and_differentiated_as_by_our_own() -> None:
    mesh = in_front(TRIANGLE, np.array([[0, 2, 1]]))
    pictures, gradients = [], []
    weights = torch.from_numpy(np.random.default_rng(0).random((CAMERA.height, CAMERA.width)).astype(np.float32))
    for renderer in (PyTorch3dSilhouette(mesh, softness_px=SOFTNESS, faces_per_pixel=4), soft(mesh)):
        assert isinstance(renderer, SoftRenderer)
        delta = torch.zeros(6, dtype=torch.float64, requires_grad=True)
        alpha = renderer.alpha(CAMERA, exp_motion(delta) @ torch.eye(4, dtype=torch.float64))
        (alpha * weights).sum().backward()
        pictures.append(alpha.detach().numpy())
        gradients.append(delta.grad)
    np.testing.assert_allclose(*pictures, atol=PYTORCH3D_SILHOUETTE)
    size = float(gradients[1].abs().max())
    torch.testing.assert_close(*gradients, rtol=0, atol=PYTORCH3D_SILHOUETTE_GRADIENT * size)


def test_squared_pixels_are_in_halves_of_the_shorter_side() -> None:
    # 72 pixels are 2 long: 36 pixels are 1.
    assert squared_pixels_to_pytorch3d(36.0**2, CAMERA) == pytest.approx(1.0)


def test_without_the_library_its_own_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reloc.render.pytorch3d.library.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="INSTALL"):
        PyTorch3dSilhouette(lump(), softness_px=1.0, faces_per_pixel=1)
