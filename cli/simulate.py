"""`yardmaster simulate`: a fleet of simulated robots, with their agents, in one process."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.topics import DEFAULT_PREFIX

if TYPE_CHECKING:
    from edge_agent.link import LinkSettings

REFUSED, USAGE = 1, 2


def simulate(
    fleet_file: Annotated[Path, typer.Argument(metavar="FLEET", help="Fleet file: floor plan, robots, faults.")],
    *,
    mqtt: Annotated[str, typer.Option(help="HOST:PORT of the broker.")] = "127.0.0.1:1883",
    data_dir: Annotated[Path, typer.Option(help="Folder of the agents' journal and the robots' memory.")] = Path(
        "var/fleet"
    ),
    passwords: Annotated[Path | None, typer.Option(help="JSON file of robot to password at the broker.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificate by which the box is known, for TLS.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed than the file's.")] = None,
    speed: Annotated[float | None, typer.Option(help="How many times faster than life.")] = None,
    http: Annotated[str | None, typer.Option(help="The box over HTTP, for uploads, as https://HOST:PORT.")] = None,
    tokens: Annotated[Path | None, typer.Option(help="JSON file of robot to token, for uploads.")] = None,
    robots: Annotated[int | None, typer.Option(min=1, help="So many robots: the file's, then copies of them.")] = None,
    topic_prefix: Annotated[str, typer.Option(help="First words of every MQTT topic, as on the box.")] = DEFAULT_PREFIX,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_format: Annotated[str, typer.Option(help="plain or json.")] = "plain",
) -> None:
    """Run a simulated fleet until Ctrl-C."""
    from config import garbage
    from config.agent import is_readable_on_the_way
    from config.fleet import BadFleet, read_fleet
    from config.logs import set_up
    from edge_agent.app import CannotStart
    from edge_agent.simulator.process import run_fleet

    try:
        fleet = read_fleet(fleet_file).changed(seed=seed, speed=speed, robots=robots)
        link = _link(mqtt, topic_prefix, passwords, ca_file)
        if http is not None and tokens is not None and is_readable_on_the_way(http):
            raise ValueError(f"--http: {http} is refused: tokens could be read on the way; say https://")
        set_up("simulate", log_level, "json" if log_format == "json" else "plain")
    except BadFleet as bad:
        typer.echo("\n".join(f"error: {problem}" for problem in bad.problems), err=True)
        raise typer.Exit(USAGE) from bad
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(USAGE) from error
    garbage.rarely()
    try:
        code = run_fleet(fleet, data_dir, link, http=http, token_file=tokens)
    except CannotStart as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(REFUSED) from error
    raise typer.Exit(code)


def _link(mqtt: str, topic_prefix: str, passwords: Path | None, ca_file: Path | None) -> "LinkSettings":
    """Where the broker is; passwords leave this machine by TLS only. Raises `ValueError`."""
    from config.settings import address
    from edge_agent.dial import TlsFiles
    from edge_agent.link import LinkSettings
    from edge_agent.shown import Secrets
    from schemas.topics import Topics

    where = address(mqtt)
    encrypted = ca_file is not None or (passwords is not None and not where.is_loopback)
    tls = TlsFiles(ca_file) if encrypted else None
    return LinkSettings(where.host, where.port, Topics(topic_prefix), Secrets(file=passwords), tls)
