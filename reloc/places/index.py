"""What is kept of the known views so that an image can be looked up among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.places.cells import Cells, sort_into_cells
from reloc.places.features import Descriptors, FeatureExtractor, Features, detect
from reloc.places.glance import PICTURE_PX, glance, small_picture
from reloc.places.views import View

FEATURES_PER_VIEW = 700
DEPTH_PX = (80, 60)
# Features closer to the edge of what is mapped are of the edge, not of the map.
_EDGE_PX = 2
_WORKERS = 2


@dataclass(frozen=True, eq=False)
class PlaceIndex:
    """Known views of a map and their features; V views, N features. Features stand in the order of `cells`."""

    rotations: NDArray[np.float64]
    """(V, 3, 3) of camera_from_world."""
    translations: NDArray[np.float64]
    """(V, 3) of camera_from_world."""
    intrinsics: NDArray[np.float64]
    """(V, 4) fx, fy, cx, cy of the pictures."""
    pictures: NDArray[np.uint8]
    """(V, 120, 160) grey, black where nothing is known."""
    depths: NDArray[np.float32]
    """(V, 60, 80) along z, 0 where nothing is known."""
    glances: NDArray[np.float32]
    """(V, 288) what each looks like as a whole."""
    cells: Cells
    points: NDArray[np.float32]
    """(N, 3) where in the world each feature is."""
    view: NDArray[np.int32]
    """(N,) which view each feature was seen in."""
    by_view: NDArray[np.int32]
    """(N,) the features sorted by view."""
    first_of_view: NDArray[np.int64]
    """(V + 1,) where in `by_view` each view begins."""

    def __len__(self) -> int:
        """The number of views."""
        return len(self.translations)

    @property
    def features(self) -> str:
        """Which features it holds, as the configuration calls them."""
        return "sift" if self.cells.descriptors.dtype == np.uint8 else "aliked"

    def pose(self, view: int) -> SE3:
        """Return camera_from_world of a view."""
        return SE3(self.rotations[view], self.translations[view])

    def features_of(self, view: int) -> tuple[Descriptors, NDArray[np.float32]]:
        """Return the descriptors (n, 128) and the points in the world (n, 3) of a view."""
        members = self.by_view[self.first_of_view[view] : self.first_of_view[view + 1]]
        return self.cells.descriptors[members], self.points[members]

    def pixels_of(self, view: int, width: int, height: int) -> NDArray[np.float64]:
        """Return (n, 2) where the features of a view are, on a picture of it of some width and height."""
        members = self.by_view[self.first_of_view[view] : self.first_of_view[view + 1]]
        camera = PinholeCamera(*PICTURE_PX, *self.intrinsics[view]).area_scaled(width, height)
        return camera.project(self.pose(view).apply(self.points[members].astype(np.float64)))


@dataclass(frozen=True, eq=False)
class _Described:
    """What is kept of one view."""

    camera_from_world: SE3
    intrinsics: NDArray[np.float64]
    picture: NDArray[np.uint8]
    depth: NDArray[np.float32]
    glance: NDArray[np.float32]
    features: Features
    points: NDArray[np.float32]


def build_index(
    views: Iterable[Callable[[], View]],
    progress: Callable[[int], None] = lambda done: None,
    extract: FeatureExtractor = detect,
) -> PlaceIndex:
    """Return the index of views, each made when its turn comes, with the features that `extract` finds."""
    described = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        for one in _in_order(pool, views, extract):
            described.append(one)
            progress(len(described))
    return _assemble(described)


def _in_order(pool: ThreadPoolExecutor, views: Iterable[Callable[[], View]], extract: FeatureExtractor) -> Iterator[_Described]:
    """Describe views on all workers, a few ahead of who takes them, so that memory holds only those few."""
    remaining = iter(views)
    ahead = [pool.submit(_describe, view, extract) for view in islice(remaining, 2 * _WORKERS)]
    while ahead:
        yield ahead.pop(0).result()
        ahead += [pool.submit(_describe, view, extract) for view in islice(remaining, 1)]


def _describe(make_view: Callable[[], View], extract: FeatureExtractor) -> _Described:
    view = make_view()
    kernel = np.ones((2 * _EDGE_PX + 1, 2 * _EDGE_PX + 1), dtype=np.uint8)
    inside = cv2.erode((view.valid & (view.depth > 0)).astype(np.uint8), kernel) > 0
    features = extract(view.image, FEATURES_PER_VIEW, inside)
    column, row = np.rint(features.pixels).astype(np.int64).T
    depth = view.depth[row, column]
    rays = view.camera.unproject(features.pixels) * depth[:, None]
    picture, shown = small_picture(view.image, view.valid)
    return _Described(
        view.camera_from_world,
        view.camera.area_scaled(*PICTURE_PX).intrinsics,
        picture,
        _thinned(view.depth),
        glance(picture, shown),
        features,
        view.camera_from_world.inverse().apply(rays).astype(np.float32),
    )


def _thinned(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (60, 80) of the depths (H, W), each from the middle of its block: depths across an edge have no average."""
    row, column = (
        ((np.arange(count) + 0.5) * size / count).astype(np.int64)
        for count, size in zip(DEPTH_PX[::-1], depth.shape, strict=True)
    )
    return depth[np.ix_(row, column)]


def _assemble(described: Sequence[_Described]) -> PlaceIndex:
    counts = [len(one.features) for one in described]
    cells, order = sort_into_cells(np.concatenate([one.features.descriptors for one in described]), np.random.default_rng(0))
    view = np.repeat(np.arange(len(described), dtype=np.int32), counts)[order]
    return PlaceIndex(
        rotations=np.stack([one.camera_from_world.rotation for one in described]),
        translations=np.stack([one.camera_from_world.translation for one in described]),
        intrinsics=np.stack([one.intrinsics for one in described]),
        pictures=np.stack([one.picture for one in described]),
        depths=np.stack([one.depth for one in described]),
        glances=np.stack([one.glance for one in described]),
        cells=cells,
        points=np.concatenate([one.points for one in described])[order],
        view=view,
        by_view=np.argsort(view, kind="stable").astype(np.int32),
        first_of_view=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )
