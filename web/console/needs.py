"""What needs a person now: each with what to do about it."""

from web.console.look import Look


def count(look: Look) -> int:
    """How many things need a person."""
    return sum(robot.state in ("on_hold", "offline") for robot in look.robots)
