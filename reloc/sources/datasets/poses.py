"""The ground truth of a dataset."""

from __future__ import annotations

from pathlib import Path

from reloc.errors import TrajectoryError
from reloc.geometry.trajectory import Trajectory
from reloc.sources.datasets.formats import named_dataset, recognised_dataset


def load_dataset_poses(spec: str | Path) -> Trajectory | None:
    """Return world_from_camera of the frames of the dataset that `spec` names, or None where it names none.

    Raises `RelocError` for a dataset that is broken or has no ground truth.
    """
    named = named_dataset(str(spec))
    if named is None:
        folder = Path(spec)
        kind = recognised_dataset(folder) if folder.is_dir() else None
        named = None if kind is None else (kind, folder)
    if named is None:
        return None
    kind, folder = named
    dataset = kind.read(folder)
    if dataset.poses is None:
        raise TrajectoryError(f"this {kind.title} dataset brings no ground truth", folder)
    return dataset.poses()
