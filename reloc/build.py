"""The composition root: from what a user asks for to rooms put together. Only here is the whole configuration seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reloc.align.trace import Trace
from reloc.aligners import make_aligner, renderer_of_views
from reloc.config import RelocConfig
from reloc.errors import ConfigError, MeshError
from reloc.files import path_of
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera
from reloc.geometry.rig import Rig
from reloc.geometry.se3 import SE3
from reloc.guesses import Places
from reloc.mesh.load import READERS
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.relocalizer import Relocalizer
from reloc.render.renderer import Renderer
from reloc.render.software import SoftwareRenderer
from reloc.ros.bus import open_bus
from reloc.sinks.config import ViewerConfig
from reloc.sinks.frames_jsonl import FramesSink
from reloc.sinks.ros_messages import RosNames
from reloc.sinks.sink import Sink
from reloc.sinks.summary import SummarySink
from reloc.sinks.trajectory_file import TrajectorySink
from reloc.sources.source import SourceInfo
from reloc.undistort import Undistorter, halved_width

if TYPE_CHECKING:
    from reloc.places.features import FeatureExtractor
    from reloc.places.finder import PlaceFinder, ViewMatcher
    from reloc.places.index import PlaceIndex
    from reloc.rig_relocalizer import RigRelocalizer
    from reloc.sinks.rerun_viewer import RerunSink

TRAJECTORY, FRAMES, SUMMARY, CONFIG, SESSION = "trajectory.txt", "frames.jsonl", "summary.json", "config.yaml", "session.rrd"
MCAP, RECORDING, SMOOTH = "session.mcap", "recording", "smooth"


def make_undistorter(config: RelocConfig, lens: LensCamera) -> Undistorter:
    """Return the undistorter of a lens, in colour only where the alignment looks at colour."""
    width = halved_width(lens.width, config.undistort.working_width)
    return Undistorter(lens, working_width=width, color=config.align.as_solved().exposure == "rgb")


def make_renderer(config: RelocConfig, mesh: TexturedMesh) -> Renderer:
    """Return the renderer of a map that the configuration names."""
    match config.render.backend:
        case "software":
            return SoftwareRenderer(mesh)
        case "pytorch3d":
            from reloc.render.pytorch3d.renderer import PyTorch3dRenderer
            from reloc.render.torch_surface import chosen_device

            return PyTorch3dRenderer(mesh, faces=config.pytorch3d.faces, device=chosen_device(config.pytorch3d.device))


def make_relocalizer(
    config: RelocConfig,
    mesh: TexturedMesh,
    lens: LensCamera,
    world_from_camera: SE3 | None,
    *,
    renderer: Renderer | None = None,
    undistorter: Undistorter | None = None,
    places: Places | None = None,
    trace: Trace | None = None,
) -> Relocalizer:
    """Return a relocalizer that expects its first frame near `world_from_camera`, or wherever `places` say.

    A `renderer` of the mesh and an `undistorter` of the lens, which take time to get going, may be shared.
    A `trace` hears of every step of the solver.
    """
    drawing = make_renderer(config, mesh) if renderer is None else renderer
    # Deep features of another size are others, not the same ones on other pixels.
    has_features = config.features.network != "none"
    return Relocalizer(
        make_undistorter(config, lens) if undistorter is None else undistorter,
        renderer_of_views(config, drawing),
        None if world_from_camera is None else world_from_camera.inverse(),
        places=places,
        align=config.align.as_solved(),
        aligner=make_aligner(config, mesh, drawing, trace),
        keyframe=replace(config.keyframe, search_zoom=1.0) if has_features else config.keyframe,
        motion=config.motion,
        assess=config.assess,
        weakness=config.weakness,
    )


def make_rig_relocalizer(config: RelocConfig, rig: Rig, world_from_first: SE3, renderer: Renderer) -> RigRelocalizer:
    """Return a relocalizer of several cameras, of which the first is expected near `world_from_first` in its first frame.

    Raises `ConfigError` for ways of aligning that know one camera only.
    """
    if config.align.solver != "lm" or config.features.network != "none":
        raise ConfigError("a rig is aligned by the solver lm and without deep features: leave align.solver and features.network")
    # Late: most cameras are alone.
    from reloc.rig_relocalizer import RigConfigs, RigRelocalizer

    return RigRelocalizer(
        rig,
        {camera.name: make_undistorter(config, camera.lens) for camera in rig.cameras},
        renderer,
        world_from_first.inverse(),
        RigConfigs(config.align, config.keyframe, config.motion, config.assess, config.weakness),
    )


def make_places(config: RelocConfig, index: PlaceIndex) -> PlaceFinder:
    """Return what finds a camera among the known views of a map. Raises `ConfigError` where they have other features."""
    # Late: a run that is told where it begins may need none of it.
    from reloc.places.finder import PlaceFinder

    if index.features != config.places.features:
        raise ConfigError(
            f"the index of known views holds features of {index.features}, and those of {config.places.features} are asked for: "
            f"set places.features={index.features}, or make the index again with `reloc map index`"
        )
    return PlaceFinder(index, config.places, make_extractor(config), make_matcher(config))


def make_matcher(config: RelocConfig) -> ViewMatcher | None:
    """Return what matches features the way that the configuration names, None for the usual one; raises `ConfigError`."""
    places = config.places
    if places.matches == "ratio":
        return None
    if places.features != "aliked":
        raise ConfigError(
            f"places.matches=lightglue knows features of aliked, not of {places.features}: set places.features=aliked"
        )
    from reloc.learned_matches import LearnedMatcher

    return LearnedMatcher(Path(places.match_weights).expanduser() if places.match_weights else None)


def make_extractor(config: RelocConfig) -> FeatureExtractor:
    """Return what finds the local features that the configuration names. Raises `ConfigError` where it cannot be had."""
    match config.places.features:
        case "sift":
            from reloc.places.features import detect

            return detect
        case "aliked":
            from reloc.learned import LearnedFeatures

            weights = config.places.weights
            return LearnedFeatures(Path(weights).expanduser() if weights else None)


def make_sinks(config: RelocConfig, out: Path, lens: LensCamera, mesh: TexturedMesh, renderer: Renderer) -> list[Sink]:
    """Return the sinks of a run into the folder `out`: its files, and the viewer if one is wanted."""
    viewer = make_viewer(config.viewer, out / SESSION, mesh, renderer)
    return make_files(config, out, lens) if viewer is None else [*make_files(config, out, lens), viewer]


def make_files(config: RelocConfig, out: Path, lens: LensCamera, inputs: Mapping[str, Any] | None = None) -> list[Sink]:
    """Return the sinks that write the files of a run, and those that hand it on; `inputs` says from which files it is made."""
    summary = SummarySink(out / SUMMARY, lens=lens, inputs=inputs)
    return [*make_text_files(config, out, summary), *make_consumers(config, out, lens)]


def make_text_files(config: RelocConfig, out: Path, summary: SummarySink) -> list[Sink]:
    """Return the sinks that write the small files of a run, none of which makes anybody wait."""
    # The summary first: it is what tells later that the files of the folder are ours.
    sinks: list[Sink] = [summary, TrajectorySink(out / TRAJECTORY)]
    return [*sinks, FramesSink(out / FRAMES)] if config.output.frames else sinks


def make_consumers(config: RelocConfig, out: Path, lens: LensCamera) -> list[Sink]:
    """Return the sinks that hand a run on: a recording, an MCAP file, the ROS 2 network. What is not wanted is not loaded."""
    sinks: list[Sink] = []
    names = RosNames(
        config.ros.map_frame, config.ros.camera_frame, config.ros.pose_topic, config.ros.tf_topic, config.ros.diagnostics_topic
    )
    reserve_bytes = config.record.reserve_mib << 20
    if config.record.enabled:
        from reloc.sinks.recorder import Recorder, RecorderSink, RecordFormat, free_folder

        form, queue_bytes = RecordFormat(config.record.format), config.record.queue_mib << 20
        recorder = Recorder(free_folder(out / RECORDING), form=form, queue_bytes=queue_bytes, reserve_bytes=reserve_bytes)
        sinks.append(RecorderSink(recorder, lens=lens))
    if config.mcap.enabled:
        from reloc.sinks.mcap import McapSink

        images, quality = config.mcap.images, config.mcap.jpeg_quality
        path = out / MCAP
        sinks.append(McapSink(path, names=names, images=images, jpeg_quality=quality, lens=lens, reserve_bytes=reserve_bytes))
    if config.ros.enabled:
        from reloc.sinks.ros2 import RosSink

        sinks.append(RosSink(names, partial(open_bus, config.ros.transport)))
    return sinks


def make_viewer(config: ViewerConfig, path: Path, mesh: TexturedMesh, renderer: Renderer) -> RerunSink | None:
    """Return the viewer, which saves to `path` where it saves, or None where none is wanted."""
    if config.mode == "none":
        return None
    # Late: a run without a viewer need not load any of it.
    from reloc.sinks.rerun_viewer import RerunSink

    return RerunSink(
        mesh,
        renderer,
        mode=config.mode,
        path=path,
        web_port=config.web_port,
        grpc_port=config.grpc_port,
        rate_hz=config.rate_hz,
        image_width=config.image_width,
        jpeg_quality=config.jpeg_quality,
        memory_limit=config.memory_limit,
        bind_ip=config.bind_ip,
    )


def find_mesh(path: Path) -> Path:
    """Return the mesh file that `path` names: itself, or the one in a folder, in which a `mesh.*` goes first.

    Raises `MeshError` where a folder holds none or leaves the choice open.
    """
    if not path.is_dir():
        return path
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in READERS and not file.name.startswith("."))
    preferred = [file for file in found if file.stem == "mesh"]
    chosen = preferred or found
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        raise MeshError(f"a folder holds several meshes, so name one: {', '.join(file.name for file in chosen[:5])}", path)
    if (path / "map").is_dir():
        return find_mesh(path / "map")
    raise MeshError(f"a folder holds no mesh; expected a file {', '.join(READERS)}", path)


def find_map(asked: Path | None, source: str) -> Path:
    """Return the mesh to track against: the one asked for, or the one that a recording brings along in its `map` folder."""
    if asked is not None:
        return find_mesh(asked)
    brought = path_of(source) / "map"
    if brought.is_dir():
        return find_mesh(brought)
    raise ConfigError("there is no map: name one with --map MESH; only a recording that holds a folder `map` can do without")


def find_lens(asked: Path | None, info: SourceInfo, option: str = "--camera") -> LensCamera:
    """Return the calibration to use: the one asked for (by `option`), or the one that the source brings along."""
    if asked is not None:
        return load_calibration(asked)
    if info.camera is not None:
        return info.camera
    raise ConfigError(
        f"there is no calibration: name one with {option} FILE; only a camera that brings its own, or a recording with a "
        "camera.yaml, can do without"
    )
