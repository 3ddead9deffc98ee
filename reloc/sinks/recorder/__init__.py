"""Recording a camera into a folder that `reloc.sources.folder` reads back, bit by bit where the format loses nothing."""

from reloc.sinks.recorder.format import RecordFormat
from reloc.sinks.recorder.recorder import Recorder, free_folder
from reloc.sinks.recorder.sink import RecorderSink

__all__ = ["RecordFormat", "Recorder", "RecorderSink", "free_folder"]
