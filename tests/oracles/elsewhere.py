"""A device that is not the processor, simulated: tensors that are there compute, but will not be mixed with others.

It goes by the name `meta`, a device that every build of torch knows, and keeps the numbers in a tensor of the processor. What
forgets to move a tensor fails here as it would on a graphics card, of which continuous integration has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = "meta"
_COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class _There(torch.Tensor):
    """A tensor on the simulated device."""

    kept: torch.Tensor

    @staticmethod
    def __new__(cls: type[_There], kept: torch.Tensor) -> _There:
        made = torch.Tensor._make_wrapper_subclass(
            cls, kept.size(), strides=kept.stride(), storage_offset=kept.storage_offset(), dtype=kept.dtype, device=DEVICE
        )
        made.kept = kept
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        return _computed(function, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    """While it is entered, `meta` is the simulated device."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        return _computed(function, args, kwargs or {})


def _computed(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    there = [isinstance(one, _There) for one in given]
    # As on a graphics card, a number without dimensions may come along.
    if any(there) and function not in _COPIES:
        strays = [tuple(one.shape) for one, is_there in zip(given, there, strict=True) if not is_there and one.dim() > 0]
        assert not strays, f"{function}: tensors {strays} of the processor are mixed with those of the device"
    device = kwargs.get("device")
    goes_there = any(there) if device is None else torch.device(device).type == DEVICE
    if device is not None:
        kwargs = {**kwargs, "device": "cpu"}
    inner = tree_map(lambda one: one.kept if isinstance(one, _There) else one, (args, kwargs))
    found = function(*inner[0], **inner[1])
    own = {id(one.kept): one for one in given if isinstance(one, _There)}  # what works in place returns what it was given

    def placed(one: Any) -> Any:
        if not goes_there or not isinstance(one, torch.Tensor):
            return one
        return own[id(one)] if id(one) in own else _There(one)

    return tree_map(placed, found)
