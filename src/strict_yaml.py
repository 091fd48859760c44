"""YAML that loses nothing silently: duplicate keys and unreadable files are errors."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from src.errors import ConfigError


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that rejects duplicate keys; PyYAML itself silently keeps the last one."""

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


def read_documents(text: str, origin: str) -> list[Any]:
    """All documents of a YAML text; ConfigError with `origin` and line if it is invalid or has a duplicate key."""
    try:
        return list(yaml.load_all(text, _StrictLoader))  # derived from SafeLoader: builds plain values only
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from None
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
