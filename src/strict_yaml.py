"""YAML that says what it looks like: no octal or base-60 numbers, no dates, no duplicate keys.

Plain YAML 1.1 reads `010` as 8, `1:30` as 90 and `2026-11-27` as a date; here these are 10, text and text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path

import yaml

from src.errors import ConfigError

_INT, _FLOAT, _TIMESTAMP = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp"))
_MOST_VALUES = 100_000  # of a document
_MOST_BYTES = 16 << 20
_BASES = {"0x": 16, "0o": 8, "0b": 2}


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that rejects duplicate keys; PyYAML itself silently keeps the last one."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node)).replace("_", "")
        sign, digits = (text[0], text[1:]) if text[:1] in ("+", "-") else ("+", text)
        base = _BASES.get(digits[:2].lower(), 10)
        return int(sign + (digits if base == 10 else digits[2:]), base)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                line = key_node.start_mark.line + 1
                raise ConfigError(f"line {line}: {key!r} is given twice in the same mapping; keep one of them")
            if isinstance(key, Hashable):
                seen.add(key)
        return dict(super().construct_mapping(node, deep))


_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_INT, _FLOAT, _TIMESTAMP)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_constructor(_INT, _StrictLoader.construct_yaml_int)
_StrictLoader.add_implicit_resolver(
    _INT, re.compile(r"[-+]?(?:[0-9][0-9_]*|0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+)$"), list("-+0123456789")
)
_StrictLoader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|\.(?:inf|Inf|INF))$"
        r"|\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


def read_documents(text: str, origin: str) -> list[object]:
    """All documents of a YAML text; ConfigError with `origin` and line if it is invalid or has a duplicate key."""
    try:
        documents = list(yaml.load_all(text, _StrictLoader))  # derived from SafeLoader: builds plain values only
        for document in documents:
            _expanded_size(document, {})
        return documents
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{origin}: nested too deeply for a configuration") from None
    except Exception as error:  # noqa: BLE001 - PyYAML also lets through errors of the values it builds, such as impossible dates
        raise ConfigError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from None


def _expanded_size(value: object, known: dict[int, int]) -> int:
    """How many values there are when each alias stands for a copy; ConfigError for too many, or a value inside itself.

    `known` are the sizes of containers by id, -1 while they are being counted.
    """
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    if not isinstance(parts, (list, tuple, set)):
        return 1
    if known.get(id(value), 0) < 0:
        raise ConfigError("an alias (*name) refers to what it is part of")
    if id(value) not in known:
        known[id(value)] = -1
        known[id(value)] = 1 + sum(_expanded_size(each, known) for each in parts)
    if known[id(value)] > _MOST_VALUES:
        raise ConfigError(f"aliases (*name) expand to more than {_MOST_VALUES} values")
    return known[id(value)]


def read_yaml_text(path: Path, what: str) -> str:
    """The text of a YAML file; ConfigError when it is missing, no regular file, too large, or not UTF-8."""
    if not path.exists():
        raise ConfigError(f"{path}: no such {what}")
    if not path.is_file():
        raise ConfigError(f"{path}: cannot be read: not a regular file")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path}: more than {_MOST_BYTES} bytes, too large for a {what}")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read: not UTF-8 text ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_section(path: Path, key: str) -> object:
    """The value of a top-level key in any document of a YAML file; ConfigError if no document has it."""
    for document in read_documents(read_yaml_text(path, f"YAML file with a section {key!r}"), str(path)):
        if isinstance(document, dict) and key in document:
            return document[key]
    raise ConfigError(f"{path}: has no section {key!r}; add one, as in default_config.yaml")
