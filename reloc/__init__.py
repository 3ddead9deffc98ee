"""reloc tells where a camera is: it tracks live or recorded images against a textured mesh of the place.

Everything here is loaded when it is first used, so that `import reloc` costs next to nothing.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reloc.build import make_relocalizer, make_renderer, make_sinks
    from reloc.config import RelocConfig, dump_config, load_config
    from reloc.errors import RelocError
    from reloc.estimate import Estimate, Outcome, Verdict
    from reloc.evaluate.summary import evaluate as evaluate_trajectory
    from reloc.first_pose import first_pose
    from reloc.frame import Frame, RawFrame
    from reloc.geometry.calibration import load_calibration
    from reloc.geometry.camera import PinholeCamera
    from reloc.geometry.lens import LensCamera
    from reloc.geometry.se3 import SE3
    from reloc.geometry.trajectory import Trajectory, load_tum, save_tum
    from reloc.mesh.load import load_mesh
    from reloc.mesh.textured_mesh import TexturedMesh
    from reloc.node import RunResult, run
    from reloc.relocalizer import Relocalizer
    from reloc.sources.open import open_source

_HOME = {
    "Estimate": "reloc.estimate",
    "Frame": "reloc.frame",
    "LensCamera": "reloc.geometry.lens",
    "Outcome": "reloc.estimate",
    "PinholeCamera": "reloc.geometry.camera",
    "RawFrame": "reloc.frame",
    "RelocConfig": "reloc.config",
    "RelocError": "reloc.errors",
    "Relocalizer": "reloc.relocalizer",
    "RunResult": "reloc.node",
    "SE3": "reloc.geometry.se3",
    "TexturedMesh": "reloc.mesh.textured_mesh",
    "Trajectory": "reloc.geometry.trajectory",
    "Verdict": "reloc.estimate",
    "dump_config": "reloc.config",
    "first_pose": "reloc.first_pose",
    "load_calibration": "reloc.geometry.calibration",
    "load_config": "reloc.config",
    "load_mesh": "reloc.mesh.load",
    "load_tum": "reloc.geometry.trajectory",
    "make_relocalizer": "reloc.build",
    "make_renderer": "reloc.build",
    "make_sinks": "reloc.build",
    "open_source": "reloc.sources.open",
    "run": "reloc.node",
    "save_tum": "reloc.geometry.trajectory",
}

__all__ = [
    "SE3",
    "Estimate",
    "Frame",
    "LensCamera",
    "Outcome",
    "PinholeCamera",
    "RawFrame",
    "RelocConfig",
    "RelocError",
    "Relocalizer",
    "RunResult",
    "TexturedMesh",
    "Trajectory",
    "Verdict",
    "__version__",
    "dump_config",
    "evaluate_trajectory",
    "first_pose",
    "load_calibration",
    "load_config",
    "load_mesh",
    "load_tum",
    "make_relocalizer",
    "make_renderer",
    "make_sinks",
    "open_source",
    "run",
    "save_tum",
]

# Silent unless the program that imports us says where to log to.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("reloc")
        except PackageNotFoundError:  # run from its folder, without being installed
            return "unknown"
    # Called `evaluate` at home, which here is the name of that package.
    home, there = ("reloc.evaluate.summary", "evaluate") if name == "evaluate_trajectory" else (_HOME.get(name), name)
    if home is None:
        raise AttributeError(f"module 'reloc' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), there)
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
