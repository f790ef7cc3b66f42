"""The broker as a part of the box: which one, who may come in, and the certificates that it and the web show."""

import json
import logging
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from cli.parts import Part
from cli.probes import find_mosquitto
from cli.supervisor import NotStarted
from config import issued
from config.certificates import CA, FOLDER, Authority, fingerprint, machine_names
from config.credentials import broker_hash
from config.settings import PART_VARIABLE, ServeSettings, address
from controller.broker import (
    AMQTT_LIMITS,
    CONFIG,
    CONTROLLER,
    BrokerPlan,
    Robots,
    amqtt_command,
    mosquitto_command,
    write_config,
)
from controller.direct import DATABASE
from controller.doors import OWN_VARIABLE, broker_plan, let_in, note_start, remember, was_locked, write_revoked
from controller.store import credentials
from controller.store.queries import Reader, Unreadable

log = logging.getLogger(__name__)

STATION = "station"


def with_broker(settings: ServeSettings) -> ServeSettings:
    """Settings that name the broker which is there; raises `NotStarted`."""
    if settings.broker not in ("auto", "mosquitto"):
        return settings
    if find_mosquitto() is not None:
        return settings.model_copy(update={"broker": "mosquitto"})
    if settings.broker == "mosquitto" or settings.locks_mqtt:
        raise NotStarted("mosquitto was not found: install it, or name it in YARDMASTER_MOSQUITTO")
    return settings.model_copy(update={"broker": "amqtt"})


class OwnClients(NamedTuple):
    """What the box's own clients show to its broker, and what the broker knows of it, by user name."""

    passwords: Mapping[str, str]
    hashes: Mapping[str, str]


def own_clients(settings: ServeSettings) -> OwnClients:
    """The controller and the station; their passwords are new at each start, and on no disk but as hashes."""
    names = (CONTROLLER, *([STATION] if settings.station else [])) if settings.broker == "mosquitto" else ()
    passwords = {name: secrets.token_urlsafe(32) for name in names}
    return OwnClients(passwords, {name: broker_hash(password) for name, password in passwords.items()})


def broker_part(settings: ServeSettings, own: OwnClients, is_up: Callable[[], bool]) -> Part:
    """The process of the box's own broker."""
    program = find_mosquitto()
    if settings.broker == "amqtt" or program is None:
        log.warning(AMQTT_LIMITS)
        return Part("broker", amqtt_command(settings.mqtt_at), is_up=is_up)
    plan = broker_plan(settings, own.hashes)
    return Part("broker", mosquitto_command(program, plan.folder), is_up=is_up, prepare=lambda: prepare(settings, plan))


def prepare(settings: ServeSettings, plan: BrokerPlan) -> None:
    """Write all that mosquitto reads, before each start of it; raises `NotStarted` or `OSError` at the first one.

    Later what was written before has to do: a full disk is no reason for a box without a broker.
    """
    is_new = not (plan.folder / CONFIG).exists()
    for write in (_write_rules, _write_certificates):
        try:
            write(settings, plan)
        except (NotStarted, OSError) as error:
            if is_new:
                raise
            log.error("the broker starts with what was written for it before: %s", error)


def _write_rules(settings: ServeSettings, plan: BrokerPlan) -> None:
    """Who may come in; only the box's own clients if that cannot be read: the controller says more when it can."""
    robots: Robots = []
    try:
        with _database(settings).reading() as db:
            robots = let_in(plan, db, locked=settings.locks_mqtt)
            remember(plan, db)
    except Unreadable as error:
        log.error("who may come in cannot be read: %s", error)
    write_config(plan, robots)


def _write_certificates(settings: ServeSettings, plan: BrokerPlan) -> None:
    make_certificates(settings)
    try:
        with _database(settings).reading() as db:
            note_start(plan, write_revoked(plan, db))
    except Unreadable as error:
        log.error("which certificates were revoked cannot be read: %s", error)
    except ValueError as error:
        raise NotStarted(f"the list of revoked certificates cannot be made: {error}") from error


def _database(settings: ServeSettings) -> Reader:
    return Reader(settings.data_dir / DATABASE)


