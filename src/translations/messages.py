"""Messages: what is said (an id of the table and its arguments), apart from the language in which it is said.

The table is the YAML files beside this module: `id: {en: text, zh: text}`, with the arguments as `{name}` in the texts.
Names and hints that the code or `default_config.yaml` gives in English are there in Chinese only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Union, cast

from src.strict_yaml import read_documents

LANGUAGES = ("en", "zh")

#: Text and numbers are shown as they are, messages are translated, several of them are listed.
Argument = Union[str, int, "Message", tuple["Message", ...]]

_FOLDER = Path(__file__).parent
#: Between the messages of a list.
SEPARATORS = {"en": ", ", "zh": "，"}


@dataclass(frozen=True)
class Message:
    """An entry of the table with its arguments; `str()` is the English text."""

    id: str
    arguments: tuple[tuple[str, Argument], ...] = ()

    def __str__(self) -> str:
        return translate(self)

    def to_json(self) -> list[object]:
        """[id, {argument: value}] in plain values; `from_json` reads it back."""
        return [self.id, {name: _plain(value) for name, value in self.arguments}]

    @staticmethod
    def from_json(document: object) -> Message:
        """The message that `to_json` wrote; ValueError when it is not one of this table."""
        if not isinstance(document, list) or len(document) != 2 or not isinstance(document[1], dict):
            raise ValueError(f"not a message: {document!r}")
        message_id, arguments = document
        message = say(message_id, **{str(name): _from_plain(value) for name, value in arguments.items()})
        try:
            translate(message)
        except KeyError as error:
            raise ValueError(f"not a message of this version: {document!r} ({error})") from None
        return message


def say(message_id: str, **arguments: Argument) -> Message:
    """The message of that id, such as `say("joint_missing", joint=say("joint.Neck"))`."""
    return Message(message_id, tuple(arguments.items()))


def translate(message: Message, language: str = "en") -> str:
    """The message's text in a language; KeyError for an unknown id, language or a missing argument."""
    shown = {name: _shown(value, language) for name, value in message.arguments}
    return text_of(message.id, language).format_map(shown)


def lookup(message_id: str, language: str) -> str | None:
    """An entry's text with its placeholders, None where the table has none."""
    return table().get(message_id, {}).get(language)


def section(prefix: str, language: str) -> dict[str, str]:
    """The texts that entries `<prefix>.<name>` have in a language, by name."""
    start = f"{prefix}."
    entries = ((key[len(start) :], texts) for key, texts in table().items() if key.startswith(start))
    return {name: texts[language] for name, texts in entries if language in texts}


def text_of(message_id: str, language: str) -> str:
    """An entry's text with its placeholders; KeyError where the table has none."""
    return table()[message_id][language]


@lru_cache(maxsize=1)
def table() -> Mapping[str, Mapping[str, str]]:
    """All entries: id → language → text; read at the first call."""
    entries: dict[str, Mapping[str, str]] = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        for document in read_documents(path.read_text(encoding="utf-8"), path.name):
            entries.update(cast("Mapping[str, Mapping[str, str]]", document))
    return entries


def _shown(value: Argument, language: str) -> str:
    if isinstance(value, Message):
        return translate(value, language)
    if isinstance(value, tuple):
        return SEPARATORS[language].join(translate(part, language) for part in value)
    return str(value)


def _plain(value: Argument) -> object:
    if isinstance(value, Message):
        return value.to_json()
    return [part.to_json() for part in value] if isinstance(value, tuple) else value


def _from_plain(value: object) -> Argument:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value if isinstance(value, int) else str(value)
    if len(value) == 2 and isinstance(value[0], str):
        return Message.from_json(value)
    return tuple(Message.from_json(part) for part in value)
