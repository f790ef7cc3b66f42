"""`yardmaster agent`: the agent of one robot, as a process of its own."""

from pathlib import Path
from typing import Annotated

import typer

REFUSED, USAGE = 1, 2


def agent(
    name: Annotated[str | None, typer.Argument(help="Robot id (or YARDMASTER_AGENT_NAME).")] = None,
    kind: Annotated[str | None, typer.Option(help="agv, rpa, station or a word of your own.")] = None,
    driver: Annotated[str | None, typer.Option(help="rpa, simulated or none.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="HOST:PORT of the broker.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of this agent's journal alone.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    queue: Annotated[list[str] | None, typer.Option("--queue", help="Queue; may be given several times.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Tag; may be given several times.")] = None,
    fleet: Annotated[Path | None, typer.Option(help="Fleet file of the simulated driver.")] = None,
    http: Annotated[str | None, typer.Option(help="The box over HTTP, for uploads, as https://HOST:PORT.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the robot's token, for uploads.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="First words of every MQTT topic, as on the box.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="plain or json.")] = None,
) -> None:
    """Run the agent of one robot. Exit code 6: another agent uses its name."""
    from config.agent import load_agent
    from config.logs import set_up
    from config.settings import BadSettings
    from edge_agent.app import CannotStart, run_agent

    flags = {"name": name, "kind": kind, "driver": driver, "mqtt": mqtt, "data_dir": data_dir, "fleet": fleet}
    flags |= {"http": http, "token_file": token_file}
    lists = {"queues": tuple(queue or ()), "tags": tuple(tag or ())}
    logs = {"topic_prefix": topic_prefix, "log_level": log_level, "log_format": log_format}
    try:
        settings = load_agent(config, **flags, **lists, **logs)
        set_up(f"agent {settings.name}", settings.log_level, settings.log_format)
        code = run_agent(settings)
    except BadSettings as bad:
        typer.echo("\n".join(f"error: {line}" for line in bad.lines), err=True)
        raise typer.Exit(USAGE) from bad
    except CannotStart as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(REFUSED) from error
    raise typer.Exit(code)
