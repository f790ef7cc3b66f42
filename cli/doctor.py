"""`yardmaster doctor`: is this machine fit to run a box? Each line is a value, its limit and the remedy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from cli import checks, probes
from cli.checks import Finding
from cli.client import READY, REFUSED, USAGE
from config.settings import Address, BadSettings, ServeSettings, load

Check = Callable[[ServeSettings], Finding]


def _sync(settings: ServeSettings) -> Finding:
    if probes.write_trouble(settings.data_dir):
        return Finding("disk sync", "bad", "not measured", f"at most {checks.SYNC_LIMIT_MS:g} ms", "see data directory")
    try:
        return checks.disk_sync(probes.sync_ms(settings.data_dir))
    except OSError as error:  # a full disk, or one that fails: the other checks go on
        why = f"not measured: {error.strerror or error}"
        return Finding("disk sync", "bad", why, f"at most {checks.SYNC_LIMIT_MS:g} ms", "make room, or mend the disk")


def _broker(settings: ServeSettings) -> Finding:
    if settings.broker == "external":
        return Finding("broker", "note", f"external, at {settings.mqtt}", "not checked", "it is in your care")
    path = probes.find_mosquitto()
    version = probes.mosquitto_version(path) if path else None
    usable = path is not None and version is not None
    return checks.broker(path, version, probes.mosquitto_trouble(path) if path and usable else None)


def _clock(_: ServeSettings) -> Finding:
    seen = probes.clocks()
    return checks.clock(seen.year, seen.steady_s, seen.wall_s, synchronised=probes.synchronised())


def _port(name: str, address: Address, settings: ServeSettings) -> Finding:
    if address.port == 0:
        return Finding(f"{name} port", "good", "any free one", "free")
    trouble = probes.port_trouble(address)
    return checks.port(name, str(address), trouble, ours=trouble is not None and _runs_here(settings))


def _runs_here(settings: ServeSettings) -> bool:
    return probes.running_box(settings.data_dir / READY)


def _mqtt_port(settings: ServeSettings) -> Finding:
    if settings.broker == "external":
        return Finding("mqtt port", "good", f"{settings.mqtt} is the external broker's", "-")
    return _port("mqtt", settings.mqtt_at, settings)


CHECKS: tuple[Check, ...] = (
    lambda settings: checks.writable(str(settings.data_dir), probes.write_trouble(settings.data_dir)),
    _sync,
    lambda settings: checks.free_space(str(settings.data_dir), probes.free_bytes(settings.data_dir)),
    lambda _: checks.sqlite(probes.sqlite_version()),
    _broker,
    _clock,
    lambda settings: _port("http", settings.http_at, settings),
    _mqtt_port,
    lambda _: checks.open_files(probes.file_limit()),
)
SIGNS = {"good": "ok  ", "note": "note", "bad": "BAD "}


def doctor(
    *,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Folder the box keeps its data in.")] = None,
    http: Annotated[str | None, typer.Option("--http", help="HOST:PORT of console and API.")] = None,
    mqtt: Annotated[str | None, typer.Option("--mqtt", help="HOST:PORT where robots connect.")] = None,
    broker: Annotated[str | None, typer.Option("--broker", help="auto, mosquitto, amqtt or external.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Settings file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON, for machines.")] = False,
) -> None:
    """Check this machine: disk, SQLite, broker, clock, ports, limits; exit 1 if one is bad."""
    try:
        settings = load(config, data_dir=data_dir, http=http, mqtt=mqtt, broker=broker)
    except BadSettings as error:
        for line in error.lines:
            typer.echo(f"error: {line}", err=True)
        raise typer.Exit(USAGE) from error
    findings = [check(settings) for check in CHECKS]
    if as_json:
        typer.echo(json.dumps({"items": [finding._asdict() for finding in findings]}, ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            _print(finding)
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(REFUSED)


def _print(finding: Finding) -> None:
    typer.echo(f"{SIGNS[finding.verdict]}  {finding.check}: {finding.value} ({finding.limit})")
    if finding.remedy:
        typer.echo(f"      {finding.remedy}")
