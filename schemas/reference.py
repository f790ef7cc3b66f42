"""References in the place of values: `{"$secret": …}` stays one up to the robot, `{"$asset": …}` is resolved."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

SECRET, ASSET = "$secret", "$asset"
HIDDEN = "•••"
"""What is shown in the place of a secret, however long it is."""
OF_RUN = "run:"
"""How the id of a secret begins that was given with one submission or deployment; all others are assets'."""
MIN_SECRET, MAX_SECRET = 4, 4096
"""Characters of a secret: hiding fewer would hide half of every text, and show by that what they are."""
ONLY_WHOLE = "a secret can only be passed on whole, by an expression that is nothing but the path to it"
DEEPEST = 100


def refers(value: Any, word: str) -> str | None:
    """The id that a reference of this kind names; None for every other value."""
    if isinstance(value, Mapping) and len(value) == 1:
        name = value.get(word)
        return name if isinstance(name, str) else None
    return None


def is_secret(value: Any) -> bool:
    """Whether the value stands for a secret."""
    return refers(value, SECRET) is not None


def secrets_in(value: Any, depth: int = 0) -> Iterator[str]:
    """The ids of all secrets that a value refers to, at any depth."""
    name = refers(value, SECRET)
    if name is not None:
        yield name
    elif depth < DEEPEST and isinstance(value, Mapping):
        for part in value.values():
            yield from secrets_in(part, depth + 1)
    elif depth < DEEPEST and isinstance(value, list | tuple):
        for part in value:
            yield from secrets_in(part, depth + 1)


def replaced(value: Any, word: str, found: Callable[[str], Any], depth: int = 0) -> Any:
    """A copy with what `found` answers in the place of every reference of this kind."""
    name = refers(value, word)
    if name is not None:
        return found(name)
    if depth >= DEEPEST:
        return value
    if isinstance(value, Mapping):
        return {key: replaced(part, word, found, depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(part, word, found, depth + 1) for part in value]
    return value
