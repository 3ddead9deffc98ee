"""The root of the configuration. Each section is defined beside the room that it is for, and is all that the room gets to see."""

from __future__ import annotations

from dataclasses import dataclass, field

from reloc.align.config import AdamConfig, AlignConfig, KeyframeConfig, SilhouetteConfig
from reloc.align.features.config import FeaturesConfig
from reloc.assess import AssessConfig
from reloc.live.config import LiveConfig
from reloc.motion import MotionConfig
from reloc.places.config import PlacesConfig
from reloc.render.config import PyTorch3dConfig, RenderConfig
from reloc.sinks.config import McapConfig, OutputConfig, RecordConfig, RosConfig, ViewerConfig
from reloc.smooth.config import SmoothConfig
from reloc.sources.config import InputConfig
from reloc.undistort import UndistortConfig
from reloc.weakness import WeaknessConfig


@dataclass(frozen=True)
class RelocConfig:
    """All that can be chosen; what is not given keeps its default."""

    undistort: UndistortConfig = field(default_factory=UndistortConfig)
    render: RenderConfig = field(default_factory=RenderConfig)
    pytorch3d: PyTorch3dConfig = field(default_factory=PyTorch3dConfig)
    keyframe: KeyframeConfig = field(default_factory=KeyframeConfig)
    align: AlignConfig = field(default_factory=AlignConfig)
    silhouette: SilhouetteConfig = field(default_factory=SilhouetteConfig)
    adam: AdamConfig = field(default_factory=AdamConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    assess: AssessConfig = field(default_factory=AssessConfig)
    weakness: WeaknessConfig = field(default_factory=WeaknessConfig)
    places: PlacesConfig = field(default_factory=PlacesConfig)
    input: InputConfig = field(default_factory=InputConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    viewer: ViewerConfig = field(default_factory=ViewerConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    mcap: McapConfig = field(default_factory=McapConfig)
    ros: RosConfig = field(default_factory=RosConfig)
    live: LiveConfig = field(default_factory=LiveConfig)
    smooth: SmoothConfig = field(default_factory=SmoothConfig)
