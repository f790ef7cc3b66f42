"""The parts of pages that are kept true while they are open: rendered once for all who see them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from flask import render_template

from web.console.language import LANGUAGES, Language, speaking
from web.console.look import Look

Facts = Callable[[Look, Mapping[str, str]], dict[str, Any]]
"""What a part's template needs, from a look and the part's own query."""
MAX_KEY = 500


@dataclass(frozen=True)
class Part:
    """A template under `console/parts/` and what it shows; its top elements carry ids, by which browsers swap them."""

    name: str
    facts: Facts

    @property
    def template(self) -> str:
        """Where its markup is."""
        return f"console/parts/{self.name}.html"


@dataclass(frozen=True)
class PartKey:
    """A part as somebody sees it: `overview.zh`, `robots.en?state=on_hold`."""

    name: str
    language: Language
    query: str = ""

    @classmethod
    def read(cls, text: str, known: Mapping[str, Part]) -> "PartKey | None":
        """None if there is no such part or language."""
        head, _, query = text[:MAX_KEY].partition("?")
        name, _, language = head.partition(".")
        if name not in known or language not in LANGUAGES:
            return None
        return cls(name, language, query)

    def __str__(self) -> str:
        return f"{self.name}.{self.language}" + (f"?{self.query}" if self.query else "")


def write(part: Part, key: PartKey, look: Look) -> str:
    """The part's markup; needs an application context."""
    query = dict(parse_qsl(key.query, keep_blank_values=False))
    with speaking(key.language):
        return render_template(part.template, look=look, lang=key.language, **part.facts(look, query))
