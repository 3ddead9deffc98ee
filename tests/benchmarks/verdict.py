"""Whether the verdict can be trusted: right and wrong poses of several recordings, the law of the score, and the covariance.

Poses are made right and wrong by alignment from the truth and from far off, without a search, under many disturbances. The law is
fitted on all recordings but one and judged on that one, in turns, so that no figure was tuned to its own recording.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reloc.align.aligner import Aligner
from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.keyframe import make_keyframe
from reloc.align.layers import build_layers
from reloc.assess import AssessConfig
from reloc.build import make_undistorter
from reloc.config import RelocConfig
from reloc.frame import Frame, RawFrame
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.geometry.trajectory import load_tum
from reloc.render.renderer import Renderer
from reloc.render.software import SoftwareRenderer
from reloc.sources import effects
from reloc.sources.disturb import apply_effect
from reloc.sources.effects import Effect, Moment
from reloc.sources.open import open_source
from reloc.synthetic.recording import make_recording
from reloc.undistort import Undistorter
from reloc.view import measure_view
from tests.benchmarks.common import DATA, OUT, renderer_of, say
from tests.benchmarks.report import Check, Report, Table
from tests.scenes import painted_corner, view_of_the_corner

Array = NDArray[np.float64]

EFFECTS: dict[str, Effect] = {
    "none": lambda image, moment: image,
    "noisy_patch": effects.noisy_patch(0.25),
    "occluded": effects.occluder(0.3),
    "half of it occluded": effects.occluder(0.5),
    "half of it black": effects.half_black,
    "motion_blur": effects.motion_blur(25),
    "defocus": effects.defocus(8.0),
    "noise": effects.noise(0.08),
    "shadow": effects.shadow(0.6, 0.4, 60),
    "gain 3": effects.gain_bias((3.0,)),
    "gain 0.3": effects.gain_bias((0.3,)),
    "lights off": effects.darkness(0.03, 0.01),
    "rolling_noise": effects.rolling_bands(0.3, 3, 11, 0.05),
}
# Offsets of the guesses, in depths and degrees, and how often they are tried.
STARTS = ((0.03, 3.0, 1.0), (0.2, 24.0, 0.5), (0.5, 60.0, 0.5))
COLUMNS = {
    "judged on": "",
    "poses": "d",
    "right": "d",
    "AUC": ".4f",
    "precision": ".3f",
    "recall": ".3f",
    "wrong believed": ".4f",
}
# A usual map is some thousand points; with fewer in view another factor of the score refuses.
LEAST_SHARE = 0.2
RIGHT_M, RIGHT_DEG = 0.05, 5.0
NOISE_SEEDS = 60
NOISES = (0.01, 0.03, 0.08)


@dataclass(frozen=True, eq=False)
class Place:
    """A recording with its truth."""

    name: str
    frames: Sequence[RawFrame]
    truth: Sequence[SE3]
    """camera_from_world of each frame."""
    lens: LensCamera
    renderer: Renderer


@dataclass(frozen=True)
class Sample:
    """A pose that an alignment ended at."""

    place: str
    right: bool
    correlation: float
    best_regions: float
    visible_share: float


def main(*, quick: bool = False) -> Report:
    samples = [sample for place in places(quick) for sample in collect(place)]
    usable = [sample for sample in samples if sample.visible_share > LEAST_SHARE]
    rows, scores, truths = [], [], []
    names = list(dict.fromkeys(sample.place for sample in usable))
    for name in names:
        held, others = [s for s in usable if s.place == name], [s for s in usable if s.place != name]
        law = fitted(others) if len(names) > 1 else fitted(held)
        score, right = chances(law, held), np.array([s.right for s in held])
        rows.append([name, *figures(score, right)])
        scores.append(score)
        truths.append(right)
    rows.append(["all, each left out in turn", *figures(np.concatenate(scores), np.concatenate(truths))])
    config = AssessConfig()
    default = np.array([-config.evidence, config.correlation, config.regions])
    rows.append(["all, with the default law", *figures(chances(default, usable), np.array([s.right for s in usable]))])
    seeds = 20 if quick else NOISE_SEEDS
    nees = {sigma: noise_nees(seeds, sigma) for sigma in NOISES}
    notes = [
        f"fitted on all: evidence {-fitted(usable)[0]:.2f}, correlation {fitted(usable)[1]:.2f}, regions {fitted(usable)[2]:.2f}",
        "precision and recall of a score below one half against a pose beyond 5 cm (or 1 % of the depth) or 5°",
    ]
    checks = [
        Check("AUC, each recording left out in turn", float(rows[-2][3]), 0.98, "at least"),
        *(
            Check(f"NEES under noise of {noise}, mean", float(nees[noise].mean()), 6 + 3 * math.sqrt(12 / seeds))
            for noise in NOISES
        ),
    ]
    columns = {"noise": ".2f", "mean": ".2f", "median": ".2f"}
    noise = Table(
        "NEES by the residuals' scatter alone, under simulated noise (honest: 6, 5.35)",
        columns,
        [[sigma, float(values.mean()), float(np.median(values))] for sigma, values in nees.items()],
    )
    return Report("Verdicts", [Table("The score against the truth", COLUMNS, rows), noise], checks, notes)


def places(quick: bool) -> list[Place]:
    """Return what is at hand of kitchen and castle, and two made-up rooms."""
    step = 4 if quick else 1
    found = []
    kitchen, castle = DATA / "kitchen", DATA / "castle"
    if kitchen.is_dir():
        found.append(_place("kitchen", kitchen / "query", kitchen / "query", kitchen / "map" / "mesh.obj", 11 * step))
    if castle.is_dir():
        found.append(_place("castle", castle / "query" / "images", castle, castle / "map" / "mesh.obj", 1))
    for seed in (1, 2):
        room = OUT / f"benchmark_verdict_{seed}"
        if not (room / "timestamps.txt").is_file():
            make_recording(room, frames=24, fps=4, seed=seed)
        found.append(_place(f"room {seed}", room, room, room / "map" / "mesh.obj", 2 * step))
    return found


def _place(name: str, images: Path, side: Path, mesh: Path, step: int) -> Place:
    frames = list(open_source(str(images)))
    truth = load_tum(side / "groundtruth.txt")
    # Castle's queries have no times of their own: its poses come in the order of the images.
    own = len(truth) == len(frames)
    poses = [truth.pose(i if own else truth.nearest(frame.timestamp_ns)).inverse() for i, frame in enumerate(frames)]
    lens = load_calibration(side / "camera.yaml")
    repeats = 4 if len(frames) < 5 else 1
    return Place(name, frames[::step] * repeats, poses[::step] * repeats, lens, renderer_of(mesh))


def collect(place: Place) -> list[Sample]:
    """Return poses that alignments ended at, right and wrong ones."""
    undistort, rng, samples = make_undistorter(RelocConfig(), place.lens), np.random.default_rng(0), []
    for number, (raw, true) in enumerate(zip(place.frames, place.truth, strict=True)):
        for effect in EFFECTS.values():
            frame = undistort(replace(raw, image=apply_effect(raw.image, effect, Moment(raw.index + 7 * number, 0.0, 1))))
            for most_depths, most_deg, chance in STARTS:
                if rng.random() < chance:
                    samples.append(_aligned(place, frame, true, _offset(rng, most_depths, most_deg)))
        say(f"{place.name}: {number + 1} of {len(place.frames)} frames, {len(samples)} poses")
    return samples


def _offset(rng: np.random.Generator, most_depths: float, most_deg: float) -> Array:
    """Return a random tangent (6,), its translation in depths."""
    shift, axis = (v / np.linalg.norm(v) for v in rng.standard_normal((2, 3)))
    return np.concatenate([rng.uniform(0, most_depths) * shift, np.radians(rng.uniform(0, most_deg)) * axis])


def _aligned(place: Place, frame: Frame, true: SE3, offset: Array) -> Sample:
    align, rule = AlignConfig(), KeyframeConfig()
    view = partial(make_keyframe, place.renderer, frame.camera, align=align, config=rule)
    depth = view(true).depth
    keyframe = view(SE3.exp(offset * np.repeat([depth, 1.0], 3)) @ true)
    layers = build_layers(frame.image, frame.valid, frame.camera, align)
    found = Aligner(align).align(keyframe, layers, [keyframe.camera_from_world], doubtful=True)
    pose = found.camera_from_world
    metres = float(np.linalg.norm(pose.inverse().translation - true.inverse().translation))
    right = metres <= max(RIGHT_M, 0.01 * depth) and np.degrees(rotation_angle(pose, true)) <= RIGHT_DEG
    view = measure_view(frame, layers, keyframe, pose, found.inlier_share, 0.03)
    return Sample(place.name, bool(right), view.correlation, view.best_regions, found.visible_share)


def fitted(samples: Sequence[Sample]) -> Array:
    """Return (3,) the logistic law of right poses: constant, weights of correlation and best regions (Newton, a little ridge)."""
    design, right = _design(samples), np.array([s.right for s in samples], dtype=float)
    law, ridge = np.zeros(3), np.diag([1e-6, 1e-2, 1e-2])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ law))
        curvature = (design.T * (chance * (1 - chance))) @ design + ridge
        step = np.linalg.solve(curvature, design.T @ (right - chance) - ridge @ law)
        law = law + step * min(1.0, 5.0 / float(np.abs(step).max()))
    return law


def chances(law: Array, samples: Sequence[Sample]) -> Array:
    return np.asarray(1 / (1 + np.exp(-_design(samples) @ law)))


def _design(samples: Sequence[Sample]) -> Array:
    return np.array([[1.0, s.correlation, s.best_regions] for s in samples])


def figures(score: Array, right: NDArray[np.bool_]) -> list[float | int]:
    """Return the figures of one row of the table."""
    refused, wrong = score < 0.5, ~right
    ranks = np.argsort(np.argsort(score)) + 1.0
    auc = (ranks[right].sum() - right.sum() * (right.sum() + 1) / 2) / max(right.sum() * wrong.sum(), 1)
    both = int((refused & wrong).sum())
    believed = float((~refused & wrong).sum() / max(wrong.sum(), 1))
    return [
        len(right),
        int(right.sum()),
        float(auc),
        both / max(int(refused.sum()), 1),
        both / max(int(wrong.sum()), 1),
        believed,
    ]


def noise_nees(seeds: int, sigma: float) -> Array:
    """Return (seeds,) the NEES, by the residuals' scatter alone, of poses aligned to a rendering with noise alone.

    The map is drawn from the guess, as it is while tracking: from the very pose of the image all points would fall on pixels,
    where interpolation takes off less of the noise than anywhere else, so that the truth were the one place to avoid.
    """
    lens, align = LensCamera(LensModel.PINHOLE, 160, 120, 130.0, 131.0, 79.1, 60.3, ()), AlignConfig()
    undistort, true = Undistorter(lens, working_width=160, color=False), view_of_the_corner()
    renderer = SoftwareRenderer(painted_corner())
    clean = renderer.shade(renderer.render(lens.pinhole, true), color=False)
    found = np.empty(seeds)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        image = clean + sigma * rng.standard_normal(clean.shape)
        frame = undistort(RawFrame(0, 0, np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)))
        layers = build_layers(frame.image, frame.valid, frame.camera, align)
        guess = SE3.exp(rng.standard_normal(6) * np.repeat([0.01, 0.004], 3)) @ true
        keyframe = make_keyframe(renderer, frame.camera, guess, align, KeyframeConfig())
        aligned = Aligner(align).align(keyframe, layers, [guess])
        error = (aligned.camera_from_world @ true.inverse()).log()
        found[seed] = error @ np.linalg.solve(aligned.residual_covariance, error)
    return found
