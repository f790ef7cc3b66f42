"""What a robot is given to show to the broker: a password or a certificate, made here, kept as hash or number."""

from collections.abc import Callable
from typing import Any, NamedTuple

from config.certificates import CA, FOLDER, Authority
from config.credentials import broker_hash, new_password
from config.settings import address
from schemas.views import NewCredential
from web.errors import ApiError
from web.settings import WebSettings


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
        mqtt=settings.mqtt if where is None else _reachable(where, host),
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


def _reachable(where: str, host: str) -> str:
    """A listener on all addresses is reached under the name by which the asker calls the box."""
    listens = address(where)
    return str(listens._replace(host=host)) if listens.host in ("0.0.0.0", "::") else where  # noqa: S104
