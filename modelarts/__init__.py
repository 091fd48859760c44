"""The jobs on ModelArts: what runs inside the container, and the commands to check, dry-run, submit and follow jobs."""

import sys

from src.missing_packages import explain_missing_packages

if sys.argv[:1] == ["-m"]:  # only while `python -m modelarts…` looks for its module; a plain import changes nothing
    explain_missing_packages()
