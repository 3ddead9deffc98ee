from __future__ import annotations

from functools import cache

import numpy as np
import torch

from reloc.align.adam import AdamAligner
from reloc.align.aligner import Alignment
from reloc.align.config import AdamConfig, AlignConfig, KeyframeConfig
from reloc.align.features.loss import FeatureLoss
from reloc.align.features.vgg import VggFeatures
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Layers, build_layers
from reloc.align.photometric import PhotometricTerm, ReferencePoints
from reloc.align.problem import Unknowns
from reloc.align.torch_motion import exp_motion
from reloc.estimate import Outcome
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.render.software import SoftwareRenderer
from reloc.render.torch_surface import TorchSurface
from reloc.render.visibility import SurfaceRule, away_from_rims, points_in_world, usable_surface
from tests.oracles.elsewhere import DEVICE, Elsewhere
from tests.scenes import painted_corner, photograph_of_the_corner, view_of_the_corner
from tests.tolerances import ADAM_CORNER_DEG, ADAM_CORNER_M, CENTRAL_DIFFERENCES

CAMERA = PinholeCamera(64, 48, 52.0, 52.5, 31.3, 23.9)
GUESS = view_of_the_corner()
ALIGN = AlignConfig(solver="adam").as_solved()
# The paint is soft and the picture small: by the default's rule, the descent takes its first pause, 10 mm off, for the end.
SETTING = AdamConfig(device="cpu", patience=60, least_decrease=1e-7)


@cache
def renderer() -> SoftwareRenderer:
    return SoftwareRenderer(painted_corner())


@cache
def surface() -> TorchSurface:
    return TorchSurface(painted_corner(), renderer())


def view_from(pose: SE3) -> Keyframe:
    return make_keyframe(renderer(), CAMERA, pose, ALIGN, KeyframeConfig())


@cache
def keyframe() -> Keyframe:
    return view_from(GUESS)


def photograph(pose: SE3) -> np.ndarray:
    """The image that the formula of the corner gives, averaged over the area of each pixel."""
    fine = photograph_of_the_corner(CAMERA.area_scaled(4 * CAMERA.width, 4 * CAMERA.height), pose)[0]
    return fine.reshape(CAMERA.height, 4, CAMERA.width, 4, 3).mean(axis=(1, 3)).astype(np.float32)


def layers_of(image: np.ndarray, valid: np.ndarray | None = None) -> Layers:
    return build_layers(image, np.ones(image.shape[:2], bool) if valid is None else valid, CAMERA, ALIGN)


def align(image: np.ndarray, setting: AdamConfig = SETTING, valid: np.ndarray | None = None) -> Alignment:
    return AdamAligner(setting, ALIGN, surface()).align(keyframe(), layers_of(image, valid), [GUESS])


def off(found: Alignment, truth: SE3) -> tuple[float, float]:
    """Metres and degrees between two cameras."""
    moved = found.camera_from_world.inverse().translation - truth.inverse().translation
    return float(np.linalg.norm(moved)), float(np.degrees(rotation_angle(found.camera_from_world, truth)))


def test_the_pose_is_that_of_the_formula() -> None:
    truth = view_of_the_corner(np.random.default_rng(1).normal(0, np.repeat([0.04, 0.015], 3)))
    found = align(photograph(truth))
    metres, degrees = off(found, truth)
    assert metres < ADAM_CORNER_M
    assert degrees < ADAM_CORNER_DEG
    assert found.correlation > 0.95


def test_gain_and_bias_of_each_channel_are_recovered() -> None:
    gain, bias = np.array([1.3, 1.0, 0.7], np.float32), np.array([-0.1, 0.0, 0.1], np.float32)
    truth = view_of_the_corner([0.02, -0.02, 0.01, 0.01, 0, 0])
    found = align(gain * photograph(truth) + bias)
    # Two levels of the texture, mixed, are smoother than the area of a pixel: 6 % of the contrast of this paint.
    np.testing.assert_allclose(found.exposure.gain, gain, rtol=0.08)
    np.testing.assert_allclose(found.exposure.bias, bias, atol=0.05)
    assert off(found, truth)[0] < 2 * ADAM_CORNER_M


def test_what_is_not_valid_changes_nothing() -> None:
    truth = view_of_the_corner([0.02, -0.02, 0.01, 0.01, 0, 0])
    valid = np.ones((48, 64), bool)
    valid[10:30, 35:60] = False
    clean, spoilt = photograph(truth), photograph(truth)
    spoilt[~valid] = np.random.default_rng(0).random((np.count_nonzero(~valid), 3))
    few = AdamConfig(device="cpu", steps=8)
    a, b = (align(image, few, valid) for image in (clean, spoilt))
    np.testing.assert_array_equal(a.camera_from_world.matrix, b.camera_from_world.matrix)


def test_a_patch_of_something_else_is_clipped() -> None:
    truth = view_of_the_corner([0.02, -0.02, 0.01, 0.01, 0, 0])
    image = photograph(truth)
    image[30:, :20] = 1.0
    assert off(align(image), truth)[0] < 3 * ADAM_CORNER_M


def test_it_stops_where_it_no_longer_gets_better() -> None:
    found = align(photograph(GUESS), AdamConfig(device="cpu"))
    assert found.outcome is Outcome.CONVERGED
    assert found.iterations < 60


