"""From what a file says to a map that can be relied on: what is broken is refused, what is useless is left out and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reloc.errors import MeshError
from reloc.mesh.raw import MISSING, RawMesh
from reloc.mesh.textured_mesh import TexturedMesh

PLAIN_GREY = 128
"""What surface without a colour of its own gets: it hides what is behind it, and its missing texture pulls at no pose."""
MAX_TEXTURES = int(np.iinfo(np.int16).max)
# A tenth of a texel of a 16384 px texture: coordinates are often written with six decimals.
_UV_SLACK = 6e-6
_FACES_AT_A_TIME = 1 << 18


def clean(raw: RawMesh, path: Path, *, require_color: bool) -> tuple[TexturedMesh, bool, tuple[str, ...]]:
    """Return the mesh, whether its colours are its own, and sentences about what was repaired.

    Raises `MeshError` for a mesh without faces, with coordinates that are not finite, or, where `require_color`, without colours.
    """
    notes = list(raw.notes)
    if require_color and raw.problems:
        raise MeshError(raw.problems[0])
    notes += [problem[:1].upper() + problem[1:] + "." for problem in raw.problems]
    if not len(raw.faces):
        found = f"a point cloud of {len(raw.vertices):,} points" if len(raw.vertices) else "nothing"
        raise MeshError(f"expected a surface of triangles, found {found}; reconstruct a mesh first (docs/making-a-map.md)", path)
    keep = _useful_faces(raw, path, notes)
    faces = raw.faces[keep]
    vertices, faces, used = _without_strays(raw.vertices, faces)
    colors = None if raw.vertex_colors is None else raw.vertex_colors[used]
    uv, material, textures = _textured(raw, keep, notes)
    colored = (bool(textures) or colors is not None) and not raw.problems
    if not colored and require_color:
        raise MeshError(
            "the mesh has no colour: expected a texture (OBJ with MTL, GLB, PLY with TextureFile) or colours at the vertices; "
            "texture it (docs/making-a-map.md), or align its outline only (`reloc align --mask`, without an image)",
            path,
        )
    if textures:
        mesh = TexturedMesh(vertices, faces, uv, material, textures, None, path.stem)
    else:
        plain = np.full((len(vertices), 3), PLAIN_GREY, np.uint8) if colors is None else colors
        nowhere = np.zeros((0, 3, 2), np.float32)
        mesh = TexturedMesh(vertices, faces, nowhere, np.zeros(len(faces), np.int16), (), plain, path.stem)
    return mesh, colored, tuple(notes)


def _useful_faces(raw: RawMesh, path: Path, notes: list[str]) -> NDArray[np.int64]:
    """Return which faces to keep: those with an area, each once. Raises if one has a corner that is not finite."""
    broken = np.asarray(~np.isfinite(raw.vertices).all(axis=1))[raw.faces].any(axis=1)
    if broken.any():
        count = int(broken.sum())
        raise MeshError(f"{count:,} faces have a corner that is not a finite number; repair the mesh and export it again", path)
    solid = np.flatnonzero(_has_area(raw.vertices, raw.faces))
    if dropped := len(raw.faces) - len(solid):
        notes.append(f"{dropped:,} faces without an area were dropped.")
    unique = solid[_first_of_each(raw.faces[solid])]
    if dropped := len(solid) - len(unique):
        notes.append(f"{dropped:,} faces that repeat another were dropped.")
    if not len(unique):
        raise MeshError(f"none of the {len(raw.faces):,} faces has an area; export the mesh again", path)
    return unique


def _has_area(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.bool_]:
    result = np.empty(len(faces), bool)
    for start in range(0, len(faces), _FACES_AT_A_TIME):
        corners = vertices[faces[start : start + _FACES_AT_A_TIME]].astype(np.float64)
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        result[start : start + len(corners)] = (normal != 0).any(axis=1)
    return result


def _first_of_each(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the index of the first of all faces with the same corners in the same sense; the two sides of a sheet both stay."""
    start = faces.argmin(axis=1)
    turned = np.take_along_axis(faces, (start[:, None] + np.arange(3)) % 3, axis=1)
    order = np.lexsort((turned[:, 2], turned[:, 1], turned[:, 0]))  # stable: the first of the file comes first
    ranked = turned[order]
    first = np.ones(len(faces), bool)
    first[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    return np.sort(order[first])


def _without_strays(
    vertices: NDArray[np.float32], faces: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.bool_]]:
    """Leave out the vertices that no face uses; return vertices, faces and which vertices stayed."""
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    if used.all():
        return vertices, faces, used
    new_index = (np.cumsum(used) - 1).astype(np.int32)
    return vertices[used], new_index[faces], used


def _textured(
    raw: RawMesh, keep: NDArray[np.int64], notes: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.int16], tuple[NDArray[np.uint8], ...]]:
    """Return uv, material and textures of the kept faces; no textures if no face has one."""
    nothing = np.zeros((0, 3, 2), np.float32), np.zeros(len(keep), np.int16), ()
    if raw.uv is None or not raw.textures:
        return nothing
    uv, material = raw.uv[keep], raw.material[keep]
    # Programs that must write some coordinates for a face that no image saw (COLMAP) write 0 0 for all three corners.
    unseen = (uv == np.array([0.0, 1.0], np.float32)).all(axis=(1, 2))
    plain = (material == MISSING) | ~np.isfinite(uv).all(axis=(1, 2)) | unseen
    if plain.all():
        return nothing
    textures = raw.textures
    if plain.any():
        notes.append(f"{int(plain.sum()):,} faces have no texture and are shown plain grey.")
        uv[plain], material[plain] = 0.5, len(textures)
        textures = (*textures, np.full((2, 2, 3), PLAIN_GREY, np.uint8))
    if len(textures) > MAX_TEXTURES:
        raise MeshError(f"the mesh has {len(textures):,} textures, at most {MAX_TEXTURES:,} are read; bake them into fewer")
    _bring_into_unit_square(uv, notes)
    return uv, material.astype(np.int16), textures


def _bring_into_unit_square(uv: NDArray[np.float32], notes: list[str]) -> None:
    """Shift faces of a repeated texture, or of a tile (UDIM), by whole numbers; those that span a border stay outside 0..1."""
    outside = np.flatnonzero(((uv < 0) | (uv > 1)).any(axis=(1, 2)))
    if not len(outside):
        return
    faces = uv[outside].astype(np.float64)
    faces -= np.floor(faces.min(axis=1, keepdims=True) + _UV_SLACK)
    fits = (faces <= 1 + _UV_SLACK).all(axis=(1, 2))
    uv[outside[fits]] = np.clip(faces[fits], 0, 1)
    if count := int((~fits).sum()):
        notes.append(
            f"{count:,} faces repeat their texture across its border, where a lookup is clamped; unwrap the mesh again so that "
            "every face lies within its texture."
        )
