"""What every page of this package is made of: one self-contained file from a template, styles, a script and data."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2
from markupsafe import Markup


def page_template(path: Path) -> jinja2.Template:
    """A page's template; every value is escaped, and one that is missing is an error."""
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return page.from_string(path.read_text(encoding="utf-8"))


def as_it_is(path: Path) -> Markup:
    """A file of this package, such as styles, to be put into the page as it is."""
    return Markup(path.read_text(encoding="utf-8"))


def script_safe(document: object) -> Markup:
    """JSON that cannot end or open a tag, whatever the names in it."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
