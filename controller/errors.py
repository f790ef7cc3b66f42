"""Refusals of commands: each is an answer, not a defect."""

from schemas.commands import Problem, Refusal


class Refused(Exception):
    """A command that is not carried out; `refusal` goes to whoever asked."""

    def __init__(self, code: str, message: str, details: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.refusal = Refusal(code=code, message=message, details=details)


def not_found(noun: str, which: str) -> Refused:
    """There is no such thing."""
    return Refused(f"{noun}.not_found", f"There is no {noun} {which!r}.")


def invalid(path: str, code: str, message: str) -> Refused:
    """One field is wrong."""
    return Refused("request.invalid", message, (Problem(path=path, code=code, message=message),))
