"""The Rerun viewer as a sink. The only package that imports rerun, and only once a viewer is wanted."""

from reloc.sinks.rerun_viewer.sink import Mode, RerunSink

__all__ = ["Mode", "RerunSink"]
