from __future__ import annotations

import numpy as np
import pytest
import trimesh

from reloc.render.planes import face_planes
from tests.scenes import ANYWHERE, bare_mesh, filling_quad, room, textured_quads
from tests.tolerances import NORMAL
from tests.unit.render.test_shading import CAMERA, random_texture


def test_planes_are_those_of_trimesh() -> None:
    mesh = room().mesh
    other = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    planes = face_planes(mesh).plane
    np.testing.assert_allclose(planes[:, :3], other.face_normals, rtol=0, atol=NORMAL)
    on_plane = (other.triangles_center * planes[:, :3]).sum(axis=1) + planes[:, 3]
    np.testing.assert_allclose(on_plane, 0, atol=NORMAL)


@pytest.mark.parametrize("depth", [0.5, 2.0])
def test_density_is_texels_over_area(depth: float) -> None:
    # The quad fills the image: 64 × 48 pixels of (depth / fx) × (depth / fy) metres; its texture has 32 × 96 texels.
    mesh = textured_quads([(filling_quad(CAMERA, ANYWHERE, depth), random_texture(0, 32, 96))])
    area = 64 * 48 * depth**2 / (CAMERA.fx * CAMERA.fy)
    np.testing.assert_allclose(face_planes(mesh).texels, 32 * 96 / area, rtol=1e-5)


def test_faces_without_area_have_no_plane_and_colours_at_vertices_no_texels() -> None:
    mesh = bare_mesh(np.array([[0, 0, 1.0], [1, 0, 1], [2, 0, 1], [0, 1, 1]]), [[0, 1, 2], [0, 1, 3]])
    found = face_planes(mesh)
    np.testing.assert_array_equal(found.plane[0], 0)
    np.testing.assert_allclose(found.plane[1], [0, 0, 1, -1])
    np.testing.assert_array_equal(found.texels, 0)
