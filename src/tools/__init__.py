"""Command-line tools; `python -m src.tools` lists them."""

import sys

from src.interrupts import keep_ctrl_c
from src.missing_packages import explain_missing_packages

if sys.argv[:1] == ["-m"]:  # only while `python -m src.tools.NAME` looks for its module; a plain import changes nothing
    explain_missing_packages()
    keep_ctrl_c()
