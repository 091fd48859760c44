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


def test_tools_log_one_line_a_record() -> None:
    program = (
        "import argparse, logging\n"
        "from src.tools.common.command import run_command\n"
        "raise SystemExit(run_command(lambda _: logging.warning('a\\nb') or 3, argparse.ArgumentParser(), []))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (3, "a\\nb\n")
