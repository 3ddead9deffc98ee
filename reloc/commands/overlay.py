"""A picture of one estimate for people: the image, the map as seen from the estimated pose, and the map's edges on the image."""

from __future__ import annotations

from pathlib import Path

from reloc.commands.film import write_picture
from reloc.errors import OutputError
from reloc.estimate import Estimate
from reloc.render.renderer import Renderer
from reloc.sinks import pictures

_SUFFIXES = (".png", ".jpg", ".jpeg")


def check_picture_path(path: Path) -> None:
    """Raise `OutputError` where the name asks for a format that is not written."""
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"a picture can be written as {', '.join(_SUFFIXES)}; found `{path.suffix}`", path)


def write_overlay(path: Path, estimate: Estimate, renderer: Renderer) -> None:
    """Write the picture of an estimate, as PNG or JPEG after its name."""
    camera, image = estimate.frame.rectify()
    rendering = renderer.render(camera, estimate.camera_from_world)
    drawn = pictures.as_bytes(renderer.shade(rendering, color=True))
    overlay = pictures.edge_overlay(image, drawn, rendering.covered)
    badge = pictures.with_badge(overlay, estimate.verdict, estimate.reason or f"score {estimate.score:.2f}")
    row = pictures.side_by_side(
        [image, pictures.exposed(drawn, estimate.exposure), badge], ["image", "map", "edges of the map on the image"]
    )
    write_picture(path, row)
