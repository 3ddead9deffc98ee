from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reloc.estimate import Verdict
from reloc.evaluate.judge import Rules
from reloc.evaluate.run import Run
from reloc.geometry.trajectory import save_tum
from reloc.report.page import page
from reloc.report.settings import differing
from reloc.report.subject import MapView, ShownFrame, Subject
from reloc.report.topview import top_view
from tests.scenes import bare_mesh
from tests.unit.evaluate.trajectories import walk
from tests.unit.report.made import HOSTILE, TRUTH, Reader, drawings, estimates, run, subject

FLOOR = bare_mesh(np.array([[-9, -9, -1], [9, -9, -1], [9, 9, -1], [-9, 9, -1]], np.float32), np.array([[0, 1, 2], [0, 2, 3]]))
UP = np.array([0.0, 0.0, 1.0])


def view(count: int = 1) -> MapView:
    return MapView(top_view(FLOOR, TRUTH.translations, UP), "", tuple(range(count)), TRUTH)


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    found = subject(run(tmp_path_factory.mktemp("page") / "run", estimates(bad=[7], lost=range(40, 60))))
    shown = ShownFrame(found.worst[0], (np.full((30, 40, 3), 90, np.uint8),) * 2)
    return replace(found, shown=(shown,), settings="align:\n  iterations: 9\n")


@pytest.fixture(scope="module")
def text(lost: Subject) -> str:
    return page([lost], [view()], Rules())


def test_the_page_is_whole_and_says_what_was_found(text: str) -> None:
    read = Reader(text)
    assert read.open == []
    assert text.startswith("<!DOCTYPE html>")
    for said in (
        "66.7 %",
        "of 60 frames have a pose that is believed",
        "40 of 60",
        "000007.jpg",
        "off by 20.00 cm",
        "align",
        "iterations: 9",
    ):
        assert said in read.words
    assert "Beyond 5 cm/5°: 1 of 40 called TRACKED" in read.words
    assert len(drawings(text)) == 7
    links = {link.removeprefix("#") for link in read.attributes("href") if link.startswith("#part")}
    assert links <= set(read.attributes("id"))
    assert len(links) == 10


def test_nothing_is_fetched_from_anywhere(text: str) -> None:
    read = Reader(text)
    addresses = [*read.attributes("src"), *read.attributes("href"), *read.attributes("xlink:href")]
    assert addresses
    assert all(re.match(r"#|data:image/webp;base64,", address) for address in addresses)
    assert {tag for tag, _ in read.tags}.isdisjoint({"script", "link", "iframe", "object", "base"})
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in read.attributes("content")
    style = text.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_what_comes_from_files_is_text_and_nothing_else(tmp_path: Path) -> None:
    made = [replace(one, frame=replace(one.frame, raw=replace(one.frame.raw, name=HOSTILE))) for one in estimates(lost=range(9))]
    one = run(tmp_path / "run", made, inputs={"source": HOSTILE, "map": HOSTILE})
    hostile = replace(subject(replace(one, name=HOSTILE)), settings=HOSTILE, missing_pictures=HOSTILE)
    text = page([hostile, replace(hostile, settings="a: 1")], [MapView(None, HOSTILE, (0, 1))], Rules())
    read = Reader(text)
    assert read.open == []
    assert "onerror" not in {key for _, attributes in read.tags for key in attributes}
    assert not any("evil" in address for address in read.attributes("src"))
    assert HOSTILE in read.words
    assert '<img src="http' not in text


def test_several_runs_stand_side_by_side(tmp_path: Path) -> None:
    subjects = [subject(run(tmp_path / name, estimates(bad=bad))) for name, bad in (("good", []), ("worse", range(30)))]
    subjects = [replace(one, settings=f"align: {{iterations: {i}}}\nsame: 1") for i, one in enumerate(subjects)]
    read = Reader(page(subjects, [view(2)], Rules()))
    assert "good · worse" in read.words
    assert "align.iterations 0 1" in read.words
    assert "same" not in read.words.split("Settings that differ")[1].split("all settings")[0]
    for index in range(2):
        assert any(f"var(--run-{index})" in style for style in read.attributes("style"))


