"""What is worth a warning about a map, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from reloc.mesh.report import MeshReport

LARGE_M = 200.0
"""A map wider than this is more often a room in millimetres than a city block."""
SMALL_M = 0.05
MANY_FACES = 1_000_000
FEW_FACES = 2_000
COARSE_TEXELS_PER_METER = 30.0
"""A texel of 3 cm: 6 pixels wide for a 640-pixel camera (f = 525) at 3 m."""
MANY_MIB = 1024.0
EMPTY_SHARE = 0.02
"""Share of the surface without an image from which on it is worth a word; photogrammetry always leaves a little."""
MIXED_SHARE = 0.005
MANY_PIECES = 20
FAR = 30.0
"""How many times its own size a map may lie from the origin before 32-bit coordinates lose what matters."""


def warnings_about(report: MeshReport) -> Iterator[str]:
    """Yield sentences about what looks wrong with a map, each with what to do."""
    yield from _about_scale(report)
    yield from _about_color(report)
    yield from _about_shape(report)
    yield from _about_size(report)


def _about_scale(report: MeshReport) -> Iterator[str]:
    widest = max(report.extent_m)
    if widest > LARGE_M:
        yield (
            f"The map is {widest:,.0f} wide: this looks like millimetres, scale by 0.001. "
            "If it really is that many metres, ignore this."
        )
    elif widest < SMALL_M:
        yield (
            f"The map is only {widest:.2g} wide: if this is no tiny object, its scale is arbitrary or in kilometres; "
            "scale it to metres by a known distance (docs/making-a-map.md)."
        )
    farthest = max(abs(center) for center in report.center_m)
    if farthest > FAR * widest:
        yield (
            f"The map lies {farthest:,.0f} from the origin, where 32-bit coordinates come in steps of {farthest * 1.2e-7:.1g}: "
            "move map and poses close to the origin (programs that georeference offer a shift when they export)."
        )


def _about_color(report: MeshReport) -> Iterator[str]:
    if report.color == "none":
        yield "The map has no colour and serves for silhouettes only: texture it to track by its surface (docs/making-a-map.md)."
    if report.color == "vertices" and report.faces < MANY_FACES:
        yield (
            f"Colours stand at the vertices only, one every {report.median_edge_m * 100:.2g} cm: "
            "a texture shows more detail and tracks more precisely."
        )
    if report.color != "none" and report.untextured_share > EMPTY_SHARE:
        yield (
            f"{report.untextured_share:.0%} of the surface have no texture: "
            "take more images there, or cut these faces away if nothing stands behind them."
        )
    if report.black_share > EMPTY_SHARE:
        yield (
            f"{report.black_share:.0%} of the surface are black, as where no image saw it: "
            "take more images there, or check the masks."
        )
    if report.texels_per_meter is not None and report.texels_per_meter < COARSE_TEXELS_PER_METER:
        yield (
            f"The texture has only {report.texels_per_meter:.3g} texels a metre, fewer than a camera sees: "
            "bake a larger one, or check that the map is in metres."
        )


def _about_shape(report: MeshReport) -> Iterator[str]:
    if report.degenerate_faces:
        yield f"{report.degenerate_faces:,} faces have no area: remove them, for instance with MeshLab (Remove Zero Area Faces)."
    if report.mixed_winding_share > MIXED_SHARE:
        yield (
            f"{report.mixed_winding_share:.1%} of the edges join faces that turn in opposite senses, so that some look "
            "backwards: orient them, for instance with MeshLab (Re-Orient all faces coherently)."
        )
    if report.non_manifold_edges > 0.01 * report.faces:
        yield (
            f"{report.non_manifold_edges:,} edges have three faces or more: "
            "repair them, for instance with MeshLab (Repair non Manifold Edges)."
        )
    if report.components > MANY_PIECES and report.largest_component_share < 0.7:
        yield (
            f"The map falls into {report.components:,} pieces, the largest with {report.largest_component_share:.0%} of the "
            "faces: remove those that float in the air (OpenMVS: --remove-spurious; MeshLab: Remove Isolated Pieces)."
        )
    if report.needle_share > 0.05:
        yield (
            f"{report.needle_share:.0%} of the faces are needles, a hundred times as long as high: "
            "remesh, or decimate with a check of the quality."
        )


def _about_size(report: MeshReport) -> Iterator[str]:
    if report.faces > MANY_FACES:
        yield (
            f"{report.faces:,} faces are more than tracking gains from: decimate to 50,000 to 500,000 "
            "(docs/making-a-map.md); the texture carries the detail."
        )
    elif report.faces < FEW_FACES:
        yield f"{report.faces:,} faces are few: check that the shape follows the real surface to about a pixel."
    if report.memory_mib > MANY_MIB:
        yield f"The map takes {report.memory_mib:,.0f} MiB of memory: scale its textures down or decimate it."
