"""YAML that says what it looks like: no octal or base-60 numbers, no dates, no duplicate keys.

Plain YAML 1.1 reads `010` as 8, `1:30` as 90 and `2026-11-27` as a date; here these are 10, text and text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from src.errors import ConfigError

_INT, _FLOAT, _TIMESTAMP = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp"))
_BASES = {"0x": 16, "0o": 8, "0b": 2}


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that rejects duplicate keys; PyYAML itself silently keeps the last one."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node)).replace("_", "")
        sign, digits = (text[0], text[1:]) if text[:1] in ("+", "-") else ("+", text)
        base = _BASES.get(digits[:2].lower(), 10)
        return int(sign + (digits if base == 10 else digits[2:]), base)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
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
        return super().construct_mapping(node, deep)


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


def read_documents(text: str, origin: str) -> list[Any]:
    """All documents of a YAML text; ConfigError with `origin` and line if it is invalid or has a duplicate key."""
    try:
        return list(yaml.load_all(text, _StrictLoader))  # derived from SafeLoader: builds plain values only
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{origin}: nested too deeply for a configuration") from None
    except Exception as error:  # noqa: BLE001 - PyYAML also lets through errors of the values it builds, such as impossible dates
        raise ConfigError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from None


def read_section(path: Path, key: str) -> Any:
    """The value of a top-level key in any document of a YAML file; ConfigError if no document has it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); give a YAML file in UTF-8 with a section {key!r}"
        ) from None
    for document in read_documents(text, str(path)):
        if isinstance(document, dict) and key in document:
            return document[key]
    raise ConfigError(f"{path}: has no section {key!r}; add one, as in default_config.yaml")
