"""Who may use a route: each declares a role, one function decides; tokens may be bounded to areas."""

from typing import Literal

from schemas.commands import Caller
from schemas.people import Area

Role = Literal["open", "robot", "viewer", "operator", "admin"]
"""What a route asks of its caller; of the last three each includes those before it."""
PEOPLE: tuple[Role, ...] = ("viewer", "operator", "admin")
ANY_AREA: Literal["any"] = "any"
"""What every token reaches, whatever it is limited to: what is about itself."""
AREAS: dict[str, Area | Literal["any"]] = {
    "session": ANY_AREA,
    "jobs": "jobs",
    "job": "jobs",
    "batches": "jobs",
    "exports": "jobs",
    "robots": "robots",
    "queues": "robots",
    "artifacts": "jobs",
    "floor": "definitions",
    "flows": "definitions",
    "deployments": "definitions",
    "assets": "definitions",
    "schedules": "definitions",
    "people": "people",
    "system": "system",
    "stream": "system",
}
"""Module of a route to the area that a token must reach for it."""


def allowed(caller: Caller, role: Role) -> bool:
    """Whether a caller may use a route of this role. A robot reaches what is for robots and nothing else."""
    if role == "open":
        return True
    if role == "robot":
        return caller.role == "robot"
    return caller.role in PEOPLE and PEOPLE.index(caller.role) >= PEOPLE.index(role)
