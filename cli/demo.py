"""The demonstration: a box, a simulated factory and work for it; with --once a scripted scenario that is judged."""

import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cli import show
from cli.client import Client, Refused
from cli.main import plain_app
from cli.scenario import Row, perform
from cli.stage import NotReady, Stage, all_there, save_deployments, save_floor, save_flows, save_schedules
from config.fleet import read_fleet

EXAMPLES = Path(__file__).parent / "examples"
FACTORY, ONCE = EXAMPLES / "factory", EXAMPLES / "once"
ROBOTS_S = 45.0
QUICK = {"YARDMASTER_RETRY_FIRST_S": "0.2", "YARDMASTER_RETRY_MAX_S": "1"}
"""Nobody wants to watch a back-off."""
FAILED = 1
HTTP_PORT, MQTT_PORT, ANY_PORT = 8080, 1883, "127.0.0.1:0"

app = plain_app(help=__doc__)


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Play a scripted scenario, judge it, and end.")] = False,
    http: Annotated[
        str | None, typer.Option("--http", help="HOST:PORT of console and API; else port 8080, or a free one.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Where the box keeps its data; else var/demo, or a new folder.")
    ] = None,
    speed: Annotated[float | None, typer.Option("--speed", help="How many times faster than life.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which work comes.")] = 1,
) -> None:
    """Run a box and a simulated factory on this machine until Ctrl-C."""
    # Both ways of being told to end go through the same door, so that the processes are always ended in order.
    # (A shell starts what it puts into the background with SIGINT ignored, so that is set as well.)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        if once:
            code = play_once(data_dir, http or ANY_PORT, speed)
        else:
            code = run(data_dir or Path("var/demo"), http or usual_address(HTTP_PORT), speed, seed)
    except (NotReady, Refused) as error:
        typer.echo(f"error: {error}", err=True)
        code = FAILED
    except KeyboardInterrupt:
        typer.echo("\nended", err=True)
        code = 0
    raise typer.Exit(code)


def usual_address(port: int) -> str:
    """Where a box usually is, unless somebody else is there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return ANY_PORT
    return f"127.0.0.1:{port}"


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(data_dir: Path, http: str, speed: float | None, seed: int) -> int:
    """The example factory, with work that does not end."""
    stage = Stage(data_dir, FACTORY / "fleet.toml", http=http, mqtt=usual_address(MQTT_PORT), speed=speed)
    with stage, stage.client() as client:
        save_floor(client, FACTORY / "fleet.toml")
        stage.wait_for(all_there(client, FACTORY / "fleet.toml"), ROBOTS_S, "all robots are there")
        flows = save_flows(client, FACTORY / "flows")
        deployments = save_deployments(client, FACTORY / "deployments.json")
        schedules = save_schedules(client, FACTORY / "schedules.json")
        made = f"{flows} flows, {deployments} deployments, {schedules} schedules"
        typer.echo(f"{made}, and a factory full of robots")
        typer.echo(f"\n  open  {stage.url}\n\nand press 'Enter the demonstration'; nobody needs a password here.")
        typer.echo("Ctrl-C ends it. From another terminal, for example:")
        typer.echo(f"  {Path(sys.executable).with_name('yardmaster')} job list --limit 10 --data-dir {data_dir}")
        typer.echo(f"Robots of your own connect to {stage.mqtt} (MQTT).")
        usual = read_fleet(FACTORY / "fleet.toml").speed
        _keep_busy(stage, client, seed, tick_s=usual / (speed or usual))
    return _nothing_left(stage)


def _keep_busy(stage: Stage, client: Client, seed: int, tick_s: float) -> None:
    from cli.workload import next_submissions

    dice, tick = random.Random(seed), 0  # noqa: S311 - a demonstration that can be repeated
    while True:
        stage.check_alive()
        for body in next_submissions(dice, tick):
            try:
                client.post("/jobs", body)
            except Refused as refused:
                typer.echo(f"refused: {refused.message}", err=True)
        tick += 1
        time.sleep(tick_s)


def play_once(data_dir: Path | None, http: str, speed: float | None) -> int:
    """The scripted scenario; the exit code says whether all came out as it must."""
    folder = data_dir or Path(tempfile.mkdtemp(prefix="yardmaster-demo-"))
    began = time.monotonic()
    stage = Stage(folder, ONCE / "fleet.toml", http=http, speed=speed)
    stage.settings = QUICK
    with stage, stage.client() as client:
        typer.echo(f"a box at {stage.url}, its data in {folder}")
        save_floor(client, ONCE / "fleet.toml")
        save_flows(client, ONCE / "flows")
        stage.wait_for(all_there(client, ONCE / "fleet.toml"), ROBOTS_S, "all robots are there")
        rows, worth_a_look = perform(client, stage)
        _print(rows)
        show.heading("one of them, block by block")
        show.results(client.get(f"/jobs/{worth_a_look}/results", iterations="all"))
    good = all(row.is_good for row in rows) and _nothing_left(stage) == 0
    jobs = sum(row.jobs for row in rows)
    typer.echo(
        f"\n{jobs} jobs in {time.monotonic() - began:.0f} s: {'all as they must' if good else 'NOT as they must'}"
    )
    if good and data_dir is None:
        shutil.rmtree(folder)
    elif not good:
        typer.echo(f"data and logs are kept in {folder}", err=True)
    return 0 if good else FAILED


def _print(rows: list[Row]) -> None:
    cells = [("ok" if row.is_good else "WRONG", row.what, row.jobs, row.expected, row.got) for row in rows]
    show.table(("", "what", "jobs", "expected", "got"), cells)


def _nothing_left(stage: Stage) -> int:
    for process in stage.left_behind:
        typer.echo(f"left behind and killed: {process}", err=True)
    return FAILED if stage.left_behind else 0


if __name__ == "__main__":
    app(prog_name="demo")
