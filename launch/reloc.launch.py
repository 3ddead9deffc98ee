# ruff: noqa: I001 - this folder is called launch, and so is the package of ROS
"""A ROS 2 launch file: follows the camera of an image topic in a map, and publishes /reloc/pose, /tf and /diagnostics.

    ros2 launch launch/reloc.launch.py map:=hall.obj init:="0 0 1.2 0 0 0 1" image:=/camera/color/image_raw

reloc is a program of its own and must be on the PATH. Written after ROS's documentation, not tried against a real ROS 2.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration

ARGUMENTS = {
    "map": (None, "The mesh: OBJ, PLY or glTF"),
    "init": (None, "Where the camera is at first: tx ty tz qx qy qz qw, or a TUM file"),
    "image": ("/camera/color/image_raw", "Topic of the images; their CameraInfo is expected beside it"),
    "out": ("out/ros", "Folder for the results"),
    "map_frame": ("map", "Frame of the mesh (REP-105)"),
    "camera_frame": ("reloc_camera_optical_frame", "Frame of the camera (REP-103), which no other node may place"),
    "record": ("false", "Whether to record the images into the results"),
}


def generate_launch_description() -> LaunchDescription:
    """Return what `ros2 launch` starts."""
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    settings = {
        "ros.enabled": "true",
        "ros.map_frame": value["map_frame"],
        "ros.camera_frame": value["camera_frame"],
        "record.enabled": value["record"],
    }
    command = ["reloc", "live", "--camera", ["ros:", value["image"]], "--map", value["map"], "--init", value["init"]]
    command += ["--out", value["out"]]
    for key, setting in settings.items():
        command += ["--set", [f"{key}=", setting]]
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text) for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, ExecuteProcess(cmd=command, output="screen")])
