"""Each weakness is made to happen, in recordings and photographs that no tracker of ours has made, and must be named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from reloc.build import make_relocalizer
from reloc.config import RelocConfig
from reloc.estimate import Estimate, Quality, Verdict, Weakness
from reloc.frame import RawFrame
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory, load_tum
from reloc.mesh.load import load_mesh
from reloc.relocalizer import Relocalizer
from reloc.render.software import SoftwareRenderer
from reloc.sources import effects
from reloc.sources.disturb import Incident, frozen, with_effect
from reloc.sources.effects import Effect
from reloc.sources.open import open_source
from reloc.sources.source import FrameSource
from reloc.undistort import Undistorter
from reloc.weakness import WeaknessConfig, in_words, weaknesses
from tests.scenes import painted_corner, photograph_of_the_corner, view_of_the_corner

CONFIG = WeaknessConfig()
SOUND = Quality(
    0.9, 0.8, 0.95, 0.9, 80.0, 0.2, 5.0, sharpness=0.8, unlit_share=0.02, occluded_share=0.05, points=1200, surprise_share=0.01
)


# Made to happen in a recording


@cache
def _renderer(folder: Path) -> SoftwareRenderer:
    return SoftwareRenderer(load_mesh(folder / "map" / "mesh.obj"))


def _truth(folder: Path) -> Trajectory:
    return load_tum(folder / "groundtruth.txt")


def _tracked(folder: Path, frames: Iterable[RawFrame]) -> list[Estimate]:
    renderer, lens = _renderer(folder), load_calibration(folder / "camera.yaml")
    relocalizer = make_relocalizer(RelocConfig(), renderer.mesh, lens, _truth(folder).pose(0), renderer=renderer)
    return [relocalizer.step(raw) for raw in frames]


def _disturbed(folder: Path, effect: Effect) -> FrameSource:
    return with_effect(open_source(str(folder)), effect, seed=1)


def _error_m(folder: Path, estimate: Estimate) -> float:
    truth = _truth(folder)
    true = truth.pose(truth.nearest(estimate.frame.timestamp_ns))
    return float(np.linalg.norm(estimate.world_from_camera.translation - true.translation))


CASES = [
    (effects.motion_blur(13), Weakness.BLUR),
    (effects.defocus(3.0), Weakness.BLUR),
    (effects.darkness(0.03, 0.005), Weakness.LOW_LIGHT),
    (effects.gain_bias((3.2,)), Weakness.LOW_LIGHT),
    (effects.occluder(0.3), Weakness.OCCLUSION),
]


@pytest.mark.parametrize(("effect", "weakness"), CASES)
def test_a_weakness_is_named_and_the_pose_is_still_of_use(made_recording: Path, effect: Effect, weakness: Weakness) -> None:
    for estimate in _tracked(made_recording, list(_disturbed(made_recording, effect))[:3]):
        assert estimate.verdict is Verdict.LIMITED
        assert estimate.weaknesses == (weakness,)
        assert estimate.reason.startswith(f"{weakness}: ")
        assert _error_m(made_recording, estimate) < 0.05


HARMLESS = [
    effects.gain_bias((0.3,)),
    effects.gain_bias((1.3, 1.0, 0.7)),
    effects.noise(0.08),
    effects.shadow(strength=0.6, share=0.4, period=60),
    effects.gamma(2.0),
]


@pytest.mark.parametrize("effect", HARMLESS)
def test_what_the_alignment_bears_well_is_no_weakness(made_recording: Path, effect: Effect) -> None:
    for estimate in _tracked(made_recording, list(_disturbed(made_recording, effect))[:3]):
        assert (estimate.verdict, estimate.reason, estimate.weaknesses) == (Verdict.TRACKED, "", ())


def test_black_frames_are_dark_and_not_believed(made_recording: Path) -> None:
    covered = _disturbed(made_recording, effects.within(0.1, 2.0, effects.black))
    coasting = _tracked(made_recording, covered)[4]
    assert coasting.verdict is Verdict.COASTING
    assert coasting.weaknesses == (Weakness.LOW_LIGHT,)
    assert "low light: 100 % of the view is black or burnt out" in coasting.reason


def test_a_frozen_image_is_limited_after_a_while_and_its_uncertainty_grows(made_recording: Path) -> None:
    source = open_source(str(made_recording))
    still = [replace(raw, timestamp_ns=raw.timestamp_ns * 5 // 2) for raw in frozen(source, Incident(0.06, 1.0))]
    estimates = _tracked(made_recording, still)
    # The picture of frame 2 stands from then on, at 12 Hz: 0.2 s are over after three repetitions.
    assert [estimate.verdict for estimate in estimates] == [Verdict.TRACKED] * 5 + [Verdict.LIMITED] * 3
    assert [estimate.weaknesses for estimate in estimates[5:]] == [(Weakness.FROZEN,)] * 3
    assert "nothing in the image has changed for 0.2 s" in estimates[5].reason
    spread = [np.trace(estimate.covariance[:3, :3]) for estimate in estimates[4:]]
    assert (np.diff(spread) > 0).all()
    # It may have gone as far as the speed allows of which nothing is known: a third of the depth a second.
    assert np.sqrt(spread[-1]) > 0.3


def test_a_frame_that_is_repeated_now_and_then_is_no_weakness(made_recording: Path) -> None:
    frames = list(open_source(str(made_recording)))
    twice = [replace(frames[raw.index - raw.index % 2], index=raw.index, timestamp_ns=raw.timestamp_ns) for raw in frames]
    assert {estimate.verdict for estimate in _tracked(made_recording, twice)} == {Verdict.TRACKED}


# Made to happen before a painted corner, where the way of the camera can be chosen

LENS = LensCamera(LensModel.PINHOLE, 160, 120, 130.0, 131.0, 79.1, 60.3, ())


@cache
def _corner() -> SoftwareRenderer:
    return SoftwareRenderer(painted_corner())


def _photograph(index: int, camera_from_world: SE3, ignore: np.ndarray | None = None) -> RawFrame:
    picture = np.rint(255 * photograph_of_the_corner(LENS.pinhole, camera_from_world)[0]).astype(np.uint8)
    return RawFrame(index, index * 33_333_333, picture, str(index), ignore)


def _before_the_corner(frames: list[RawFrame], start: SE3) -> list[Estimate]:
    relocalizer = Relocalizer(Undistorter(LENS, working_width=160, color=False), _corner(), start)
    return [relocalizer.step(raw) for raw in frames]


def _turned(degrees: float) -> SE3:
    return SE3.exp([0, 0, 0, 0, np.radians(degrees), 0]) @ view_of_the_corner()


def test_a_jerk_is_fast_motion() -> None:
    poses = [_turned(0), _turned(0), _turned(0), _turned(8)]
    estimates = _before_the_corner([_photograph(index, pose) for index, pose in enumerate(poses)], poses[0])
    assert [estimate.verdict for estimate in estimates] == [Verdict.TRACKED] * 3 + [Verdict.LIMITED]
    assert estimates[3].weaknesses == (Weakness.FAST_MOTION,)
    # 130 px · tan 8° of 160 px.
    assert estimates[3].quality.surprise_share == pytest.approx(130 * np.radians(8) / 160, rel=0.1)
    np.testing.assert_allclose(estimates[3].camera_from_world.matrix, poses[3].matrix, atol=5e-3)


def test_at_the_edge_of_the_map_it_is_off_the_map() -> None:
    pose = SE3.exp([0, 0, 0, np.radians(-64), 0, 0]) @ view_of_the_corner()
    estimate = _before_the_corner([_photograph(0, pose)], pose)[0]
    assert estimate.quality.coverage == pytest.approx(photograph_of_the_corner(LENS.pinhole, pose)[1].mean(), abs=0.01)
    assert estimate.verdict is Verdict.LIMITED
    assert estimate.weaknesses == (Weakness.OFF_THE_MAP,)


def test_where_most_of_the_image_is_to_be_ignored_there_are_few_points() -> None:
    ignore = np.ones((120, 160), bool)
    ignore[30:90, 35:123] = False
    pose = _turned(0)
    estimate = _before_the_corner([_photograph(0, pose, ignore)], pose)[0]
    assert estimate.verdict is Verdict.LIMITED
    assert estimate.weaknesses == (Weakness.FEW_POINTS,)
    assert 30 < estimate.quality.points < CONFIG.points


# The rule


def _weak(before: tuple[Weakness, ...] = (), *, believed: bool = True, **measured: float) -> tuple[Weakness, ...]:
    return weaknesses(replace(SOUND, **measured), CONFIG, before, believed=believed)


BAD: list[tuple[Weakness, str, float, float, float]] = [
    # What is measured: where it begins, where it goes on, and where it ends.
    (Weakness.BLUR, "sharpness", 0.34, 0.42, 0.45),
    (Weakness.LOW_LIGHT, "unlit_share", 0.41, 0.33, 0.31),
    (Weakness.OCCLUSION, "occluded_share", 0.21, 0.17, 0.15),
    (Weakness.FEW_POINTS, "points", 299, 360, 400),
    (Weakness.OFF_THE_MAP, "coverage", 0.29, 0.36, 0.39),
    (Weakness.FAST_MOTION, "surprise_share", 0.11, 0.09, 0.07),
    (Weakness.FROZEN, "frozen_s", 0.21, 0.17, 0.15),
]


@pytest.mark.parametrize(("weakness", "name", "begins", "goes_on", "ends"), BAD)
def test_a_weakness_begins_goes_on_and_ends(weakness: Weakness, name: str, begins: float, goes_on: float, ends: float) -> None:
    assert _weak() == ()
    assert _weak(**{name: begins}) == (weakness,)
    assert _weak(**{name: goes_on}) == ()
    assert _weak((weakness,), **{name: goes_on}) == (weakness,)
    assert _weak((weakness,), **{name: ends}) == ()


def test_every_weakness_has_a_sentence_with_what_was_measured() -> None:
    told = in_words(tuple(Weakness), replace(SOUND, sharpness=0.25, points=77, frozen_s=1.5))
    assert told.count(";") == len(Weakness) - 1
    assert "blur: the image is 0.25 times as sharp as the map" in told
    assert "few points: 77 points of the map fit" in told
    assert "frozen image: nothing in the image has changed for 1.5 s" in told


def test_what_was_not_measured_is_no_weakness() -> None:
    unknown = dict.fromkeys(("sharpness", "unlit_share", "occluded_share", "surprise_share"), float("nan"))
    assert _weak(**unknown) == ()


def test_of_a_pose_that_is_not_believed_only_the_image_itself_can_be_judged() -> None:
    all_bad = {name: begins for _, name, begins, _, _ in BAD}
    assert _weak(believed=False, **all_bad) == (Weakness.LOW_LIGHT, Weakness.FROZEN)
