"""The whole way from raw frames to estimates, on photographs of the painted corner that no renderer of ours has made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from reloc.align.aligner import Aligner, Alignment
from reloc.align.config import AlignConfig
from reloc.align.keyframe import Keyframe
from reloc.align.layers import Layers
from reloc.assess import AssessConfig
from reloc.estimate import Estimate, Verdict
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.motion import MotionConfig
from reloc.relocalizer import Relocalizer
from reloc.render.software import SoftwareRenderer
from reloc.undistort import Undistorter
from tests.scenes import painted_corner, photograph_of_the_corner, view_of_the_corner
from tests.tolerances import CORNER_DEG, CORNER_LOCAL_M

LENS = LensCamera(LensModel.PINHOLE, 160, 120, 130.0, 131.0, 79.1, 60.3, ())
FRAMES = 20
PERIOD_NS = 33_333_333


@cache
def renderer() -> SoftwareRenderer:
    return SoftwareRenderer(painted_corner())


def truth(index: int) -> SE3:
    """A smooth path of 2 m within two seconds before the corner, turning to and fro."""
    phase = 2 * np.pi * index / 60
    return view_of_the_corner(
        [0.15 * np.sin(phase), 0.1 * np.sin(2 * phase), 0.12 * np.sin(phase + 1), 0, 0.06 * np.sin(phase), 0.04 * np.cos(phase)]
    )


@cache
def image(index: int) -> np.ndarray:
    picture = np.rint(255 * photograph_of_the_corner(LENS.pinhole, truth(index))[0]).astype(np.uint8)
    picture.setflags(write=False)
    return picture


def frame(index: int, picture: np.ndarray | None = None, ignore: np.ndarray | None = None) -> RawFrame:
    return RawFrame(index, index * PERIOD_NS, image(index) if picture is None else picture, f"{index}", ignore)


def relocalizer(start: SE3 | None = None, **settings: Any) -> Relocalizer:
    align = settings.get("align", AlignConfig())
    undistorter = Undistorter(LENS, working_width=160, color=align.exposure == "rgb")
    return Relocalizer(undistorter, renderer(), truth(0) if start is None else start, **settings)


def tracked(frames: list[RawFrame], **settings: Any) -> list[Estimate]:
    follower = relocalizer(**settings)
    return [follower.step(raw) for raw in frames]


def distance_m(estimate: Estimate) -> float:
    found, true = estimate.world_from_camera, truth(estimate.frame.index).inverse()
    return float(np.linalg.norm(found.translation - true.translation))


def angle_deg(estimate: Estimate) -> float:
    return float(np.degrees(rotation_angle(estimate.camera_from_world, truth(estimate.frame.index))))


def assert_near_truth(estimates: list[Estimate], times: float = 1.0) -> None:
    assert {estimate.verdict for estimate in estimates} == {Verdict.TRACKED}
    assert max(map(distance_m, estimates)) < times * CORNER_LOCAL_M
    assert max(map(angle_deg, estimates)) < times * CORNER_DEG


# Tracking


@pytest.mark.parametrize("model", ["kalman", "none"])
@pytest.mark.parametrize("exposure", ["luminance", "rgb"])
def test_every_frame_is_tracked_to_millimetres(model: str, exposure: str) -> None:
    frames = [frame(index) for index in range(FRAMES)]
    estimates = tracked(frames, motion=MotionConfig(model=model), align=AlignConfig(exposure=exposure))
    assert_near_truth(estimates, 1.5)
    assert [estimate.reason for estimate in estimates] == [""] * FRAMES
    assert all(0.5 <= estimate.score <= 1 for estimate in estimates)


def test_frames_that_come_at_uneven_times_are_tracked() -> None:
    assert_near_truth(tracked([frame(index) for index in (0, 1, 2, 5, 6, 10, 11, 15, 19)]), 1.5)


def test_the_pose_is_that_of_the_camera_in_the_world_and_back() -> None:
    estimate = tracked([frame(0)])[0]
    product = estimate.world_from_camera @ estimate.camera_from_world
    np.testing.assert_allclose(product.matrix, np.eye(4), atol=1e-12)
    # Where the camera stands, by hand: not where the world lies as seen from it.
    np.testing.assert_allclose(estimate.world_from_camera.translation, truth(0).inverse().translation, atol=CORNER_LOCAL_M)


def test_a_filter_needs_fewer_iterations_than_starting_at_the_last_pose() -> None:
    frames = [frame(index) for index in range(0, 60, 3)]
    kalman, none = (tracked(frames, motion=MotionConfig(model=model)) for model in ("kalman", "none"))
    assert sum(e.iterations for e in kalman[3:]) < sum(e.iterations for e in none[3:])


class Counted(Aligner):
    """Counts the poses that it is told to begin at."""

    starts = 0

    def align(self, keyframe: Keyframe, frame: Layers, guesses: Sequence[SE3], **how: Any) -> Alignment:
        self.starts += len(guesses)
        return super().align(keyframe, frame, guesses, **how)


@pytest.mark.parametrize("turn_deg", [(7.0, 0.0), (-5.0, 6.0)])
def test_a_filter_that_knows_how_little_it_knows_begins_where_the_image_looks_like_the_map(turn_deg: tuple[float, float]) -> None:
    """Half a second without a frame, then a turn that no velocity announced: from the last pose it takes a search."""
    turned = SE3.exp([0, 0, 0, *np.radians(turn_deg), 0]) @ truth(0)
    picture = np.rint(255 * photograph_of_the_corner(LENS.pinhole, turned)[0]).astype(np.uint8)
    starts = {}
    for model in ("kalman", "none"):
        counted = Counted(AlignConfig())
        follower = relocalizer(motion=MotionConfig(model=model), aligner=counted)
        follower.step(frame(0))
        before = counted.starts
        estimate = follower.step(frame(15, picture))
        starts[model] = counted.starts - before
        assert estimate.verdict.is_believed
        assert np.degrees(rotation_angle(estimate.camera_from_world, turned)) < CORNER_DEG
    assert starts["kalman"] == 1
    assert starts["none"] > 49


def test_keyframes_are_kept_while_the_view_holds() -> None:
    estimates = tracked([frame(index) for index in range(FRAMES)])
    renewed = [estimate.keyframe_renewed for estimate in estimates]
    assert renewed[0]
    assert 1 < sum(renewed) < FRAMES


def test_twice_the_same_is_the_same_to_the_bit() -> None:
    frames = [frame(index) for index in range(8)]
    for a, b in zip(tracked(frames), tracked(frames), strict=True):
        assert a.camera_from_world == b.camera_from_world
        np.testing.assert_array_equal(a.covariance, b.covariance)
        assert (a.score, a.iterations, a.outcome, a.verdict) == (b.score, b.iterations, b.outcome, b.verdict)


def test_the_covariance_is_positive_and_of_the_size_of_the_error() -> None:
    estimates = tracked([frame(index) for index in range(FRAMES)])
    for estimate in estimates:
        assert np.linalg.eigvalsh(estimate.covariance)[0] > 0
    sigmas = np.sqrt([np.trace(estimate.covariance[:3, :3]) for estimate in estimates])
    assert 2e-4 < np.median(sigmas) < 3e-2


def test_every_stage_is_timed() -> None:
    estimate = tracked([frame(0)])[0]
    assert set(estimate.milliseconds) == {"undistort", "pyramid", "predict", "render", "align", "assess", "filter", "total"}
    stages = sum(value for name, value in estimate.milliseconds.items() if name != "total")
    assert 0 < stages <= estimate.milliseconds["total"]


# The start


@pytest.mark.parametrize("seed", range(6))
def test_a_start_that_is_off_by_five_degrees_and_five_hundredths_is_recovered(seed: int) -> None:
    shift, turn = np.random.default_rng(seed).standard_normal((2, 3))
    world_from_camera = truth(0).inverse()
    start = SE3(
        world_from_camera.rotation @ SE3.exp([0, 0, 0, *(np.radians(5) * turn / np.linalg.norm(turn))]).rotation,
        world_from_camera.translation + 0.05 * 2.5 * shift / np.linalg.norm(shift),
    ).inverse()
    assert_near_truth(tracked([frame(0)], start=start), 1.5)


class Misled(Aligner):
    """Slips by a tenth of the depth where it begins from a single pose that nothing is known about."""

    def align(self, keyframe: Keyframe, frame: Layers, guesses: Sequence[SE3], **how: Any) -> Alignment:
        found = super().align(keyframe, frame, guesses, **how)
        slip = 0.1 * keyframe.depth * (len(guesses) == 1 and np.isinf(how["uncertainty_px"]))
        return replace(found, camera_from_world=SE3.exp([slip, 0, 0, 0, 0, 0]) @ found.camera_from_world)


def test_a_look_from_the_pose_that_was_found_does_not_replace_it_by_a_worse_one() -> None:
    assert_near_truth(tracked([frame(0)], aligner=Misled(AlignConfig())), 2.0)


def test_a_start_that_looks_at_nothing_is_lost_and_says_so() -> None:
    away = SE3.exp([0, 0, 0, 0, np.pi, 0]) @ truth(0)
    for estimate in tracked([frame(0), frame(1), frame(2)], start=away):
        assert estimate.verdict is Verdict.LOST
        assert estimate.reason
        assert estimate.score < 0.5


def wrong(index: int) -> np.ndarray:
    """A picture of something else, of the same kind and contrast."""
    return np.ascontiguousarray(image(index)[::-1, ::-1])


def test_a_wrong_image_is_lost_and_not_tracked() -> None:
    for picture in (wrong(0), np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)):
        estimate = tracked([frame(0, picture)])[0]
        assert estimate.verdict is Verdict.LOST
        assert estimate.reason.startswith("not found near the first pose")
        assert np.isnan(estimate.exposure.gain).all()


# Darkness


def test_in_the_dark_it_coasts_then_is_lost_and_comes_back_with_the_light() -> None:
    black = np.zeros((120, 160, 3), np.uint8)
    dark = range(5, 30)
    frames = [frame(i, black) if i in dark else frame(i) for i in range(5)]
    frames += [frame(i, black) for i in dark]
    # The camera is back near where the light went out.
    frames += [replace(frame(6 + i), index=6 + i, timestamp_ns=(30 + i) * PERIOD_NS) for i in range(4)]
    estimates = tracked(frames, assess=AssessConfig(coasting_s=0.5))
    verdicts = [estimate.verdict for estimate in estimates]
    assert verdicts[:5] == [Verdict.TRACKED] * 5
    # Half a second after the last good frame, number 4: fifteen frames on.
    assert verdicts[5:19] == [Verdict.COASTING] * 14
    assert verdicts[20:30] == [Verdict.LOST] * 10
    assert_near_truth(estimates[30:], 1.5)


@pytest.mark.parametrize("degrees", [-20, 20])
def test_a_camera_that_was_turned_in_the_dark_is_found_within_five_frames_of_light(degrees: float) -> None:
    black = np.zeros((120, 160, 3), np.uint8)
    turned = SE3.exp([0, 0, 0, 0, np.radians(degrees), 0]) @ truth(0)
    picture = np.rint(255 * photograph_of_the_corner(LENS.pinhole, turned)[0]).astype(np.uint8)
    frames = [frame(0), *(frame(i, black) for i in range(1, 25)), *(frame(i, picture) for i in range(25, 30))]
    last = tracked(frames)[-1]
    assert last.verdict.is_believed
    np.testing.assert_allclose(last.camera_from_world.matrix, turned.matrix, atol=5e-3)


def test_where_nothing_is_lit_nothing_is_searched() -> None:
    black = np.zeros((120, 160, 3), np.uint8)
    estimates = tracked([frame(0), *(frame(i, black) for i in range(1, 22))])
    assert estimates[-1].verdict is Verdict.LOST
    # One alignment at the prediction has at most fifteen steps on each of three levels, in each of two ways.
    assert max(estimate.iterations for estimate in estimates[1:]) <= 15 * 3 * 2


def test_while_coasting_the_uncertainty_grows_and_the_reason_is_given() -> None:
    black = np.zeros((120, 160, 3), np.uint8)
    estimates = tracked([*(frame(i) for i in range(4)), *(frame(i, black) for i in range(4, 12))])[3:]
    traces = [np.trace(estimate.covariance[:3, :3]) for estimate in estimates]
    assert all(before < after for before, after in pairwise(traces))
    assert all(estimate.reason for estimate in estimates[1:])
    assert all(np.isnan(estimate.exposure.gain).all() for estimate in estimates[1:])
    assert max(map(distance_m, estimates[:4])) < 0.05


def test_a_short_darkness_is_bridged() -> None:
    black = np.zeros((120, 160, 3), np.uint8)
    frames = [frame(i, black) if i in (6, 7, 8) else frame(i) for i in range(12)]
    estimates = tracked(frames)
    assert [e.verdict for e in estimates[6:9]] == [Verdict.COASTING] * 3
    assert_near_truth(estimates[:6] + estimates[9:], 1.5)


# Light


def exposed(index: int, gain: list[float], bias: float) -> np.ndarray:
    return np.rint(np.clip(image(index) * np.array(gain) + 255 * bias, 0, 255)).astype(np.uint8)


@pytest.mark.parametrize(("gain", "bias"), [(0.5, 0.0), (0.5, 0.1), (1.0, 0.1), (1.0, -0.1), (1.5, -0.1)])
@pytest.mark.parametrize("residual", ["intensity", "local"])
def test_gain_and_bias_are_recovered_and_cost_no_accuracy(gain: float, bias: float, residual: str) -> None:
    frames = [frame(i, exposed(i, [gain] * 3, bias)) for i in range(5)]
    estimates = tracked(frames, align=AlignConfig(residual=residual))
    # Half the contrast is not so far above the noise floor of the normalisation.
    assert_near_truth(estimates, 3.0)
    found = estimates[-1].exposure
    # Normalised locally, gain and bias are read off a coarse level, whose interpolation takes a part of the contrast.
    assert found.gain == pytest.approx([gain], rel=0.15)
    assert found.gain * 0.5 + found.bias == pytest.approx([gain * 0.5 + bias], abs=0.02)


def test_twice_the_contrast_is_tracked() -> None:
    assert_near_truth(tracked([frame(i, exposed(i, [2.0] * 3, -0.5)) for i in range(5)]), 2.0)


def test_whites_that_burn_out_cost_little() -> None:
    assert_near_truth(tracked([frame(i, exposed(i, [1.6] * 3, 0.0)) for i in range(5)]), 4.0)


def test_a_colour_cast_is_recovered_channel_by_channel() -> None:
    cast = [1.3, 1.0, 0.7]
    frames = [frame(i, exposed(i, cast, 0.0)) for i in range(5)]
    estimates = tracked(frames, align=AlignConfig(exposure="rgb", residual="intensity"))
    assert_near_truth(estimates, 2.0)
    np.testing.assert_allclose(estimates[-1].exposure.gain, cast, rtol=0.05)


# Masks


def test_what_is_ignored_changes_nothing() -> None:
    ignore = np.zeros((120, 160), bool)
    ignore[60:, 90:] = True
    hidden = [image(i).copy() for i in range(6)]
    for number, picture in enumerate(hidden):
        picture[ignore] = np.random.default_rng(number).integers(0, 256, (np.count_nonzero(ignore), 3))
    spoilt = tracked([frame(i, hidden[i], ignore) for i in range(6)])
    clean = tracked([frame(i, None, ignore) for i in range(6)])
    for a, b in zip(spoilt, clean, strict=True):
        assert a.camera_from_world == b.camera_from_world
        assert a.score == b.score
    assert_near_truth(spoilt, 2.0)


def test_an_image_that_is_ignored_as_a_whole_is_not_tracked() -> None:
    everything = np.ones((120, 160), bool)
    estimates = tracked([frame(0), frame(1, None, everything)])
    assert estimates[1].verdict is Verdict.COASTING
