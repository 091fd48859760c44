"""A stand-in for ModelArts' MoXing, which exists only inside the platform's images; see `file`."""

from . import file

__all__ = ["file"]
