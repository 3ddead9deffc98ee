"""Pieces of HTML. What comes from files goes through `text` or `attribute`: a page must show it and never obey it."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

import cv2

from reloc.sinks.pictures import Picture

_WEBP_QUALITY = 78


def text(value: object) -> str:
    """Return a value as text between tags."""
    return html.escape(str(value), quote=False)


def attribute(value: object) -> str:
    """Return a value as text between double quotes."""
    return html.escape(str(value), quote=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int | None = None) -> str:
    """Return a table of cells that are HTML already; the first column names the rows, column `words` holds sentences."""
    classes = ["" if column != words else ' class="text"' for column in range(len(head))]
    cells = "".join(f'<th scope="col"{kind}>{cell}</th>' for cell, kind in zip(head, classes, strict=True))
    body = "".join(_row(row, classes) for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(cells: Sequence[str], classes: Sequence[str]) -> str:
    others = "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(cells[1:], classes[1:], strict=True))
    return f'<tr><th scope="row">{cells[0]}</th>{others}</tr>'


def figure(content: str, caption: str = "") -> str:
    """Return a figure with a caption, both HTML."""
    return f"<figure>{content}{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>"


def section(anchor: str, title: str, content: str) -> str:
    """Return a section of the page."""
    return f'<section id="{attribute(anchor)}"><h2>{text(title)}</h2>\n{content}\n</section>'


def note(content: str) -> str:
    """Return a remark, HTML."""
    return f'<p class="note">{content}</p>' if content else ""


def details(summary: str, content: str) -> str:
    """Return what is folded away until somebody wants it."""
    return f"<details><summary>{summary}</summary>{content}</details>"


def picture(pixels: Picture, description: str) -> str:
    """Return an RGB picture as an image that is part of the page."""
    encoded = cv2.imencode(".webp", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, _WEBP_QUALITY])[1]
    height, width = pixels.shape[:2]
    source = data_url(encoded.tobytes(), "image/webp")
    return f'<img src="{source}" alt="{attribute(description)}" width="{width}" height="{height}">'


def data_url(data: bytes, kind: str) -> str:
    """Return the address of data that is written out in it."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def number(value: float, digits: int = 3) -> str:
    """Return a number for people; a dash where there is none."""
    return f"{value:.{digits}f}" if value == value and abs(value) != float("inf") else "–"


def percent(share: float) -> str:
    """Return a share 0..1 in percent; a dash where there is none."""
    return f"{100 * share:.1f} %" if share == share else "–"
