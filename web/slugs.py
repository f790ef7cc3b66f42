"""Ids in paths that their makers chose."""

from pydantic import TypeAdapter, ValidationError

from schemas.ids import Slug
from web.errors import invalid, not_found
from web.routes import Call

_SLUG: TypeAdapter[str] = TypeAdapter(Slug)


def is_slug(name: str) -> bool:
    """Whether it may be the id that somebody chooses."""
    try:
        _SLUG.validate_python(name)
    except ValidationError:
        return False
    return True


def slug(call: Call, noun: str) -> str:
    """The id in the path; one that nothing can have is not found. Raises `ApiError`."""
    name: str = call.path[noun]
    if not is_slug(name):
        raise not_found(noun, name)
    return name


def need_slug(call: Call, noun: str) -> str:
    """The id of something that may be made under it. Raises `ApiError`."""
    name: str = call.path[noun]
    if not is_slug(name):
        message = "1 to 64 letters, digits, . _ - and a letter or digit first"
        raise invalid("path", f"/{noun}", "format", message)
    return name
