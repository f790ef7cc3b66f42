"""Hiding secrets in what a robot says: as they are, escaped for JSON, HTML or addresses, in Base64, over line ends."""

import base64
import html
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.reference import HIDDEN, MIN_SECRET

LINE_CHARS = 8
"""Lines of a secret of several lines are hidden one by one from so many characters on."""
_LINE_ENDS = ("\r\n", "\n")
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_ANY = tuple(_BASE64 + "-_")
_URL_SAFE = {"+": ("+", "-"), "/": ("/", "_")}
_SIX = 6
Place = tuple[str, ...]
"""The ways in which one character may be written."""


@dataclass(frozen=True)
class _Form:
    """A secret as it may be written, character by character; a line may end between any two of them.

    In Base64 the first and the last character may be `shared` with what stands beside the secret.
    """

    places: tuple[Place, ...]
    shared: tuple[bool, bool] = (False, False)

    @property
    def pattern(self) -> str:
        """As a regular expression."""
        own = r"(?:\r?\n)?".join(_choice(place) for place in self.places)
        before, after = (f"{_choice(_ANY)}?" if shared else "" for shared in self.shared)
        return before + own + (rf"(?:(?:\r?\n)?{after[:-1]})?" if after else "")

    @property
    def longest(self) -> int:
        """Most characters that it can take."""
        return sum(max(map(len, place)) + 2 for place in self.places) + 4

    def may_begin(self, text: str, at: int) -> bool:
        """Whether what is its own may begin there and go on behind the end of the text."""
        reached = {at}
        for place in self.places:
            after: set[int] = set()
            for here in reached:
                for way in place:
                    if text.startswith(way, here):
                        after.add(here + len(way))
                    elif way.startswith(text[here:]):
                        return True
            if any(text[here:] == "\r" for here in after):
                return True
            reached = after | {here + len(end) for here in after for end in _LINE_ENDS if text.startswith(end, here)}
            if not reached:
                return False
        return self.shared[1] and len(text) in reached


def _choice(place: Place) -> str:
    if all(len(way) == 1 for way in place):
        return re.escape(place[0]) if len(place) == 1 else "[" + "".join(map(re.escape, place)) + "]"
    return "(?:" + "|".join(re.escape(way) for way in sorted(place, key=len, reverse=True)) + ")"


class Secret(str):
    """A value that must not be shown: drivers tell it from other texts, and logs do not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(HIDDEN)


class Mask:
    """Hides some secrets; without any it changes nothing."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = frozenset(secrets)
        parts = {part for secret in self.secrets for part in _parts(secret)}
        # The longest first: a secret that holds another one is hidden whole.
        self._forms = [form for part in sorted(parts, key=len, reverse=True) for form in _forms(part)]
        self._pattern = re.compile("|".join(form.pattern for form in self._forms)) if self._forms else None
        self._by_first: dict[str, list[_Form]] = defaultdict(list)
        for form in self._forms:
            for first in {way[0] for way in form.places[0]}:
                self._by_first[first].append(form)
        self._longest = max((form.longest for form in self._forms), default=0)

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str) -> str:
        """The text with nothing of a secret in it."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def value(self, value: Any) -> Any:
        """A copy of plain data, the names of fields included; a number that shows a secret becomes a text."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(part) for part in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return HIDDEN if self._pattern.search(repr(value)) else value
        return value

    def stream(self) -> "MaskStream":
        """For text that comes piece by piece."""
        return MaskStream(self)

    def pieces(self, text: str) -> tuple[str, str]:
        """What can be shown of a text that goes on, secrets hidden, and the end of it that has to wait."""
        at = self._open_at(text, 0)
        for match in self._pattern.finditer(text) if self._pattern else ():
            if match.start() < at < match.end():
                at = self._open_at(text, match.end())
        return self.text(text[:at]), text[at:]

    def _open_at(self, text: str, start: int) -> int:
        """Where an unfinished secret may begin; the length of the text if none does."""
        end = len(text)
        for at in range(max(start, end - self._longest), end):
            opened = [form for form in self._by_first.get(text[at], ()) if form.may_begin(text, at)]
            if opened:
                shared = at > start and text[at - 1] in _ANY and any(form.shared[0] for form in opened)
                return at - 1 if shared else at
        return end - 1 if end > start and text[-1] in _ANY else end


class MaskStream:
    """Text piece by piece: what may be the beginning of a secret waits for what follows."""

    def __init__(self, mask: Mask) -> None:
        self._mask, self._waiting = mask, ""

    def feed(self, text: str, *, final: bool = False) -> str:
        """What can be shown by now."""
        if not self._mask:
            return text
        text, self._waiting = self._waiting + text, ""
        if final:
            return self._mask.text(text)
        shown, self._waiting = self._mask.pieces(text)
        return shown


class _Blind(Mask):
    """Hides everything: what the secrets are is not known."""

    def __bool__(self) -> bool:
        return True

    def text(self, text: str) -> str:
        return HIDDEN if text else text

    def value(self, value: Any) -> Any:
        return {} if isinstance(value, Mapping) else HIDDEN

    def pieces(self, text: str) -> tuple[str, str]:
        return "", text


NO_MASK, BLIND = Mask(), _Blind()


def _parts(secret: str) -> Iterable[str]:
    yield secret
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from (line for line in map(str.strip, lines) if len(line) >= max(LINE_CHARS, MIN_SECRET))


def _forms(secret: str) -> Iterable[_Form]:
    yield _Form(tuple(_ways(character) for character in secret))
    data = secret.encode("utf-8", "replace")
    for before in range(3):
        yield _base64(data, before)


def _ways(character: str) -> Place:
    """As it is; in JSON, once and twice; in HTML; in an address, in capitals or not."""
    if character.isascii() and character.isalnum():
        return (character,)
    escaped = json.dumps(character)[1:-1]
    units = character.encode("utf-16-be", "surrogatepass")
    unicode = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    percent = "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))
    ways = [character, escaped, json.dumps(escaped)[1:-1], html.escape(character), percent, percent.lower()]
    ways += [unicode, "\\u" + unicode[2:].upper().replace("\\U", "\\u"), f"&#{ord(character)};"]
    ways += {"/": ["\\/"], " ": ["+"], "\n": ["\r\n", "%0D%0A", "%0d%0a", "\\r\\n"], "'": ["&#39;"]}.get(character, [])
    return tuple(dict.fromkeys(ways))


def _base64(data: bytes, before: int) -> _Form:
    """A secret in Base64 behind so many bytes (of each three) of something else: the characters that are all its own,
    and whether those before and after them hold a part of it, too."""
    text = base64.b64encode(bytes(before) + data).decode().rstrip("=")
    first, last = -(-before * 8 // _SIX), (before + len(data)) * 8 // _SIX
    own = tuple(_URL_SAFE.get(character, (character,)) for character in text[first:last])
    return _Form(own, (before > 0, last < len(text)))
