"""The console command: a table of subcommands, each imported only when it is called.

A robot has the base dependencies only, so `yardmaster agent` must not import what the box needs.
"""

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup


class Subcommand(NamedTuple):
    """Where a subcommand lives (a function, or a Typer application with commands of its own) and what it is for."""

    module: str
    name: str
    summary: str


SUBCOMMANDS = {
    "serve": Subcommand("cli.serve", "serve", "Run the box: broker, controller, web and a station agent."),
    "agent": Subcommand("cli.agent", "agent", "Run the agent of one robot."),
    "simulate": Subcommand("cli.simulate", "simulate", "Run a simulated fleet."),
    "job": Subcommand("cli.job", "app", "Submit, list, show, cancel and otherwise command jobs."),
    "robot": Subcommand("cli.robot", "app", "List, add, enrol, drain, enable, disable, release and revoke robots."),
    "flow": Subcommand("cli.flow", "app", "Check, save and list flows."),
    "deployment": Subcommand("cli.deployment", "app", "Save, run and list deployments."),
    "schedule": Subcommand("cli.schedule", "app", "Save, list, switch and remove schedules; show their firings."),
    "asset": Subcommand("cli.asset", "app", "Save, list, show and remove assets, secret ones too."),
    "floor": Subcommand("cli.floor", "app", "Show and save the floor plan."),
    "token": Subcommand("cli.token", "app", "Create, list and revoke tokens, on the box itself."),
    "user": Subcommand("cli.user", "app", "Add, list, lock and remove accounts, on the box itself."),
    "backup": Subcommand("cli.backup", "backup", "Copy database and artifacts into a folder of their own."),
    "verify": Subcommand("cli.verify", "verify", "Check the data of a box: pages, chains, states, counters."),
    "restore": Subcommand("cli.restore", "restore", "Put a backup in the place of a box's database."),
    "drain": Subcommand("cli.drain", "drain", "Let the box finish what runs and give out nothing new."),
    "undrain": Subcommand("cli.drain", "undrain", "Let the box give out work again."),
    "accept-damage": Subcommand("cli.accept_damage", "accept_damage", "Take a damaged database as it is."),
    "doctor": Subcommand("cli.doctor", "doctor", "Check this machine: disk, SQLite, broker, clock, ports, limits."),
}
BOX_ONLY = "this needs the packages of the box: pip install 'yardmaster[box]'"


class Lazy(TyperGroup):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is Typer's
        return list(SUBCOMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        return load(cmd_name) if cmd_name in SUBCOMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in SUBCOMMANDS.items()])


def load(name: str) -> Any:
    """The command object of a subcommand; ends the program in one sentence if its libraries are not installed."""
    entry = SUBCOMMANDS[name]
    try:
        found = getattr(import_module(entry.module), entry.name)
    except ModuleNotFoundError as error:
        typer.echo(f"yardmaster {name}: {error}; {BOX_ONLY}", err=True)
        raise typer.Exit(1) from error
    if not isinstance(found, typer.Typer):
        function, found = found, plain_app()
        found.command(name, help=function.__doc__ or entry.summary)(function)
    return typer.main.get_command(found)


def plain_app(**settings: Any) -> typer.Typer:
    """A Typer application as all of ours are: plain help, ordinary tracebacks, no shell completion."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, **settings)


def installed_version() -> str:
    """Version of this installation, `unknown` when run from files alone."""
    try:
        return version("yardmaster")
    except PackageNotFoundError:
        return "unknown"


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"yardmaster {installed_version()}")
        raise typer.Exit


app = plain_app(cls=Lazy, no_args_is_help=True, help="Yardmaster, an on-premise fleet controller.")


@app.callback()
def main(
    *,
    version_: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and exit.",
            is_eager=True,
            callback=lambda value: _print_version(wanted=value),
        ),
    ] = False,
) -> None:
    """Yardmaster, an on-premise fleet controller."""


def run() -> None:
    """Entry point of the console command."""
    # Output that goes to a file or pipe must not fail on the robot names of a floor.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app(prog_name="yardmaster")


if __name__ == "__main__":
    run()
