"""Who may use a route: each declares a role, one function decides."""

from typing import Literal, get_args

from schemas.commands import Caller

Role = Literal["open", "viewer", "operator", "admin"]
"""What a route asks of its caller; each word includes those before it."""
ROLES: tuple[Role, ...] = get_args(Role)
LOCAL = "local"
"""The caller of a box without accounts, which listens on loopback only."""


def allowed(caller: Caller, role: Role) -> bool:
    """Whether a caller may use a route of this role."""
    return caller.name == LOCAL or ROLES.index(caller.role) >= ROLES.index(role)
