"""Text of JSON files as programs on all systems save them: UTF-8 with or without a mark, UTF-16, UTF-32, GB18030."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

#: The longer marks first: UTF-32's little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_json(path: Path) -> object:
    """The value a JSON file holds; OSError, or ValueError saying what is wrong with its content."""
    text = read_json_text(path)
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json_text(path: Path) -> str:
    """The file's text; OSError, or ValueError when it is in no encoding that JSON files have."""
    return decode_json(path.read_bytes())


def decode_json(data: bytes) -> str:
    """Decode by byte order mark, else by the zero bytes around the first character, else as UTF-8 or GB18030."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    if data[:1] and data[1:2] == b"\0":
        return data.decode("utf-32-le" if data[2:4] == b"\0\0" else "utf-16-le")
    if data[:1] == b"\0":
        return data.decode("utf-32-be" if data[1:2] == b"\0" else "utf-16-be")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError:
        raise ValueError("is neither UTF-8, UTF-16 nor GB18030 text") from None


def to_json_text(content: object, indent: int | None = None) -> str:
    """JSON that can be written as UTF-8: characters as they are, but escaped where a name was not Unicode."""
    text = json.dumps(content, ensure_ascii=False, indent=indent)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(content, ensure_ascii=True, indent=indent)
    return text