def check_doors(settings: ServeSettings) -> None:
    """A door that was locked stays so: raises `NotStarted` where the broker cannot ask for credentials.

    Call it when the database is there and up to date.
    """
    if settings.broker != "amqtt":
        return
    with _database(settings).reading() as db:
        locked = was_locked(settings.data_dir, db)
    if locked:
        raise NotStarted(
            "robots of this box have credentials, and the broker for demonstrations cannot ask for them: anybody could"
            " come in. Install mosquitto (or name it in YARDMASTER_MOSQUITTO), and leave `broker` at auto or mosquitto"
        )


def make_certificates(settings: ServeSettings, *, renew: bool = False) -> None:
    """The box's own certificate, where one is needed and none was given; `renew`: under the names that it has.

    Raises `NotStarted`.
    """
    if not settings.uses_own_authority and settings.mqtts_certificates is None:
        return
    try:
        authority = _authority(settings)
        if settings.uses_own_authority:
            authority.for_box(() if renew else _names(settings))
    except (OSError, ValueError) as error:
        raise NotStarted(f"the certificate of the box cannot be made or read: {error}") from error


def _names(settings: ServeSettings) -> list[str]:
    listeners = (settings.http, settings.mqtts, settings.mqtts_certificates)
    return machine_names((*settings.names, *(address(where).host for where in listeners if where is not None)))


def _authority(settings: ServeSettings) -> Authority:
    """The box's own; one from a clock that was ahead is made anew as long as no robot has a certificate of it."""
    authority = Authority.load(settings.data_dir / FOLDER)
    wrong = authority.trouble()
    if wrong is None:
        return authority
    if authority.is_too_early and not _robots_have_certificates(settings):
        log.warning("%s: it is made anew; whoever trusted it has to trust the new one", wrong)
        return authority.anew()
    log.error(
        "%s: NO ROBOT AND NO BROWSER WILL BELIEVE THIS BOX. Put the clock right; if it is right, end the box, remove"
        " %s, start it, and give every robot that uses TLS a new credential (`robot enrol`)",
        wrong, authority.folder,
    )  # fmt: skip
    return authority


def _robots_have_certificates(settings: ServeSettings) -> bool:
    """As far as anybody knows; a database that cannot be read may know of some."""
    try:
        with _database(settings).reading() as db:
            return bool(issued.serials(settings.data_dir / FOLDER) or credentials.certificates(db))
    except Unreadable as error:
        log.error("whether robots have certificates cannot be read: %s", error)
        return True


def http_files(settings: ServeSettings) -> tuple[str | None, str | None]:
    """Certificate and key that the web server shows, if it speaks TLS."""
    if not settings.serves_tls:
        return None, None
    plan = broker_plan(settings, {})
    if plan.tls is None:
        return None, None
    return str(plan.tls.certificate), str(plan.tls.key)


def show_certificate(settings: ServeSettings) -> None:
    """Make it where it is needed, and say by what people and robots recognise it."""
    make_certificates(settings)
    if not settings.uses_own_authority:
        return
    certificate = settings.data_dir / FOLDER / CA
    sys.stderr.write(
        f"This box has made its own certificate. Whoever trusts {certificate} knows the box by it.\n"
        f"  SHA-256 of the authority: {_mark(certificate)}\n"
        f"  SHA-256 of the box:       {_mark(certificate.with_name('box.pem'))}\n"
    )


def _mark(certificate: Path) -> str:
    try:
        return fingerprint(certificate)
    except (OSError, ValueError) as error:
        raise NotStarted(f"{certificate} cannot be read: {error}") from error


def controller_environment(settings: ServeSettings, own: OwnClients) -> dict[str, str]:
    """What the controller is told: the settings, its own password, and the hashes that it keeps for the broker."""
    password = own.passwords.get(CONTROLLER)
    if password is not None:
        settings = settings.model_copy(update={"broker_password": SecretStr(password)})
    return {PART_VARIABLE: settings.model_dump_json(), OWN_VARIABLE: json.dumps(dict(own.hashes))}


def as_host(name: str) -> str:
    """A name or address as browsers write it into `Host`."""
    return f"[{name}]" if ":" in name else name
