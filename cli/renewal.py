"""Certificates of a box that runs for years: made anew in time, and shown by broker and web as soon as they change."""

import hashlib
import logging
import math
import signal
import ssl
from pathlib import Path

from cli.broker_part import make_certificates
from cli.parts import Part
from cli.supervisor import NotStarted
from config.clock import steady
from config.settings import ServeSettings
from controller.broker import BrokerPlan, tell_mosquitto
from controller.doors import AGAIN_S, broker_plan

log = logging.getLogger(__name__)

LOOK_EVERY_S = 3600.0


class Renewal:
    """Looks once an hour whether the box shows the certificate that it should; `web` is restarted for a new one."""

    def __init__(self, settings: ServeSettings, plan: BrokerPlan, web: Part | None) -> None:
        self._settings, self._plan, self._web = settings, plan, web
        self._shown = self._mark()
        self._look_at, self._again_at = steady() + LOOK_EVERY_S, math.inf

    def due_in(self) -> float:
        """Seconds until something is to be done."""
        return max(0.0, min(self._look_at, self._again_at) - steady())

    def look(self) -> None:
        """Do what is due; what goes wrong is logged, and tried again at the next look."""
        if steady() >= self._again_at:
            self._again_at = math.inf
            tell_mosquitto(self._plan.folder, signal.SIGHUP)
        if steady() >= self._look_at:
            self._look_at = steady() + LOOK_EVERY_S
            try:
                make_certificates(self._settings, renew=True)
                self._show()
            except (NotStarted, OSError) as error:
                log.error("the certificate of the box cannot be renewed, which is tried again: %s", error)

    def stop(self) -> None:
        """Nothing is under way."""

    def _show(self) -> None:
        """Only a pair that fits: of a replaced one the key may not be there yet."""
        mark = self._mark()
        tls = self._plan.tls
        if mark == self._shown or tls is None:
            return
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
        log.warning("the box has another certificate: the broker reads it, and the web is started again")
        if tell_mosquitto(self._plan.folder, signal.SIGHUP):
            self._again_at = steady() + AGAIN_S
        if self._web is not None:
            self._web.stop()
        self._shown = mark

    def _mark(self) -> str | None:
        """A hash over certificate and key; None: they are not there."""
        tls = self._plan.tls
        files: tuple[Path, ...] = () if tls is None else (tls.certificate, tls.key)
        try:
            return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
        except FileNotFoundError:
            return None


def renewal(settings: ServeSettings, parts: list[Part]) -> list[Renewal]:
    """For a box that shows any certificate; its `parts` as they were made."""
    if not settings.serves_tls and settings.mqtts is None and settings.mqtts_certificates is None:
        return []
    web = next((part for part in parts if part.name == "web"), None) if settings.serves_tls else None
    return [Renewal(settings, broker_plan(settings, {}), web)]
