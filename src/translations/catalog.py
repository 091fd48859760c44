"""Messages for a page that puts sentences together itself: each text once, in all languages, referred to by number."""

from __future__ import annotations

import string

from src.translations.messages import LANGUAGES, SEPARATORS, Argument, Message, text_of


class Catalog:
    """The entries that a page uses.

    A message becomes [number of the entry, argument …]; an argument is a text, a message, or a list of messages. In the
    entry's texts, `{0}` stands for the first argument.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: list[list[str]] = []

    def encode(self, message: Message) -> list[object]:
        """The message as plain values; its entry is noted."""
        number = self._number(message.id)
        given = dict(message.arguments)
        return [number, *(self._argument(given[name]) for name in self._names[number])]

    def entries(self) -> list[list[str]]:
        """For each number, the entry's text in every one of LANGUAGES."""
        return [
            [_positional(text_of(message_id, language), self._names[number]) for language in LANGUAGES]
            for message_id, number in self._numbers.items()
        ]

    @staticmethod
    def separators() -> list[str]:
        """What stands between the messages of a list, in every one of LANGUAGES."""
        return [SEPARATORS[language] for language in LANGUAGES]

    def _number(self, message_id: str) -> int:
        number = self._numbers.get(message_id)
        if number is None:
            number = self._numbers[message_id] = len(self._numbers)
            self._names.append(placeholders(text_of(message_id, LANGUAGES[0])))
        return number

    def _argument(self, value: Argument) -> object:
        if isinstance(value, Message):
            return self.encode(value)
        return [self.encode(part) for part in value] if isinstance(value, tuple) else str(value)


def placeholders(text: str) -> list[str]:
    """The names of a text's arguments, each once, in the order in which they first occur."""
    return list(dict.fromkeys(name for _, name, _, _ in string.Formatter().parse(text) if name))


def _positional(text: str, names: list[str]) -> str:
    """`{first} of {second}` as `{0} of {1}`."""
    return text.format_map({name: f"{{{number}}}" for number, name in enumerate(names)})
