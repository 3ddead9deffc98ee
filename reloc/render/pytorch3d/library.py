"""Whether PyTorch3D is there, and what to do where it is not."""

from __future__ import annotations

from importlib.util import find_spec

from reloc.errors import ConfigError

INSTALL = "https://github.com/facebookresearch/pytorch3d/blob/main/INSTALL.md"


def require_pytorch3d() -> None:
    """Raise `ConfigError` where PyTorch3D cannot be imported. It has no wheel on PyPI, so it is no dependency of ours."""
    if find_spec("pytorch3d") is None:
        raise ConfigError(
            "render.backend: pytorch3d needs PyTorch3D, which is not installed; install it as its own page says, built for the "
            f"torch that is here ({INSTALL}), or take render.backend: software, with which every solver runs too"
        )
    try:
        import pytorch3d._C  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"PyTorch3D is installed, but not built for the torch that is here ({error}); see {INSTALL}") from error
