from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pytest
import torch

from reloc.align.torch_motion import exp_motion
from reloc.errors import ConfigError
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Rendering
from reloc.render.software import SoftwareRenderer
from reloc.render.torch_surface import TorchSurface, chosen_device
from reloc.render.visibility import away_from_rims
from reloc.synthetic.handheld import HandHeld
from tests.oracles.photometric import perturbation_jacobian, projection_jacobian
from tests.scenes import ANYWHERE, bare_mesh, painted_corner, photograph_of_the_corner, room, view_of_the_corner
from tests.tolerances import DIFFERENTIATED_TEXTURE, FLOAT32_TEXEL, LEVEL_ALONG_A_RUN, SHADED_CORNER

# So near that a texel is larger than a pixel: the finest level alone.
NEAR = PinholeCamera(48, 36, 700.0, 710.0, 23.1, 18.3)
WIDE = PinholeCamera(80, 60, 65.0, 66.0, 39.1, 30.3)
POSE = view_of_the_corner([0.03, -0.02, 0.01, 0.02, 0.01, -0.03])


def colourful_triangles() -> TexturedMesh:
    """Twelve large triangles before the camera of ANYWHERE, some of them partly behind others."""
    rng = np.random.default_rng(3)
    in_camera = rng.uniform([-1.5, -1.2, 1.5], [1.5, 1.2, 4.0], (36, 3))
    vertices = ANYWHERE.inverse().apply(in_camera)
    return bare_mesh(vertices, np.arange(36).reshape(12, 3), rng.integers(0, 256, (36, 3)))


def drawn(mesh: TexturedMesh, camera: PinholeCamera, pose: SE3) -> np.ndarray:
    picture = TorchSurface(mesh, SoftwareRenderer(mesh)).draw(camera, torch.from_numpy(pose.matrix))
    return picture.color.permute(1, 2, 0).numpy()


def shaded(renderer: SoftwareRenderer, camera: PinholeCamera, pose: SE3) -> np.ndarray:
    return renderer.shade(renderer.render(camera, pose), color=True)


@pytest.mark.parametrize(("mesh", "camera", "pose"), [(painted_corner(), NEAR, POSE), (colourful_triangles(), WIDE, ANYWHERE)])
def test_colours_are_those_of_the_other_renderer(mesh: TexturedMesh, camera: PinholeCamera, pose: SE3) -> None:
    expected = shaded(SoftwareRenderer(mesh), camera, pose)
    assert expected.std() > 0.05
    np.testing.assert_allclose(drawn(mesh, camera, pose), expected, rtol=0, atol=FLOAT32_TEXEL)


def test_coarser_levels_are_mixed_as_by_the_other_renderer() -> None:
    # That one takes the level at the first pixel of a run along a face, this one at each.
    renderer = room()
    pose = HandHeld(0).world_from_camera(1.0).inverse()
    expected, found = shaded(renderer, WIDE, pose), drawn(renderer.mesh, WIDE, pose)
    assert renderer.render(WIDE, pose).coverage > 0.5
    assert np.abs(found - expected).mean() < LEVEL_ALONG_A_RUN


def test_the_corner_looks_as_its_formula_says() -> None:
    expected, hit = photograph_of_the_corner(WIDE, POSE)
    inside = away_from_rims(hit, 0, 1)
    difference = np.abs(drawn(painted_corner(), WIDE, POSE) - expected)[inside]
    assert difference.mean() < SHADED_CORNER


def test_what_is_not_covered_is_black_and_said_to_be_so() -> None:
    mesh = colourful_triangles()
    renderer = SoftwareRenderer(mesh)
    picture = TorchSurface(mesh, renderer).draw(WIDE, torch.from_numpy(ANYWHERE.matrix))
    covered = renderer.render(WIDE, ANYWHERE).covered
    assert 0.2 < covered.mean() < 0.95
    np.testing.assert_array_equal(picture.covered.numpy(), covered)
    assert (picture.color.numpy()[:, ~covered] == 0).all()


# Derivatives by the pose, with the faces held fixed


@dataclass(frozen=True, eq=False)
class View:
    """A scene from one pose, its colours a function of the pose alone."""

    mesh: TexturedMesh
    camera: PinholeCamera
    pose: SE3

    @cached_property
    def rendering(self) -> Rendering:
        return SoftwareRenderer(self.mesh).render(self.camera, self.pose)

    @cached_property
    def surface(self) -> TorchSurface:
        return TorchSurface(self.mesh, SoftwareRenderer(self.mesh), double=True)

    def colors(self, pose: SE3, camera: PinholeCamera | None = None) -> np.ndarray:
        return self.surface.colors(self.rendering.face_id, camera or self.camera, torch.from_numpy(pose.matrix)).numpy()

    @cached_property
    def jacobian(self) -> np.ndarray:
        """∂colour/∂δ (3, N, 6) of the left perturbation, by torch."""
        matrix = torch.from_numpy(self.pose.matrix)
        return torch.autograd.functional.jacobian(
            lambda delta: self.surface.colors(self.rendering.face_id, self.camera, exp_motion(delta) @ matrix),
            torch.zeros(6, dtype=torch.float64),
        ).numpy()


TEXTURED = View(painted_corner(), PinholeCamera(14, 10, 700.0, 710.0, 6.1, 5.3), POSE)
COLOURED = View(colourful_triangles(), PinholeCamera(16, 12, 13.0, 14.0, 7.3, 6.1), ANYWHERE)


@pytest.mark.parametrize("view", [TEXTURED, COLOURED])
@pytest.mark.parametrize("axis", range(6))
def test_the_derivative_by_the_pose_is_the_finite_difference(view: View, axis: int) -> None:
    step = 1e-6 * np.eye(6)[axis]
    ahead, behind = (view.colors(SE3.exp(sign * step) @ view.pose) for sign in (1, -1))
    expected, found = (ahead - behind) / 2e-6, view.jacobian[:, :, axis]
    # A texture has a knot between two texels: where the step crosses one, the two differ. That is hardly ever a pixel.
    wrong = np.abs(found - expected) > 1e-5 * np.abs(expected).max()
    assert np.abs(expected).max() > 0.02
    assert wrong.mean() < 0.01


@pytest.mark.parametrize("view", [TEXTURED, COLOURED])
def test_the_derivative_by_the_pose_is_the_analytic_one(view: View) -> None:
    # The picture moves with the points: dR/dδ = −∇R · ∂π/∂X · ∂X/∂δ. Its gradient ∇R is had by shifting the principal point.
    camera, rows, columns = view.camera, *np.nonzero(view.rendering.covered)
    along = []
    for name in ("cx", "cy"):
        ahead, behind = (view.colors(view.pose, replace(camera, **{name: getattr(camera, name) - h})) for h in (1e-6, -1e-6))
        along.append((ahead - behind) / 2e-6)
    rays = camera.unproject(np.stack([columns, rows], axis=1))
    points = rays * view.rendering.depth[rows, columns, None]
    flow = np.stack([projection_jacobian(p, camera.fx, camera.fy) @ perturbation_jacobian(p) for p in points])
    expected = -np.einsum("cnk,nkm->cnm", np.stack(along, axis=2), flow)
    wrong = np.abs(view.jacobian - expected) > DIFFERENTIATED_TEXTURE * np.abs(expected).max()
    assert wrong.mean() < 0.01


def test_a_graphics_card_is_taken_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (chosen_device("auto"), chosen_device("cpu")) == ("cpu", "cpu")
    with pytest.raises(ConfigError, match="no graphics card that torch"):
        chosen_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [chosen_device(wanted) for wanted in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
