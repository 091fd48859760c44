"""Drawn skeletons: a kinematic body, poses of everyday and climbing classes, a camera with its errors."""
