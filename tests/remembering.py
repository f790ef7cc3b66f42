"""Work that is the same in each of the thousands of applications that tests make, done once in a process."""

from collections.abc import Callable, Hashable
from typing import Any

from jinja2 import Environment
from werkzeug.routing import Rule


def remember_compiled() -> None:
    """Rules of URLs (41 of the 52 ms of an application) and templates (50 ms of a page) are compiled once."""
    _remember(Rule, "_compile_builder", lambda rule, *given: (rule.rule, *rule._trace, repr(rule.defaults), given))
    _remember(Environment, "compile", lambda _environment, *given: given)


def _remember(owner: type, name: str, key: Callable[..., Hashable]) -> None:
    real = getattr(owner, name)
    known: dict[Hashable, Any] = {}

    def once(*given: Any) -> Any:
        at = key(*given)
        if at not in known:
            known[at] = real(*given)
        return known[at]

    setattr(owner, name, once)
