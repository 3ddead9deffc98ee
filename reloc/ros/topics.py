"""Names of topics, after the habits of image_transport."""

from __future__ import annotations

IMAGE, COMPRESSED_IMAGE, CAMERA_INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"

_TRANSPORT = "/compressed"
# Depth, packed into PNG with a header of its own: no picture.
_NO_PICTURE = "/compressedDepth"


def is_picture(topic: str, kind: str) -> bool:
    """Tell whether a topic of a message type carries pictures that can be decoded here."""
    return kind in (IMAGE, COMPRESSED_IMAGE) and not topic.endswith(_NO_PICTURE)


def image_type(topic: str) -> str:
    """Return the message type that a topic of this name usually has."""
    return COMPRESSED_IMAGE if topic.endswith(_TRANSPORT) else IMAGE


def camera_info_topic(image_topic: str) -> str:
    """Return where the calibration of an image topic is sent: beside it, whatever the image's transport."""
    base = image_topic.removesuffix(_TRANSPORT)
    return f"{base.rpartition('/')[0]}/camera_info"


def is_rectified(image_topic: str) -> bool:
    """Tell whether the images of a topic are rectified, which ROS says by the name: `image_rect`, `image_rect_color`, ..."""
    return image_topic.removesuffix(_TRANSPORT).rpartition("/")[2].startswith("image_rect")
