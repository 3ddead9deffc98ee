from __future__ import annotations

import cv2
import numpy as np
import pytest

from reloc.errors import CalibrationError
from reloc.geometry.lens import LensCamera, LensModel
from reloc.ros import cdr
from reloc.ros.camera_info import camera_info_fields, lens_from_camera_info
from reloc.ros.topics import CAMERA_INFO, camera_info_topic, image_type, is_picture, is_rectified
from tests.tolerances import ALGEBRA
from tests.unit.ros.made import INFO, STORE, camera_info

K = (640, 480, 500.0, 510.0, 321.0, 238.5)
LENSES = [
    LensCamera(LensModel.PINHOLE, *K),
    LensCamera(LensModel.SIMPLE_RADIAL, 640, 480, 500.0, 500.0, 321.0, 238.5, (-0.1,)),
    LensCamera(LensModel.RADIAL, 640, 480, 500.0, 500.0, 321.0, 238.5, (-0.1, 0.02)),
    LensCamera(LensModel.OPENCV, *K, (-0.1, 0.02, 0.001, -0.002)),
    LensCamera(LensModel.FULL_OPENCV, *K, (0.1, 0.02, 0.001, -0.002, 0.01, 0.2, 0.03, 0.004)),
    LensCamera(LensModel.OPENCV_FISHEYE, *K, (0.01, -0.02, 0.003, 0.004)),
]
POINTS = np.random.default_rng(0).uniform([-1, -1, 2], [1, 1, 4], (50, 3))


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: str(lens.model))
def test_a_lens_survives_the_way_through_a_message(lens: LensCamera) -> None:
    data = cdr.serialize(
        CAMERA_INFO, {"header": {"stamp": {"sec": 1, "nanosec": 2}, "frame_id": "c"}, **camera_info_fields(lens)}
    )
    found = lens_from_camera_info(STORE.deserialize_cdr(data, INFO))
    assert found is not None
    assert found.pinhole == lens.pinhole
    np.testing.assert_allclose(found.project(POINTS), lens.project(POINTS), rtol=ALGEBRA)


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: str(lens.model))
def test_what_is_sent_means_to_opencv_what_the_lens_does(lens: LensCamera) -> None:
    fields = camera_info_fields(lens)
    k, d, zero = np.array(fields["k"]).reshape(3, 3), np.array(fields["d"]), np.zeros(3)
    project = {"equidistant": cv2.fisheye.projectPoints}.get(fields["distortion_model"], cv2.projectPoints)
    pixels, _ = project(POINTS[:, None], zero, zero, k, d)
    np.testing.assert_allclose(pixels.reshape(-1, 2), lens.project(POINTS), rtol=ALGEBRA)
    assert {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}[fields["distortion_model"]] == len(d)


def test_a_camera_that_is_not_calibrated_says_so_by_a_zero() -> None:
    assert lens_from_camera_info(camera_info(LENSES[3], k=[0.0] * 9, d=[], distortion_model="")) is None


def test_rectified_images_have_the_ideal_camera_of_p() -> None:
    message = camera_info(LENSES[3], p=[400, 0, 300, -40.0, 0, 410, 200, 0, 0, 0, 1, 0])
    found = lens_from_camera_info(message, rectified=True)
    assert found == LensCamera(LensModel.PINHOLE, 640, 480, 400.0, 410.0, 300.0, 200.0)


@pytest.mark.parametrize("empty", ["", "plumb_bob"])
def test_no_coefficients_mean_no_distortion(empty: str) -> None:
    found = lens_from_camera_info(camera_info(LENSES[0], d=[], distortion_model=empty))
    assert found == LENSES[0]


_ROI = {"x_offset": 10, "y_offset": 0, "height": 200, "width": 300, "do_rectify": False}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"distortion_model": "thin_prism_fisheye"}, "thin_prism_fisheye.*plumb_bob"),
        ({"binning_x": 2}, "whole images"),
        ({"binning_y": 2}, "whole images"),
        ({"roi": _ROI}, "whole images"),
        ({"d": [0.1, 0.2, 0.3]}, "coefficients"),
        ({"width": 0}, "image size"),
        ({"k": [np.nan] * 9}, "camera matrix|focal"),
    ],
)
def test_what_is_not_known_here_is_an_error(changes: dict[str, object], match: str) -> None:
    with pytest.raises(CalibrationError, match=match):
        lens_from_camera_info(camera_info(LENSES[3], **changes))


@pytest.mark.parametrize(
    ("topic", "beside", "kind", "rectified"),
    [
        ("/camera/image_raw", "/camera/camera_info", "sensor_msgs/msg/Image", False),
        ("/camera/color/image_raw/compressed", "/camera/color/camera_info", "sensor_msgs/msg/CompressedImage", False),
        ("/camera/image_rect_color", "/camera/camera_info", "sensor_msgs/msg/Image", True),
        ("/left/image_rect/compressed", "/left/camera_info", "sensor_msgs/msg/CompressedImage", True),
        ("/image", "/camera_info", "sensor_msgs/msg/Image", False),
    ],
)
def test_topics_are_read_as_image_transport_names_them(topic: str, beside: str, kind: str, rectified: bool) -> None:
    assert (camera_info_topic(topic), image_type(topic), is_rectified(topic)) == (beside, kind, rectified)
    assert is_picture(topic, kind)


def test_packed_depth_is_no_picture() -> None:
    assert not is_picture("/depth/image/compressedDepth", "sensor_msgs/msg/CompressedImage")
    assert not is_picture("/pose", "geometry_msgs/msg/PoseStamped")
