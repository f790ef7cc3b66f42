"""`yardmaster serve`: starts the parts of the box in order, keeps them running, and ends them in the opposite order."""

import http.client
import logging
import os
import socket
import ssl
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from cli.box_key import check_key
from cli.broker_part import (
    STATION,
    OwnClients,
    as_host,
    broker_part,
    check_doors,
    controller_environment,
    http_files,
    own_clients,
    show_certificate,
    with_broker,
)
from cli.chores import chores
from cli.hearing import ANSWER_S, Hearing
from cli.parts import Part
from cli.people import demo_account, first_admin, own_token, show_first_password
from cli.probes import free_port, port_trouble
from cli.renewal import renewal
from cli.supervisor import NotStarted, Supervisor
from cli.web_process import ServerSettings
from config.certificates import machine_names
from config.clock import steady
from config.logs import set_up
from config.sealing import BadKey
from config.settings import FLAGS, Address, BadSettings, ServeSettings, address, load
from controller.ballast import give_up_for, is_for_want_of_room
from controller.client import Client, ControllerDown, NoAnswer
from controller.direct import check
from controller.doors import broker_plan
from controller.lock import DataInUse, DataLock
from controller.owner import become_owner
from controller.restoring import forget_unbegun, interrupted
from controller.store.connection import StoreTooNew
from controller.store.failures import is_fatal, is_of_store
from controller.store.pages import DAMAGED, Damaged
from controller.store.queries import Unreadable
from web.settings import LOOPBACK, WebSettings
from web.settings import VARIABLE as WEB_VARIABLE

log = logging.getLogger(__name__)

REFUSED, USAGE = 1, 2
_EXPECTED = (DataInUse, NotStarted, BadKey, Unreadable, Damaged, OSError)
PORT_PATIENCE_S = 5.0
"""The parts of a supervisor that was killed need a moment to notice."""
PROBE_S = 1.0


