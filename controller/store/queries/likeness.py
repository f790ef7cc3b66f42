"""Names that contain a text or are much like it, in any script: what people type is rarely what is written.

Upper and lower case, full-width and half-width letters, punctuation and blanks make no difference. A text that no name
contains may have one wrong, missing or surplus character (two from eight on).
"""

import sqlite3
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rapidfuzz import fuzz, process

MAX_ALIKE = 20
"""So many names that are much like a text, the likest first."""
_LONG = 8
_SHORTEST, _SHORTEST_OF_LETTERS = 3, 4
"""A text of fewer characters is like too many; of letters one more, because each says less than a Chinese character."""
_IDEOGRAPH = "\u2e80"
"""From here on, one character is a word or a syllable."""


Row = tuple[str, str]
"""Id and name."""


@dataclass(frozen=True)
class Fit:
    """What fits a text, as (id, name); `similar`: no name contains it, these are only much like it."""

    found: tuple[Row, ...] = ()
    similar: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids alone."""
        return tuple(one for one, _name in self.found)


def folded(text: str) -> str:
    """A text without case and width, with its punctuation."""
    return unicodedata.normalize("NFKC", text).casefold()


def plain(text: str) -> str:
    """A text as it is compared: without case, width, blanks and punctuation."""
    return "".join(letter for letter in folded(text) if unicodedata.category(letter)[0] not in "PZC")


class Names:
    """Names as they are at one moment, made ready for searching; what was searched for is remembered."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self.rows = rows
        self._folded = [(folded(name), folded(one)) for one, name in rows]
        self._plain = [(plain(name), plain(one)) for one, name in rows]
        self.fitting = lru_cache(maxsize=256)(self._fitting)

    def _fitting(self, text: str) -> Fit:
        wanted, bare = folded(text), plain(text)
        holds = [row for n, row in enumerate(self.rows) if self._holds(n, wanted, bare)]
        if holds:
            return Fit(tuple(holds))
        alike = tuple(self.rows[n] for n in self._alike(bare))
        return Fit(alike, similar=bool(alike))

    def _holds(self, n: int, wanted: str, bare: str) -> bool:
        name, one = self._folded[n]
        if wanted in name or wanted in one:
            return True
        name, one = self._plain[n]
        return bool(bare) and (bare in name or bare in one)

    def _alike(self, bare: str) -> list[int]:
        """Names, else ids, with a piece that differs from the text by few characters, the likest first."""
        errors = _errors(bare)
        if not errors:
            return []
        # Of n characters one that is wrong leaves 1 - 1/n; the little less is for rounding.
        least = 100 * (1 - errors / len(bare)) - 0.01
        for column in (0, 1):
            texts = {n: row[column] for n, row in enumerate(self._plain) if len(row[column]) >= len(bare) - errors}
            best = process.extract(
                bare, texts, scorer=fuzz.partial_ratio, processor=None, score_cutoff=least, limit=MAX_ALIKE
            )
            if best:
                return [n for _text, _score, n in best]
        return []


def _errors(bare: str) -> int:
    """How many characters of a text may be wrong."""
    letters_only = all(letter < _IDEOGRAPH for letter in bare)
    if len(bare) < (_SHORTEST_OF_LETTERS if letters_only else _SHORTEST):
        return 0
    return 1 if len(bare) < _LONG else 2


_last: dict[str, Names] = {}


def names_of(noun: str, rows: tuple[Row, ...]) -> Names:
    """The names of all things of a kind, made ready; the same as before while nothing has changed."""
    known = _last.get(noun)
    if known is None or known.rows != rows:
        known = _last[noun] = Names(rows)
    return known


_ROWS = {
    "deployment": "select id, name from deployments order by id",
    "flow": "select id, name from flows order by id",
    "robot": "select id, name from robots where removed = 0 order by id",
}


def named(db: sqlite3.Connection, noun: Literal["deployment", "flow", "robot"], text: str) -> Fit:
    """The things of a kind that a text names."""
    cursor = db.cursor()
    cursor.row_factory = None
    return names_of(noun, tuple(cursor.execute(_ROWS[noun]))).fitting(text)
