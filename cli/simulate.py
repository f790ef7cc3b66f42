"""`yardmaster simulate`: a fleet of simulated robots, with their agents, in one process."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.topics import DEFAULT_PREFIX

REFUSED, USAGE = 1, 2


def simulate(
    fleet_file: Annotated[Path, typer.Argument(metavar="FLEET", help="Fleet file: floor plan, robots, faults.")],
    *,
    mqtt: Annotated[str, typer.Option(help="HOST:PORT of the broker.")] = "127.0.0.1:1883",
    data_dir: Annotated[Path, typer.Option(help="Folder of the agents' journal and the robots' memory.")] = Path(
        "var/fleet"
    ),
    passwords: Annotated[Path | None, typer.Option(help="JSON file of robot to password at the broker.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificate by which the box is known: by TLS only.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed than the file's.")] = None,
    speed: Annotated[float | None, typer.Option(help="How many times faster than life.")] = None,
    http: Annotated[str | None, typer.Option(help="The box over HTTP, for uploads, as http://HOST:PORT.")] = None,
    tokens: Annotated[Path | None, typer.Option(help="JSON file of robot to token, for uploads.")] = None,
    robots: Annotated[int | None, typer.Option(min=1, help="So many robots: the file's, then copies of them.")] = None,
    topic_prefix: Annotated[str, typer.Option(help="First words of every MQTT topic, as on the box.")] = DEFAULT_PREFIX,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_format: Annotated[str, typer.Option(help="plain or json.")] = "plain",
) -> None:
    """Run a simulated fleet until Ctrl-C."""
    from config import garbage
    from config.fleet import BadFleet, read_fleet
    from config.logs import set_up
    from config.settings import address
    from edge_agent.app import CannotStart
    from edge_agent.dial import TlsFiles
    from edge_agent.link import LinkSettings
    from edge_agent.shown import Secrets
    from edge_agent.simulator.process import run_fleet
    from schemas.topics import Topics

    try:
        fleet = read_fleet(fleet_file).changed(seed=seed, speed=speed, robots=robots)
        host, port = address(mqtt)
        tls = None if ca_file is None else TlsFiles(ca_file)
        link = LinkSettings(host, port, Topics(topic_prefix), Secrets(file=passwords), tls)
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
