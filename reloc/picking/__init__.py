"""A first pose by hand: a page on this machine where a person clicks on what image and map have in common."""

from reloc.picking.server import PickingServer
from reloc.picking.session import PickingSession

__all__ = ["PickingServer", "PickingSession"]
