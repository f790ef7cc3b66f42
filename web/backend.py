"""What the web stands on: the read side, the controller's command socket, and nothing else of the controller."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask import current_app

from controller.client import ControllerDown, NoAnswer
from controller.frames import FrameTooLarge
from controller.store.queries import Reader
from schemas.commands import Answer, Caller
from web.errors import ApiError
from web.live import Live
from web.metrics import WebMetrics
from web.sealing import sealed
from web.settings import WebSettings

EXTENSION = "yardmaster"
EXPORTS = 4
"""Exports under way at a time; each keeps a thread."""
REPLAYED = {"Idempotent-Replayed": "true"}


class Commands(Protocol):
    """The controller, as the web asks it; raises `ControllerDown`, `NoAnswer`, `FrameTooLarge`."""

    def call(
        self,
        command: str,
        args: dict[str, Any] | None = None,
        caller: Caller | None = None,
        key: str | None = None,
    ) -> Answer:
        """Carry out one command and wait for what came of it, after commit."""
        ...


@dataclass(frozen=True)
class Done:
    """A command that was carried out, now or when its key was first used."""

    ok: dict[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Backend:
    """Everything a route may use."""

    settings: WebSettings
    reader: Reader
    commands: Commands
    live: Live
    metrics: WebMetrics
    exports: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(EXPORTS))

    def ask(self, command: str, args: dict[str, Any], caller: Caller, key: str | None = None) -> Done:
        """Have a command carried out, with its secrets sealed; raises `ApiError`."""
        args = sealed(self.reader, self.settings.data_dir, command, args, caller.name, key)
        try:
            answer = self.commands.call(command, args, caller, key)
        except ControllerDown as error:
            message = "The controller does not run; nothing was done."
            raise ApiError("controller.down", message, headers={"Retry-After": "2"}) from error
        except NoAnswer as error:
            message = "The controller did not answer; the outcome is unknown. Ask again with the same key."
            raise ApiError("controller.no_answer", message) from error
        except FrameTooLarge as error:
            raise ApiError("request.size", "The request is too large for the controller.") from error
        headers = REPLAYED if answer.replayed else {}
        if answer.error is not None:
            raise ApiError(answer.error.code, answer.error.message, answer.error.details, headers)
        return Done(answer.ok or {}, headers)

    def query(self, command: str, caller: Caller) -> dict[str, Any] | None:
        """What the controller knows beside the database; None while it does not answer."""
        try:
            return self.ask(command, {}, caller).ok
        except ApiError:
            return None


def backend() -> Backend:
    """That of the present application."""
    found: Backend = current_app.extensions[EXTENSION]
    return found