def test_the_number_of_steps_is_limited_and_counted() -> None:
    found = align(photograph(GUESS), AdamConfig(device="cpu", steps=3))
    assert (found.iterations, found.outcome) == (3, Outcome.MAX_ITERATIONS)


def test_a_further_loss_has_its_say() -> None:
    # A loss that falls wherever the rendering gets darker: with enough of it, the exposure gives way.
    few = AdamConfig(device="cpu", steps=8)
    dark = AdamAligner(few, ALIGN, surface(), [lambda image, rendering, seen: 10 * (rendering * seen).mean()])
    found = dark.align(keyframe(), layers_of(photograph(GUESS)), [GUESS])
    assert found.residual > 2 * align(photograph(GUESS), few).residual


def test_a_view_without_surface_gives_too_few_points() -> None:
    away = SE3.exp([0, 0, 0, 0, np.pi, 0]) @ GUESS
    found = AdamAligner(SETTING, ALIGN, surface()).align(view_from(away), layers_of(photograph(GUESS)), [away])
    assert (found.outcome, found.iterations) == (Outcome.TOO_FEW_POINTS, 0)


def test_twice_the_same_is_the_same_to_the_bit() -> None:
    few, image = AdamConfig(device="cpu", steps=5), photograph(view_of_the_corner([0.02, 0, 0, 0, 0, 0]))
    np.testing.assert_array_equal(align(image, few).camera_from_world.matrix, align(image, few).camera_from_world.matrix)


def test_the_gradient_is_the_one_of_the_photometric_term() -> None:
    # That term's Jacobian takes the mean of the gradients of image and reference: with 2 ∇R − ∇I for the latter it is ∇R alone,
    # which is what a rendering differentiated by the pose has.
    camera, pose = PinholeCamera(160, 120, 260.0, 262.0, 78.6, 59.8), view_of_the_corner([0.02, -0.01, 0.02, 0.01, 0.02, 0.0])
    rendering = renderer().render(camera, pose)
    drawing = renderer().shade(rendering, color=True).astype(np.float64)
    image = photograph_of_the_corner(camera, SE3.exp([0.01, 0, 0, 0, 0.005, 0]) @ pose)[0]
    usable = usable_surface(rendering, renderer().facing(rendering), SurfaceRule(0.15, 0.15, two_sided=False))
    usable &= rendering.face_id == np.median(rendering.face_id[usable])  # one wall: at a corner, the picture has a knot
    used = away_from_rims(usable, 0, 2)
    used[:3], used[-3:], used[:, :3], used[:, -3:] = False, False, False, False
    rows, columns = np.nonzero(used)
    slopes = [np.stack(np.gradient(picture, axis=(1, 0)), axis=3)[rows, columns] for picture in (drawing, image)]
    points = points_in_world(camera, pose, rows, columns, rendering.depth[rows, columns])
    references = ReferencePoints(points, drawing[rows, columns], 2 * slopes[0] - slopes[1])
    term = PhotometricTerm(references, np.ascontiguousarray(image, np.float32), camera)
    analytic = term.linearize(Unknowns.at(pose, np.tile([1.0, 0.0], 3)))
    assert analytic.count == len(points) > 1000

    delta = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    double = TorchSurface(painted_corner(), renderer(), double=True)
    color = double.draw(camera, exp_motion(delta) @ torch.from_numpy(pose.matrix)).color
    squares = (torch.from_numpy(image).permute(2, 0, 1) - color) ** 2
    (0.5 * squares[:, torch.from_numpy(used)].sum()).backward()
    size = np.abs(analytic.gradient[:6]).max()
    np.testing.assert_allclose(delta.grad.numpy(), analytic.gradient[:6], atol=CENTRAL_DIFFERENCES * size)


def test_nothing_is_left_on_the_processor_where_there_is_another_device() -> None:
    few, image, guess = AdamConfig(steps=4), photograph(GUESS), SE3.exp([0.02, 0, 0, 0, 0.01, 0]) @ GUESS
    setting = "vgg16", "random", ["relu1_2", "relu2_1"]
    found = []
    with Elsewhere():
        for device in ("cpu", DEVICE):
            drawing = TorchSurface(painted_corner(), renderer(), device=device)
            losses = [FeatureLoss(VggFeatures(*setting, device), 0.005)]
            aligner = AdamAligner(few, ALIGN, drawing, losses, beside=[lambda pose: 0.01 * (pose[:3, 3] ** 2).sum()])
            found.append(aligner.align(keyframe(), layers_of(image), [guess]))
    here, there = found
    np.testing.assert_array_equal(there.camera_from_world.matrix, here.camera_from_world.matrix)
    assert (np.abs(there.camera_from_world.matrix - guess.matrix).max()) > 1e-3


def test_a_loss_of_the_pose_has_its_say() -> None:
    # One that pulls the camera to a plane through where it begins: the descent goes less far.
    image, few = photograph(view_of_the_corner([0.0, 0.0, 0.04, 0, 0, 0])), AdamConfig(device="cpu", steps=40)
    pulled = AdamAligner(few, ALIGN, surface(), beside=[lambda pose: 10 * (pose[2, 3] - GUESS.translation[2]) ** 2])
    held = pulled.align(keyframe(), layers_of(image), [GUESS]).camera_from_world.translation[2] - GUESS.translation[2]
    free = align(image, few).camera_from_world.translation[2] - GUESS.translation[2]
    assert abs(held) < abs(free) / 2
