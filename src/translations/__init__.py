"""Sentences for users in English and Chinese: a message id with arguments, and one table of texts."""

from src.translations.catalog import Catalog
from src.translations.messages import LANGUAGES, Message, lookup, say, section, translate

__all__ = ["LANGUAGES", "Catalog", "Message", "lookup", "say", "section", "translate"]
