"""`yardmaster drain` and `undrain`: the whole box finishes what runs and gives out nothing new."""

import time
from typing import Annotated, Any

import typer

from cli.client import ENDED_BADLY, Refused
from cli.options import Desk, Reason, with_desk

POLL_S = 0.5


def _drain(
    desk: Desk,
    reason: Reason = None,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Return when nothing runs any more.")] = False,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Wait so many seconds at most; then 5.")] = None,
) -> None:
    """Give out no work until `undrain`, also after a restart; what runs goes on to its end."""
    answer = desk.client.post("/drain", {} if reason is None else {"reason": reason})
    end = None if timeout is None else time.monotonic() + timeout
    while wait and answer["working"]:
        if end is not None and time.monotonic() > end:
            raise Refused(ENDED_BADLY, "drain.timeout", f"after {timeout:g} s {_words(answer)}")
        time.sleep(POLL_S)
        answer = desk.client.get("/drain")
    desk.show(answer, lambda found: typer.echo(f"drained; {_words(found)}"))


def _undrain(desk: Desk, reason: Reason = None) -> None:
    """Give out work again."""
    answer = desk.client.post("/undrain", {} if reason is None else {"reason": reason})
    desk.show(answer, lambda _found: typer.echo("work is given out again"))


def _words(answer: dict[str, Any]) -> str:
    runs = f"{answer['working']} jobs run" if answer["working"] else "nothing runs"
    stuck = answer["paused"] + answer["uncertain"]
    return runs + (f"; {stuck} are paused or uncertain and wait for a person" if stuck else "")


drain = with_desk(_drain)
undrain = with_desk(_undrain)
