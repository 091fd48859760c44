"""Joints, maps and skeletons: NumPy and OpenCV only, no files, no network."""

from src.pose.persons import decode_poses
from src.pose.settings import DecodeSettings

__all__ = ["DecodeSettings", "decode_poses"]
