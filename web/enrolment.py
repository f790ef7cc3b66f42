"""What a robot is given to show to the broker: a password or a certificate, made here, kept as hash or number."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from config.certificates import CA, FOLDER, Authority, machine_names
from config.credentials import broker_hash, new_password
from config.settings import Address, address
from schemas.views import NewCredential
from web.errors import ApiError
from web.settings import WebSettings

log = logging.getLogger(__name__)


class Made(NamedTuple):
    """What goes to the controller, and what is shown, once."""

    args: dict[str, Any]
    shown: dict[str, Any]


def make(settings: WebSettings, robot: str, kind: str) -> Made:
    """A new credential of this kind; raises `ApiError` where the box's broker does not ask for any such."""
    if not settings.asks_robots:
        raise ApiError("robot.broker", "The broker of this box has its own passwords; they are made there.")
    return _KINDS[kind](settings, robot)


def answer(settings: WebSettings, made: Made, robot: str, without: list[str], host: str) -> NewCredential:
    """All that a robot's agent needs; `host` is how the asker reaches the box."""
    certificate = "certificate" in made.shown
    where = settings.mqtts_certificates if certificate else settings.mqtts
    authority = settings.data_dir / FOLDER / CA
    return NewCredential(
        robot=robot,
        mqtt=settings.mqtt if where is None else _reachable(settings, where, host),
        tls=where is not None,
        authority=authority.read_text(encoding="ascii") if where is not None and settings.own_authority else None,
        without=without,
        **made.shown,
    )


def _password(_settings: WebSettings, _robot: str) -> Made:
    password = new_password()
    return Made({"hash": broker_hash(password)}, {"kind": "password", "password": password})


def _certificate(settings: WebSettings, robot: str) -> Made:
    if settings.mqtts_certificates is None:
        raise ApiError("robot.broker", "This box has no listener for certificates: set mqtts_certificates first.")
    signed = Authority.load(settings.data_dir / FOLDER).for_robot(robot)
    shown = {"kind": "certificate", "certificate": signed.certificate, "key": signed.key}
    return Made({"serial": signed.serial, "expires_at": signed.ends_us}, shown)


_KINDS: dict[str, Callable[[WebSettings, str], Made]] = {"password": _password, "certificate": _certificate}


def _reachable(settings: WebSettings, where: str, host: str) -> str:
    """A listener on all addresses is reached under the name by which the asker calls the box.

    Who asks on the box itself calls it by a name that leads every other machine to itself.
    """
    listens = address(where)
    if listens.host not in ("0.0.0.0", "::"):  # noqa: S104
        return where
    if Address(host, 0).is_loopback:
        host = next(_names_elsewhere(settings), host)
    return str(listens._replace(host=host))


def _names_elsewhere(settings: WebSettings) -> Iterator[str]:
    """By what other machines may call the box: as its owner says, else an address or name that its certificate has."""
    yield from settings.names
    if settings.certificate is None:
        return
    addresses, names = _held(Path(settings.certificate))
    yield from (name for name in machine_names() if name in addresses)
    yield from (name for name in names if "*" not in name and name != "localhost")


def _held(certificate: Path) -> tuple[set[str], list[str]]:
    """Addresses (those of one machine alone left out) and names that a certificate has; none if it is not readable."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        held = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        log.warning("%s does not say how robots may call this box: %s", certificate, error)
        return set(), []
    addresses = {str(one) for one in held.get_values_for_type(x509.IPAddress) if not one.is_loopback}
    return addresses, held.get_values_for_type(x509.DNSName)
