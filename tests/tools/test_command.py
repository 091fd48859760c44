from __future__ import annotations

import logging
import subprocess
import sys

from src.tools.common.one_line import OneLineFormatter

SPOILED = "a\nWARNING forged\x1b[2J\u2028\u202e\ud800.jpg"


def test_a_name_in_a_record_cannot_forge_another_line() -> None:
    record = logging.LogRecord("tool", logging.INFO, __file__, 1, "skipped: %s", (SPOILED,), None)
    text = OneLineFormatter("%(message)s").format(record)
    assert text == r"skipped: a\nWARNING forged\x1b[2J\u2028\u202e\ud800.jpg"


def test_tools_say_one_line_a_record_and_error() -> None:
    program = (
        "import argparse, logging\n"
        "from src.tools.common.command import run_command\n"
        "from src.errors import DataError\n"
        "def work(_):\n"
        "    logging.warning('a\\nb')\n"
        "    logging.getLogger('matplotlib.font_manager').warning('building the font cache')\n"
        "    raise DataError('c\\nd')\n"
        "raise SystemExit(run_command(work, argparse.ArgumentParser(), []))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "a\\nb\nerror: c\\nd\n")
