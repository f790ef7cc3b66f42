"""Accounts, sessions and tokens: what may be asked about them. Passwords and tokens come here as hashes only."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.ids import OpaqueId, Slug
from schemas.job import Asked

PersonRole = Literal["viewer", "operator", "admin"]
"""What a person may do; each includes those before it."""
Area = Literal["jobs", "robots", "definitions", "records", "people", "system"]
"""Parts of the API that a token may be limited to."""
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a long random text."""
PasswordHash = Annotated[str, StringConstraints(pattern=r"^\$argon2id\$", max_length=300)]
PASSWORD_MIN, PASSWORD_MAX = 10, 200
Password = Annotated[str, StringConstraints(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX)]
"""As a person types it; it never leaves the process that hashes it."""
DisplayName = Annotated[str, Field(max_length=200)]
DAYS_MAX = 3650


class UserAdd(Asked):
    """A new account."""

    user: Slug
    name: DisplayName = ""
    role: PersonRole
    password: Password


class UserChange(Asked):
    """What is to be different; what is absent stays. A new password or role ends the account's sessions."""

    name: DisplayName | None = None
    role: PersonRole | None = None
    enabled: bool | None = None
    password: Password | None = None


class Login(Asked):
    """Name and password; `remember` keeps the session for 90 days instead of 12 hours of rest."""

    user: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=200)]
    remember: bool = False


class PasswordChange(Asked):
    """One's own password: the present one, and what it is to be."""

    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_MAX)]
    new: Password


class TokenAdd(Asked):
    """A new token for a system, or for a robot's uploads."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    role: Literal["viewer", "operator", "admin", "robot"]
    areas: Annotated[tuple[Area, ...], Field(strict=False, description="none: all")] = ()
    robot: Annotated[Slug | None, Field(description="with role robot: whose attempts it reaches")] = None
    days: Annotated[int | None, Field(ge=1, le=DAYS_MAX, description="how long it is valid; absent: for ever")] = None


# ---------------------------------------------------------------- commands
class UserAddArgs(Asked):
    """user.add"""

    user: Slug
    name: DisplayName = ""
    role: PersonRole
    password: PasswordHash


class UserChangeArgs(Asked):
    """user.change"""

    user: Slug
    name: DisplayName | None = None
    role: PersonRole | None = None
    enabled: bool | None = None
    password: PasswordHash | None = None


class OfUser(Asked):
    """user.delete"""

    user: Slug


class TokenAddArgs(Asked):
    """token.create"""

    token: OpaqueId
    name: Annotated[str, Field(min_length=1, max_length=200)]
    role: Literal["viewer", "operator", "admin", "robot"]
    areas: Annotated[tuple[Area, ...], Field(strict=False)] = ()
    robot: Slug | None = None
    hash: Hash
    expires_at: int | None = None


class OfToken(Asked):
    """token.revoke, token.used"""

    token: OpaqueId


class SessionOpenArgs(Asked):
    """session.open; the web has checked the password."""

    hash: Hash
    user: Slug
    expires_at: int


class SessionArgs(Asked):
    """session.close, session.seen"""

    hash: Hash
    expires_at: int | None = None


class LoginFailedArgs(Asked):
    """session.failed: for the audit. Names that no account has are not kept: some are passwords in the wrong field."""

    user: Slug | None
