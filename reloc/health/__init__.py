"""How a live run is doing, for other programs: JSON at /health and Prometheus text at /metrics, on this machine only."""

from reloc.health.sink import HealthSink
from reloc.health.state import HealthState

__all__ = ["HealthSink", "HealthState"]