def test_what_is_not_known_is_left_out_or_said(tmp_path: Path) -> None:
    save_tum(tmp_path / "bare.txt", TRUTH)
    bare = Subject(Run("bare", TRUTH))
    missing = MapView(None, "the mesh is gone", (0,))
    read = Reader(page([bare], [missing], Rules()))
    assert "the map cannot be shown: the mesh is gone" in read.words
    assert "No ground truth was given" in read.words
    assert not {"Exposure", "Worst frames", "Errors"} & set(read.text)
    lost = replace(subject(run(tmp_path / "lost", estimates(lost=range(60)))), missing_pictures="the images are gone")
    read = Reader(page([lost], [view()], Rules()))
    assert "The images cannot be shown: the images are gone" in read.words
    assert "0 of 60" in read.words


def test_every_verdict_that_there_is_can_be_shown(tmp_path: Path) -> None:
    made = [replace(one, verdict=list(Verdict)[i % len(Verdict)]) for i, one in enumerate(estimates())]
    text = page([subject(run(tmp_path / "run", made), None)], [], Rules())
    for index, verdict in enumerate(Verdict):
        assert verdict.value in text
        assert f"fill: var(--verdict-{index})" in text
        assert f"--verdict-{index}: #" in text


def test_a_verdict_of_another_version_is_grey(tmp_path: Path) -> None:
    one = run(tmp_path / "run", estimates())
    assert one.frames is not None
    later = replace(one, frames=replace(one.frames, verdicts=np.array(["DREAMING"] * 60)))
    text = page([subject(later, None)], [], Rules())
    assert "DREAMING" in text
    assert f"fill: var(--verdict-{len(Verdict)})" in text


def test_no_stand_in_for_a_colour_is_left(text: str) -> None:
    assert re.search(r"#010[234][0-9a-f]{2}", text) is None


def test_the_same_runs_give_the_same_page(lost: Subject, text: str) -> None:
    assert page([lost], [view()], Rules()) == text


def test_a_long_run_makes_no_large_page(tmp_path: Path) -> None:
    truth = walk(3000, start_ns=0)
    frames = run(tmp_path / "run", estimates(truth.selected(np.arange(300)), lost=range(0, 300, 7))).frames
    assert frames is not None
    many = replace(
        frames,
        **{
            name: np.resize(getattr(frames, name), (60_000, *getattr(frames, name).shape[1:])) for name in ("indices", "verdicts")
        },
        timestamps_ns=np.arange(60_000) * 33_333_333,
        names=frames.names * 200,
        reasons=frames.reasons * 200,
        translations=np.random.default_rng(0).normal(size=(60_000, 3)),
        quaternions=np.tile([1.0, 0, 0, 0], (60_000, 1)),
        covariances=np.tile(np.eye(6) * 1e-4, (60_000, 1, 1)),
        measures={name: np.resize(values, 60_000) for name, values in frames.measures.items()},
        exposure={name: np.resize(values, 60_000) for name, values in frames.exposure.items()},
        milliseconds={name: np.resize(values, 60_000) for name, values in frames.milliseconds.items()},
    )
    text = page([Subject(Run("long", many.poses(many.has_pose), many))], [], Rules())
    assert len(text) < 1_000_000


def test_settings_are_compared_by_their_full_names() -> None:
    found = differing(["a: {b: 1, c: 2}", "a: {b: 1, c: 3}\nd: 4", ": not: yaml", ""])
    assert found[0] == {"a.b": 1, "a.c": 2}
    assert found[1] == {"a.b": 1, "a.c": 3, "d": 4}
    assert found[2] == found[3] == {}