def serve(
    data_dir: Annotated[Path | None, typer.Option(help="Folder of all that the box keeps.")] = None,
    http: Annotated[str | None, typer.Option(help="HOST:PORT of console and API; port 0: a free one.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="HOST:PORT for robots; port 0: a free one.")] = None,
    broker: Annotated[str | None, typer.Option(help="auto, mosquitto, amqtt or external.")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Write addresses and processes here when all is up.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings (docs/settings.md).")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="plain or json.")] = None,
) -> None:
    """Run the box: broker, controller, web and a station agent."""
    flags = {"data_dir": data_dir, "http": http, "mqtt": mqtt, "broker": broker}
    try:
        settings = load(config, **flags, log_level=log_level, log_format=log_format)
    except BadSettings as bad:
        typer.echo("\n".join(f"error: {line}" for line in bad.lines), err=True)
        raise typer.Exit(USAGE) from bad
    set_up("serve", settings.log_level, settings.log_format)
    raise typer.Exit(run(settings, ready_file))


def run(settings: ServeSettings, ready_file: Path | None = None) -> int:
    """Supervise until SIGTERM or SIGINT; the exit code."""
    os.umask(0o077)  # the box's data, hashes of passwords among them, are for its own user only
    settings = settings.model_copy(update={"data_dir": settings.data_dir.resolve()})
    try:
        try:
            _supervise(settings, ready_file)
        except Exception as error:
            if not give_up_for(error, settings.data_dir):
                raise
            _supervise(settings, ready_file)
    except Exception as error:
        said = _sentence(error, settings.data_dir)
        if said is None:
            raise
        typer.echo(f"error: {said}", err=True)
        return DAMAGED if isinstance(error, Damaged) or is_fatal(error) else REFUSED
    return 0


def _supervise(settings: ServeSettings, ready_file: Path | None) -> None:
    """One box from its lock to its end; raises what keeps it from starting."""
    with ExitStack() as closing:
        become_owner(settings.data_dir)
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = DataLock.take(settings.data_dir / "broker", holder="yardmaster serve")
        closing.callback(lock.release)
        check_restored(settings.data_dir)
        settings = _with_ports(with_broker(settings))
        check(settings.data_dir, settings.check_start_s)
        _let_people_in(settings)
        check_doors(settings)
        show_certificate(settings)
        check_key(settings.data_dir, settings.data_dir / "yardmaster.db")
        files = [settings.data_dir / "ready.json"] + ([ready_file] if ready_file else [])
        made = parts(settings)
        Supervisor(made, settings, files, [*chores(settings), *renewal(settings, made)]).run()


def _sentence(error: Exception, data_dir: Path) -> str | None:
    """What keeps the box from starting, for people; None: a defect."""
    if is_for_want_of_room(error, data_dir):
        return f"there is no room left on the disk of {data_dir}: make some ({error})"
    if isinstance(error, StoreTooNew):
        return f"the database in {data_dir} was {error}"
    if is_of_store(error):
        return f"the database in {data_dir} cannot be worked with: {error}"
    return str(error) if isinstance(error, _EXPECTED) else None


def check_restored(data_dir: Path) -> None:
    """Raises `NotStarted` where a restore was cut off: what is there is neither the old box nor the new one."""
    if interrupted(data_dir):
        raise NotStarted(f"a restore into {data_dir} was cut off: run `yardmaster restore` again")
    forget_unbegun(data_dir)


def _let_people_in(settings: ServeSettings) -> None:
    """A new box gets its administrator; the command line on this machine gets its token."""
    password = first_admin(settings.data_dir)
    if password is not None:  # at once: it is stored, and whatever fails from here on must not swallow it
        show_first_password(password)
    own_token(settings.data_dir)
    if settings.demo:
        demo_account(settings.data_dir)


def parts(settings: ServeSettings) -> list[Part]:
    """The parts of the box, in the order of their start."""
    own = own_clients(settings)
    broker = [] if settings.broker == "external" else [broker_part(settings, own, lambda: _listens(settings.mqtt_at))]
    station = [_station(settings, own.passwords.get(STATION))] if settings.station else []
    return [*broker, _controller(settings, own), _web(settings), *station]


def _controller(settings: ServeSettings, own: OwnClients) -> Part:
    command = [sys.executable, "-m", "controller.app"]
    client = Client(settings.data_dir, timeout_s=PROBE_S)
    own_broker = settings.broker != "external"  # of an external one the box can only wait to hear
    environment = controller_environment(settings, own)
    patient = Client(settings.data_dir, timeout_s=ANSWER_S)
    return Part(
        "controller",
        command,
        environment,
        lambda: _decides(client, with_broker=own_broker),
        grace_s=10,
        is_starting=lambda: _is_away(client),
        hearing=Hearing(lambda: _decides(patient, with_broker=False)),
    )


def _web(settings: ServeSettings) -> Part:
    near = settings.http_at.is_loopback and not settings.behind_proxy
    hosts = (settings.http_at.host, *settings.names, *(() if near else machine_names()))
    mqtt_tls = broker_plan(settings, {}).tls
    web = WebSettings(
        settings.data_dir,
        tuple(dict.fromkeys((*LOOPBACK, *map(as_host, hosts)))),
        settings.web_threads,
        own_addresses=not near,
        zone=settings.time_zone,
        project_id=settings.project_id,
        answer_wait_s=settings.answer_wait_s,
        force_s=settings.force_s,
        demo=settings.demo,
        mqtt=settings.mqtt,
        mqtts=settings.mqtts,
        mqtts_certificates=settings.mqtts_certificates,
        names=settings.names,
        certificate=None if mqtt_tls is None else str(mqtt_tls.certificate),
        asks_robots=settings.broker == "mosquitto",
        own_authority=settings.tls_certificate is None,
        behind_proxy=settings.behind_proxy,
    )
    certificate, key = http_files(settings)
    server = ServerSettings(
        *settings.http_at, settings.web_threads, settings.log_level, settings.log_format, certificate, key
    )
    environment = {WEB_VARIABLE: web.to_json()} | server.environment()
    command = [sys.executable, "-m", "cli.web_process"]
    hearing = Hearing(lambda: _answers(settings.url, ANSWER_S))
    return Part("web", command, environment, lambda: _answers(settings.url), grace_s=8, hearing=hearing)


def _station(settings: ServeSettings, password: str | None) -> Part:
    folder = settings.data_dir / "agents" / "station"
    command = [sys.executable, "-m", "cli.main", "agent", "station", "--kind", "station", "--queue", "station"]
    command += ["--driver", "none", "--mqtt", settings.mqtt, "--data-dir", str(folder)]
    command += ["--topic-prefix", settings.topic_prefix]
    command += ["--log-level", settings.log_level, "--log-format", settings.log_format]
    client = Client(settings.data_dir)
    environment = {} if password is None else {"YARDMASTER_AGENT_PASSWORD": password}
    return Part("station", command, environment, is_up=lambda: _declare_station(client), grace_s=10)


# ------------------------------------------------------------ addresses
def _with_ports(settings: ServeSettings) -> ServeSettings:
    """Free ports in the place of 0, and a sentence about those that are taken."""
    chosen = {"http": _choose("http", settings.http_at)}
    if settings.broker != "external":
        chosen["mqtt"] = _choose("mqtt", settings.mqtt_at)
    for option in ("mqtts", "mqtts_certificates"):
        given = getattr(settings, option)
        if given is not None:
            chosen[option] = _choose(option, address(given))
    return settings.model_copy(update=chosen)


def _choose(option: str, where: Address) -> str:
    if where.port == 0:
        return str(where._replace(port=free_port()))
    limit = steady() + PORT_PATIENCE_S
    while (trouble := port_trouble(where)) is not None:
        if steady() >= limit:
            name = f"--{option}" if option in FLAGS else option
            raise NotStarted(f"{where} cannot be used ({trouble}); choose another port by {name}, 0: a free one")
        time.sleep(0.1)
    return str(where)


# ------------------------------------------------------------ is it up?
def _listens(where: Address) -> bool:
    try:
        socket.create_connection(where, timeout=PROBE_S).close()
    except OSError:
        return False
    return True


def _decides(client: Client, *, with_broker: bool) -> bool:
    try:
        health = client.call("system.health").ok
    except (ControllerDown, NoAnswer):
        return False
    return health is not None and (not with_broker or health["parts"]["broker"]["state"] == "ok")


def _is_away(client: Client) -> bool:
    """It has not opened its door yet, which it does when it has brought its database up to date."""
    try:
        client.call("system.health")
    except ControllerDown:
        return True
    except NoAnswer:
        return False
    return False


def _declare_station(client: Client) -> bool:
    """The box's own station is no stranger, whatever `auto_accept` says; what people changed about it stays."""
    try:
        known = (client.call("robot.live").ok or {}).get("robots", {})
        if "station" not in known:
            client.call("robot.put", {"robot": "station", "kind": "station", "queues": ["station"]})
    except (ControllerDown, NoAnswer):
        return False
    return True


def _answers(url: str, within_s: float = PROBE_S) -> bool:
    """Whoever answers at our own port is our own server; its certificate is for others to check."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=within_s, context=ssl._create_unverified_context())  # noqa: S323, SLF001
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=within_s)
    )
    try:
        connection.request("GET", "/api/v1/health", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status in (200, 503)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
