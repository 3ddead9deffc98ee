"""All that reads foreign files: how to make good ones of each kind, and how to read them to the end."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import trimesh
from mcap.writer import CompressionType, Writer
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode

from reloc.batch.load import load_plan
from reloc.commands.run_folder import read_summary
from reloc.config import dump_config, load_config
from reloc.errors import RelocError
from reloc.evaluate.groundtruth import load_groundtruth, load_times
from reloc.evaluate.run import load_run
from reloc.first_pose import first_pose, some_pose
from reloc.frame import RawFrame
from reloc.geometry.calibration import load_calibration, save_calibration
from reloc.geometry.calibration.rig import load_rig, save_rig
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.pose_text import parse_pose
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory, load_tum, save_tum
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.places.colmap import find_model, find_photographs
from reloc.places.index import build_index
from reloc.places.index_file import load_index, save_index
from reloc.places.views import rendered_view
from reloc.render.software import SoftwareRenderer
from reloc.sinks.recorder import Recorder, RecordFormat
from reloc.sources.open import open_source
from reloc.sources.source import FrameSource, SourceInfo
from reloc.synthetic.scene import make_room
from tests.fuzz.subject import Subject, sound
from tests.unit.evaluate.runs import write_run
from tests.unit.mesh.small import SQUARE, quadrants, write_image
from tests.unit.ros.made import STORE, camera_info, compressed, rgb_message, write_bag
from tests.unit.sinks.estimates import estimate
from tests.unit.sources.datasets import made as datasets
from tests.unit.sources.made import picture, write_video

LENS = LensCamera(LensModel.OPENCV, 64, 48, 50.0, 51.0, 31.0, 23.5, (-0.1, 0.02, 0.001, -0.002))
FISHEYE = LensCamera(LensModel.OPENCV_FISHEYE, 64, 48, 50.0, 51.0, 31.0, 23.5, (-0.1, 0.02, 0.001, -0.002))
START_NS = 1_762_000_000_123_456_789
TIMES_NS = [START_NS + i * 33_333_333 for i in range(5)]
FACES = "usemtl a\nf 1/1 2/2 3/3\nf 1/1/1 3/3/1 4/4/1\n"
MOST_FRAMES = 60


# --- what comes out ---


def read_mesh(name: str, folder: Path) -> None:
    _check_mesh(load_mesh(folder / name, cache=False, require_color=False))


def read_mesh_through_the_cache(folder: Path) -> None:
    """The cache lies in the folder too; the mesh itself is whole, so that a damaged cache must not be noticed."""
    import os

    before = os.environ.get("RELOC_CACHE")
    os.environ["RELOC_CACHE"] = str(folder / "cache")
    try:
        for entry in (folder / "cache" / "maps").iterdir():
            # The name of an entry holds the path of the mesh, which is another one now.
            entry.rename(entry.with_name(_entry_name(folder / "mesh.obj")))
        mesh = load_mesh(folder / "mesh.obj")
    finally:
        os.environ.pop("RELOC_CACHE")
        os.environ |= {} if before is None else {"RELOC_CACHE": before}
    _check_mesh(mesh)


def _check_mesh(mesh: TexturedMesh) -> None:
    sound(np.isfinite(mesh.vertices).all() and np.isfinite(mesh.uv).all(), "numbers that are not finite")
    sound(len(mesh.faces) and mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices), "faces without vertices")
    if mesh.vertex_colors is None:
        sound(mesh.material.min() >= 0 and mesh.material.max() < len(mesh.textures), "faces without a texture")


def read_lens(name: str, folder: Path) -> None:
    lens = load_calibration(folder / name)
    sound(np.isfinite([lens.fx, lens.fy, lens.cx, lens.cy, *lens.distortion]).all() and lens.width > 0, "a lens that is none")


def read_trajectory(name: str, folder: Path) -> None:
    _check_trajectory(load_tum(folder / name))
    _check_trajectory(load_groundtruth(folder / name))
    times = load_times(folder / name)
    sound((np.diff(times) > 0).all(), "times that do not increase")
    first_pose(str(folder / name), START_NS)
    some_pose(str(folder / name))


def _check_trajectory(found: Trajectory) -> None:
    sound(np.isfinite(found.translations).all() and np.isfinite(found.quaternions).all(), "poses that are none")
    sound((np.diff(found.timestamps_ns) > 0).all(), "times that do not increase")


def read_pose(folder: Path) -> None:
    text = (folder / "pose").read_bytes().decode("utf-8", "surrogateescape")
    for parse in (parse_pose, partial(first_pose, timestamp_ns=0), some_pose):
        sound(parse(text).is_finite, "a pose that is none")


def read_source_name(folder: Path) -> None:
    """Names of sources that mostly name nothing; where they do, it is read."""
    text = (folder / "name").read_bytes().decode("utf-8", "surrogateescape")
    for one in text.splitlines():
        with suppress(RelocError), open_source(one) as source:
            _check_frames(source)


def read_rig(name: str, folder: Path) -> None:
    for camera in load_rig(folder / name).cameras:
        sound(camera.camera_from_rig.is_finite and camera.lens.width > 0, "a camera without a place")


def read_config(folder: Path) -> None:
    found = load_config(folder / "config.yaml")
    sound(load_config(None, []) is not None and dump_config(found), "a configuration that cannot be written")


def read_setting(folder: Path) -> None:
    text = (folder / "setting").read_bytes().decode("utf-8", "surrogateescape")
    load_config(None, text.splitlines())


def read_frames(spec: str, folder: Path, *, mask: str | None = None) -> None:
    named = spec if folder == Path() else str(folder / spec)
    with open_source(named, mask=None if mask is None else folder / mask) as source:
        _check_frames(source)


def _check_frames(source: FrameSource) -> None:
    latest_ns = None
    for frame in islice(source, MOST_FRAMES):
        sound(latest_ns is None or frame.timestamp_ns > latest_ns, "times that do not increase")
        latest_ns = frame.timestamp_ns
        is_image = frame.image.dtype in (np.uint8, np.uint16) and (frame.image.ndim == 2 or frame.image.shape[2] == 3)
        sound(is_image and frame.image.size > 0, f"images of {frame.image.shape} and {frame.image.dtype}")
    if source.info.camera is not None:
        sound(source.info.camera.width > 0, "a lens that is none")


def read_dataset(kind: str, inside: str, folder: Path) -> None:
    """Frames, lens and ground truth, which come from different files: each is read whatever becomes of the others."""
    spec = f"{kind}:{folder / inside}"
    errors: list[RelocError] = []
    for read in (lambda: read_frames(spec, Path()), lambda: _check_trajectory(load_groundtruth(spec))):
        try:
            read()
        except RelocError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def read_run(folder: Path) -> None:
    run = load_run(folder / "run")
    _check_trajectory(run.trajectory)
    load_times(folder / "run")
    read_summary(folder / "run")


def read_index(folder: Path) -> None:
    index = load_index(folder / "places.npz", _room())
    sound(len(index) and index.view.max() < len(index), "an index that leads outside")


def read_colmap(folder: Path) -> None:
    model = find_model(folder)
    sound(model is not None, "the model is not found")
    assert model is not None
    for photograph in find_photographs(model, folder):
        sound(photograph.camera_from_world.is_finite and photograph.path.is_file(), "a photograph without a pose")


# --- good files ---


def make_obj(folder: Path, image: str = "t.png") -> None:
    write_image(folder / image, quadrants(16))
    (folder / "mesh.mtl").write_text(f"# made\nnewmtl a\nKd 1 1 1\nmap_Kd -s 1 1 1 -o 0 0 {image}\n")
    (folder / "mesh.obj").write_text(f"# made\nmtllib mesh.mtl\n{SQUARE}vn 0 0 1\n{FACES}f -4 -3 -2\n")


def make_obj_with_cache(folder: Path) -> None:
    make_obj(folder)
    import os

    before = os.environ.get("RELOC_CACHE")
    os.environ["RELOC_CACHE"] = str(folder / "cache")
    try:
        load_mesh(folder / "mesh.obj")
    finally:
        os.environ.pop("RELOC_CACHE")
        os.environ |= {} if before is None else {"RELOC_CACHE": before}


def _entry_name(path: Path) -> str:
    from reloc.mesh import cache

    found = cache._entry(path)
    assert found is not None
    return found.name


def make_pillow_texture(suffix: str, folder: Path) -> None:
    make_obj(folder, "t.png")
    Image.fromarray(quadrants(16)).save(folder / f"t{suffix}")
    (folder / "mesh.mtl").write_text(f"newmtl a\nmap_Kd t{suffix}\n")


def make_ply(folder: Path, kind: str = "ascii") -> None:
    write_image(folder / "t.png", quadrants(16))
    head = (
        f"ply\nformat {kind} 1.0\ncomment TextureFile t.png\nelement vertex 4\nproperty float x\nproperty float y\n"
        "property float z\nelement face 2\nproperty list uchar int vertex_indices\nproperty list uchar float texcoord\n"
        "property int texnumber\nend_header\n"
    )
    points, faces = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], [(0, 1, 2), (0, 2, 3)]
    if kind == "ascii":
        rows = [f"{x} {y} {z}" for x, y, z in points] + [f"3 {a} {b} {c} 6 0 0 1 0 1 1 0" for a, b, c in faces]
        (folder / "mesh.ply").write_text(head + "\n".join(rows) + "\n")
        return
    body = b"".join(struct.pack("<3f", *point) for point in points)
    body += b"".join(struct.pack("<B3iB6fi", 3, *face, 6, 0, 0, 1, 0, 1, 1, 0) for face in faces)
    (folder / "mesh.ply").write_bytes(head.encode() + body)


def make_gltf(name: str, folder: Path) -> None:
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(quadrants(16)))
    uv = [[0, 0], [1, 0], [1, 1], [0, 1]]
    mesh = trimesh.Trimesh(
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]],
        [[0, 1, 2], [0, 2, 3]],
        visual=trimesh.visual.TextureVisuals(uv=uv, material=material),
        process=False,
    )
    mesh.export(folder / name)


def make_colored_ply(folder: Path) -> None:
    mesh = trimesh.creation.icosphere(subdivisions=1)
    mesh.visual.vertex_colors = np.full((len(mesh.vertices), 4), 200, np.uint8)
    mesh.export(folder / "mesh.ply", encoding="binary_little_endian")


CALIBRATIONS = {
    "cameras.txt": "# Camera list with one line of data per camera:\n1 OPENCV 64 48 50 51 31 23.5 0.1 0.2 0.001 0.002\n",
    "ros.yaml": (
        "image_width: 64\nimage_height: 48\ncamera_name: head\ncamera_matrix:\n  rows: 3\n  cols: 3\n"
        "  data: [50.0, 0.0, 31.0, 0.0, 51.0, 23.5, 0.0, 0.0, 1.0]\ndistortion_model: plumb_bob\ndistortion_coefficients:\n"
        "  rows: 1\n  cols: 5\n  data: [-0.36, 0.11, 0.001, 0.0005, 0.0]\n"
    ),
    "kalibr.yaml": (
        "cam0:\n  camera_model: pinhole\n  distortion_coeffs: [-0.28, 0.07, 0.0002, 1.7e-05]\n  distortion_model: radtan\n"
        "  intrinsics: [50.0, 51.0, 31.0, 23.5]\n  resolution: [64, 48]\n  rostopic: /cam0/image_raw\n"
    ),
}


def make_calibration(name: str, folder: Path) -> None:
    (folder / name).write_text(CALIBRATIONS[name])


def make_binary_calibration(folder: Path) -> None:
    camera = struct.pack("<IiQQ8d", 1, 4, 64, 48, 50, 51, 31, 23.5, 0.1, 0.2, 0.001, 0.002)
    (folder / "cameras.bin").write_bytes(struct.pack("<Q", 1) + camera)


def make_opencv_calibration(folder: Path) -> None:
    storage = cv2.FileStorage(str(folder / "opencv.yml"), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 64)
    storage.write("image_height", 48)
    storage.write("camera_matrix", LENS.pinhole.matrix)
    storage.write("distortion_coefficients", np.array(LENS.distortion).reshape(-1, 1))
    storage.release()


def make_trajectory(folder: Path) -> None:
    save_tum(folder / "poses.txt", _poses())


def _poses() -> Trajectory:
    return Trajectory.from_poses(TIMES_NS, [SE3.exp([0.01 * i, 0.2, 0.3, 0.1 * i, 0, 0]) for i in range(len(TIMES_NS))])


def make_pose(folder: Path) -> None:
    (folder / "pose").write_text("0.1, -0.25 1.2e0 0.0 0.6 0.0 0.8")


def make_source_name(folder: Path) -> None:
    (folder / "name").write_text("frames/*.png\nwebcam:0\ntum:rgbd_dataset\nbag/bag.mcap#/cam/image_raw\n~/recordings/desk\n")


def make_rig(folder: Path) -> None:
    save_calibration(LENS, folder / "camera.yaml")
    save_rig(folder / "rig.yaml", dict.fromkeys("ab", "camera.yaml"), {"a": SE3.identity(), "b": SE3.exp([0.1, 0, 0, 0, 0.2, 0])})


def make_colmap_rig(folder: Path) -> None:
    make_calibration("cameras.txt", folder)
    with (folder / "cameras.txt").open("a") as file:
        file.write("2 OPENCV 64 48 50 51 31 23.5 0.1 0.2 0.001 0.002\n")
    (folder / "rigs.txt").write_text("# Rig calib list\n1 2 CAMERA 1 CAMERA 2 1 0.8 0 0.6 0 1 2 3\n")


def make_plan(folder: Path) -> None:
    (folder / "plan.yaml").write_text(
        "sequences:\n  - source: desk\n    init: 0 0 1.2 0 0 0 1\n    every: 2\n  - {source: walks/a, name: b, fps: 15}\n"
        "configurations:\n  - name: coarse\n    set: [align.iterations=6]\nchunks: {frames: 600, overlap: 20}\n"
    )


def make_config(folder: Path) -> None:
    (folder / "config.yaml").write_text(dump_config(load_config()))


def make_setting(folder: Path) -> None:
    (folder / "setting").write_text("align.iterations=12\nviewer.mode=save\nlive.silence_s=2.5\nros.map_frame=map\n")


def make_recording(folder: Path, form: RecordFormat = RecordFormat.JPG) -> None:
    """What the recorder writes, with a ground truth."""
    recorder = Recorder(folder / "r", form=form, reserve_bytes=0)
    recorder.open(SourceInfo("made", live=False, length=None, camera=LENS), LENS)
    for index, frame in enumerate(_raw()):
        recorder.put(frame, f"{index}.0 0 0 0 0 0 0 1")
    recorder.close()
    save_tum(folder / "r" / "groundtruth.txt", _poses())


def _raw() -> list[RawFrame]:
    return [RawFrame(i, time_ns, picture(i)) for i, time_ns in enumerate(TIMES_NS)]


def make_images(folder: Path) -> None:
    """Pictures of all kinds, and a mask for each."""
    for name in ("images", "masks"):
        (folder / name).mkdir()
    grey16 = (picture(0)[:, :, 0].astype(np.uint16) << 8) + 7
    suffixes = {".png": picture(1), ".jpg": picture(2), ".tif": picture(3), ".bmp": picture(4), ".webp": picture(5)}
    for index, (suffix, image) in enumerate({**suffixes, ".ppm": picture(6), ".jp2": picture(7), ".pgm": grey16}.items()):
        cv2.imwrite(str(folder / "images" / f"{index}{suffix}"), image)
        cv2.imwrite(str(folder / "masks" / f"{index}.png"), (picture(index + 9)[:, :, 0] > 200).astype(np.uint8))
    cv2.imwrite(str(folder / "images" / "8.png"), grey16)


def make_video(name: str, folder: Path) -> None:
    write_video(folder / name, [picture(i) for i in range(12)], [3000 * i for i in range(12)])


def make_plain_mcap(folder: Path) -> None:
    """Nothing packed and no checksums, so that what is wrong reaches the readers of messages."""
    with (folder / "bag.mcap").open("wb") as stream:
        _write_mcap(Writer(stream, compression=CompressionType.NONE, use_chunking=False, enable_crcs=False))


def make_packed_mcap(compression: CompressionType, folder: Path) -> None:
    with (folder / "bag.mcap").open("wb") as stream:
        _write_mcap(Writer(stream, compression=compression, enable_crcs=False))


def _write_mcap(writer: Writer) -> None:
    writer.start(profile="ros2")
    channels: dict[str, int] = {}
    for topic, time_ns, message in _messages():
        kind = message.__msgtype__
        if topic not in channels:
            channels[topic] = writer.register_channel(topic, "cdr", writer.register_schema(kind, "ros2msg", b"made"))
        data = bytes(STORE.serialize_cdr(message, kind))
        writer.add_message(channels[topic], log_time=time_ns, data=data, publish_time=time_ns)
    writer.finish()


def _messages() -> Iterable[tuple[str, int, object]]:
    yield "/cam/camera_info", START_NS, camera_info(LENS)
    for i, time_ns in enumerate(TIMES_NS[:3]):
        small = np.ascontiguousarray(picture(i)[:12, :16])
        yield "/cam/image_raw", time_ns, rgb_message(small, time_ns)


def make_compressed_images_bag(folder: Path) -> None:
    messages = [("/cam/camera_info", START_NS, camera_info(FISHEYE))]
    for i, time_ns in enumerate(TIMES_NS):
        data = cv2.imencode(".jpg", picture(i))[1].tobytes()
        messages.append(("/cam/image_raw/compressed", time_ns, compressed(data, time_ns)))
    write_bag(folder / "bag", messages)


def make_database_bag(folder: Path) -> None:
    write_bag(folder / "bag", _messages(), mcap=False)


def make_packed_bag(folder: Path) -> None:
    write_bag(folder / "bag", _messages(), mcap=False, mode=CompressionMode.MESSAGE, fmt=CompressionFormat.ZSTD)


def make_run(folder: Path) -> None:
    write_run(folder / "run", [estimate(i) for i in range(4)])


@cache
def _room() -> TexturedMesh:
    return make_room(0)


def make_index(folder: Path) -> None:
    room = _room()
    renderer = SoftwareRenderer(room)
    poses = [SE3.exp([0.1 * i, 0, 0, 0, 0.5 * i, 0]) for i in range(3)]
    save_index(folder / "places.npz", build_index([partial(rendered_view, renderer, pose) for pose in poses]), room)


def make_colmap(binary: bool, folder: Path) -> None:
    (folder / "images").mkdir()
    (folder / "sparse").mkdir()
    names = [f"a/{i}.jpg" for i in range(3)]
    (folder / "images" / "a").mkdir()
    for name in names:
        cv2.imwrite(str(folder / "images" / name), picture(0, 8, 8))
    if not binary:
        (folder / "sparse" / "cameras.txt").write_text(CALIBRATIONS["cameras.txt"])
        lines = [f"{i + 1} 0.8 0 0.6 0 {i} 0.5 1.5 1 {name}\n10.5 20.5 -1 11 12 7" for i, name in enumerate(names)]
        (folder / "sparse" / "images.txt").write_text("# Image list\n" + "\n".join(lines) + "\n")
        return
    make_binary_calibration(folder / "sparse")
    body = b"".join(
        struct.pack("<I7dI", i + 1, 0.8, 0, 0.6, 0, i, 0.5, 1.5, 1)
        + name.encode()
        + b"\0"
        + struct.pack("<Q2dq", 1, 10.5, 20.5, -1)
        for i, name in enumerate(names)
    )
    (folder / "sparse" / "images.bin").write_bytes(struct.pack("<Q", len(names)) + body)


def make_realsense(folder: Path) -> None:
    from tests.unit.sources.realsense.soft import SoftCamera, color_picture

    camera = SoftCamera()
    camera.recorded(folder / "r.db3", lambda: [camera.show(color_picture(i), i, 1000.0 + 33 * i) for i in range(4)])


def make_old_realsense(folder: Path) -> None:
    shutil.copy(Path(__file__).parents[1] / "unit" / "sources" / "realsense" / "librealsense_2_55.bag", folder / "r.bag")


def make_nerfstudio(folder: Path) -> None:
    frames = [
        {"file_path": f"images/{i}.jpg", "transform_matrix": datasets.opengl(pose).tolist()}
        for i, pose in enumerate(datasets.poses())
    ]
    for frame in frames:
        datasets.draw(folder / frame["file_path"])
    lens = {
        "w": 64,
        "h": 48,
        "fl_x": 60.0,
        "fl_y": 61.5,
        "cx": 30.75,
        "cy": 25.25,
        "k1": -0.1,
        "k2": 0.02,
        "p1": 0.0,
        "p2": 0.001,
    }
    (folder / "transforms.json").write_text(json.dumps({"camera_model": "OPENCV", **lens, "frames": frames}, indent=1))


def _dataset(kind: str, make: Callable[[Path], object], inside: str, *spoil: str) -> Subject:
    return Subject(
        f"dataset {kind}", lambda folder: make(folder / inside.partition("/")[0]), partial(read_dataset, kind, inside), spoil, 2
    )


def _mesh(name: str, make: Callable[[Path], object], file: str, *spoil: str, weight: int = 1) -> Subject:
    return Subject(name, make, partial(read_mesh, file), spoil, weight)


def _realsense() -> tuple[Subject, ...]:
    """Return what librealsense reads, where it can be loaded: its wheel does not bring libusb."""
    try:
        import pyrealsense2  # noqa: F401 - only to see
    except ImportError:
        return ()
    return (
        Subject("realsense db3", make_realsense, partial(read_frames, "r.db3")),
        Subject("realsense bag", make_old_realsense, partial(read_frames, "r.bag")),
    )


SUBJECTS = (
    _mesh("mesh obj", make_obj, "mesh.obj", "mesh.obj", weight=6),
    _mesh("mesh mtl", make_obj, "mesh.obj", "mesh.mtl", weight=3),
    _mesh("texture png", make_obj, "mesh.obj", "t.png", weight=2),
    _mesh("texture jpg", partial(make_obj, image="t.jpg"), "mesh.obj", "t.jpg", weight=2),
    _mesh("texture webp", partial(make_pillow_texture, ".webp"), "mesh.obj", "t.webp"),
    _mesh("texture tiff", partial(make_pillow_texture, ".tif"), "mesh.obj", "t.tif"),
    _mesh("texture bmp", partial(make_pillow_texture, ".bmp"), "mesh.obj", "t.bmp"),
    _mesh("mesh ply ascii", make_ply, "mesh.ply", "mesh.ply", weight=4),
    _mesh("mesh ply binary", partial(make_ply, kind="binary_little_endian"), "mesh.ply", "mesh.ply", weight=4),
    _mesh("mesh ply colours", make_colored_ply, "mesh.ply", "mesh.ply"),
    _mesh("mesh glb", partial(make_gltf, "mesh.glb"), "mesh.glb", "mesh.glb", weight=6),
    _mesh("mesh gltf", partial(make_gltf, "mesh.gltf"), "mesh.gltf", "*.gltf", "*.bin", weight=3),
    Subject("mesh cache", make_obj_with_cache, read_mesh_through_the_cache, ("cache/maps/*/*.json", "cache/maps/*/*/*.npy"), 3),
    Subject(
        "calibration native", lambda folder: save_calibration(LENS, folder / "c.yaml"), partial(read_lens, "c.yaml"), weight=3
    ),
    *(
        Subject(f"calibration {name}", partial(make_calibration, name), partial(read_lens, name), weight=3)
        for name in CALIBRATIONS
    ),
    Subject("calibration cameras.bin", make_binary_calibration, partial(read_lens, "cameras.bin"), weight=3),
    Subject("calibration opencv", make_opencv_calibration, partial(read_lens, "opencv.yml"), weight=3),
    Subject("rig own", make_rig, partial(read_rig, "rig.yaml"), weight=2),
    Subject("rig kalibr", partial(make_calibration, "kalibr.yaml"), partial(read_rig, "kalibr.yaml")),
    Subject("rig colmap", make_colmap_rig, partial(read_rig, "rigs.txt"), ("rigs.txt",)),
    Subject("plan of a batch", make_plan, lambda folder: load_plan(folder / "plan.yaml"), weight=2),
    Subject("trajectory", make_trajectory, partial(read_trajectory, "poses.txt"), weight=5),
    Subject("pose text", make_pose, read_pose, weight=3),
    Subject("source name", make_source_name, read_source_name, weight=2),
    Subject("configuration", make_config, read_config, weight=4),
    Subject("settings", make_setting, read_setting, weight=2),
    Subject("recording", make_recording, partial(read_frames, "r"), ("r/*.txt", "r/camera.yaml"), 6),
    Subject("recording images", make_recording, partial(read_frames, "r"), ("r/images/*",), 2),
    Subject(
        "recording ffv1", partial(make_recording, form=RecordFormat.FFV1), partial(read_frames, "r"), ("r/video/*", "r/t*"), 2
    ),
    Subject("recording h264", partial(make_recording, form=RecordFormat.H264), partial(read_frames, "r"), ("r/video/*",), 2),
    Subject("images", make_images, partial(read_frames, "images"), ("images/*",), 5),
    Subject("masks", make_images, partial(read_frames, "images", mask="masks"), ("masks/*",), 2),
    Subject("video mp4", partial(make_video, "v.mp4"), partial(read_frames, "v.mp4"), weight=2),
    Subject("video mkv", partial(make_video, "v.mkv"), partial(read_frames, "v.mkv"), weight=1),
    Subject("bag mcap", make_plain_mcap, partial(read_frames, "bag.mcap"), weight=6),
    Subject("bag mcap lz4", partial(make_packed_mcap, CompressionType.LZ4), partial(read_frames, "bag.mcap"), weight=2),
    Subject("bag mcap zstd", partial(make_packed_mcap, CompressionType.ZSTD), partial(read_frames, "bag.mcap"), weight=2),
    Subject("bag of compressed images", make_compressed_images_bag, partial(read_frames, "bag"), ("bag/*.mcap",), 2),
    Subject("bag db3", make_database_bag, partial(read_frames, "bag"), ("bag/*.db3", "bag/metadata.yaml"), 5),
    Subject("bag db3 zstd", make_packed_bag, partial(read_frames, "bag"), ("bag/*.db3",), 1),
    Subject("run", make_run, read_run, ("run/*",), 4),
    Subject("places index", make_index, read_index, weight=3),
    Subject("colmap text", partial(make_colmap, False), read_colmap, ("sparse/*",), 3),
    Subject("colmap binary", partial(make_colmap, True), read_colmap, ("sparse/*",), 3),
    _dataset("tum", datasets.tum_rgbd, "d", "d/*.txt"),
    _dataset("7scenes", datasets.seven_scenes, "d", "d/*.txt"),
    _dataset("12scenes", datasets.twelve_scenes, "d", "d/*.txt", "d/data/*.txt"),
    _dataset("euroc", datasets.euroc, "d", "d/**/*.csv", "d/**/*.yaml"),
    _dataset("kitti", datasets.kitti, "d/sequences/00", "d/**/*.txt"),
    _dataset("colmap", datasets.colmap_text, "d", "d/sparse/0/*"),
    _dataset("nerfstudio", make_nerfstudio, "d", "d/*.json"),
    _dataset("arkitscenes", datasets.arkitscenes, "41069021", "*/*.traj", "*/*/*.pincam"),
    *_realsense(),
)
