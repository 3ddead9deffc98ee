"""Runs for the tests of the page, made without tracking anything."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from reloc.estimate import Estimate, Exposure, Verdict
from reloc.evaluate.judge import Rules, judge
from reloc.evaluate.run import Run, load_run
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory
from reloc.report.subject import Subject
from reloc.report.worst import worst_frames
from tests.unit.evaluate.runs import write_run
from tests.unit.evaluate.trajectories import walk
from tests.unit.sinks.estimates import estimate

TRUTH = walk(60, start_ns=0)
NOTHING = Exposure(np.array([np.nan]), np.array([np.nan]))
# Markup that would show, or do something, if a page did not take it for text.
HOSTILE = '<img src="http://evil.example/x" onerror="alert(1)"></script>&amp;$\\alpha$"\''
# Elements that are never closed.
_VOID = {"meta", "img", "link", "br", "hr", "input"}


def estimates(truth: Trajectory = TRUTH, *, lost: Sequence[int] = (), bad: Sequence[int] = (), **fields: Any) -> list[Estimate]:
    """Return one estimate a pose, 1 cm off; the `lost` ones are 1 m off and say so, the `bad` ones are 20 cm off and do not."""
    made = []
    for i in range(len(truth)):
        pose, off = truth.pose(i), 1.0 if i in lost else 0.2 if i in bad else 0.01
        shifted = SE3(pose.rotation, pose.translation + np.array([off, 0, 0]))
        known: dict[str, Any] = {"score": 0.9 - 0.001 * i}
        if i in lost:
            known = {"verdict": Verdict.LOST, "score": 0.1, "reason": HOSTILE, "exposure": NOTHING}
        made.append(estimate(i, shifted, timestamp_ns=int(truth.timestamps_ns[i]), **{**known, **fields}))
    return made


def run(folder: Path, made: Sequence[Estimate], **options: Any) -> Run:
    return load_run(write_run(folder, made, **options))


def subject(one: Run, truth: Trajectory | None = TRUTH, most: int = 6) -> Subject:
    judged = None if truth is None else judge(one, truth, Rules())
    return Subject(one, judged, () if one.frames is None else worst_frames(one.frames, truth, 0.01, most))


class Reader(HTMLParser):
    """Reads a page as a browser would, and notes what matters here."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open += [] if tag in _VOID else [tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def attributes(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags for key, value in attributes.items() if key == name and value]


def drawings(page: str) -> list[ElementTree.Element]:
    """Return the SVG elements of a page, each parsed as XML."""
    parts = page.split("<svg ")[1:]
    roots = ["<svg " + part.split("</svg>")[0] + "</svg>" for part in parts]
    return [
        ElementTree.fromstring(root.replace("<svg ", '<svg xmlns:xlink="x" ', 1) if "xmlns:xlink" not in root else root)
        for root in roots
    ]
