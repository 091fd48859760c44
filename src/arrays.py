"""Names for the types of arrays that pass between modules; shapes, units and ranges are in each docstring."""

from __future__ import annotations

from typing import Union

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]  # of any elements
Reals = Union[NDArray[np.float32], NDArray[np.float64]]
