"""What is answered about accounts, tokens and the audit."""

from typing import Any

from pydantic import Field

from schemas.people import Area, PersonRole
from schemas.views.answers import Page, Time, View


class User(View):
    """An account."""

    id: str
    name: str
    role: PersonRole
    enabled: bool
    created_at: Time
    created_by: str
    changed_at: Time
    seen_at: Time | None = Field(description="when somebody last came in with it")


class Me(View):
    """Who asks, as the box knows it."""

    name: str
    role: str
    areas: list[Area] = Field(description="none: all")
    robot: str | None


class Token(View):
    """A token; its secret is shown once, when it is made."""

    id: str
    name: str
    role: str
    areas: list[Area]
    robot: str | None
    created_at: Time
    created_by: str
    expires_at: Time | None
    revoked_at: Time | None
    revoked_by: str | None
    used_at: Time | None


class NewToken(Token):
    """A token with its secret."""

    secret: str = Field(description="shown now and never again")


class AuditRow(View):
    """A change that somebody asked for."""

    id: int
    at: Time
    who: str
    role: str
    ip: str | None
    client: str | None
    action: str
    subject: str = Field(description="`noun:id`, or nothing")
    before: Any
    after: Any
    why: str | None


class UserPage(Page[User]):
    """A page of accounts."""


class TokenPage(Page[Token]):
    """A page of tokens."""


class AuditPage(Page[AuditRow]):
    """A page of the audit."""
