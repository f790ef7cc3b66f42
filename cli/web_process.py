"""The web as a process of the box: granian with one worker, which ends when its supervisor does."""

import json
import logging
import os
import resource
import signal
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from cli.parts import die_with
from config import garbage
from config.logs import Json, Plain, set_up

KILL_AFTER_S = 3
"""Open streams would hold up the end of the worker for ever."""
HEADERS_MS = 15_000
"""A connection that has said no whole request for so long is ended, also one at rest."""
CONNECTIONS = 4096
"""Further ones wait outside, so nobody gets in while one machine holds them all; each is a file, and may be fewer."""
VARIABLE = "YARDMASTER_WEB_SERVER"
_MAIN_VARIABLE = "YARDMASTER_WEB_MAIN"


@dataclass(frozen=True)
class ServerSettings:
    """Where the server listens, how many threads it has, how it logs; checked by whoever writes it.

    Plain, because granian's main process does nothing but watch the worker: all that it imports is memory for nothing.
    """

    host: str
    port: int
    threads: int
    log_level: str
    log_format: Literal["plain", "json"]
    certificate: str | None = None
    key: str | None = None
    """Files for TLS; None: plain HTTP."""

    def environment(self) -> dict[str, str]:
        """As the process reads it."""
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServerSettings":
        """Read what `environment` wrote; raises `KeyError`, `ValueError` or `TypeError`."""
        return cls(**json.loads(environment[VARIABLE]))


def application() -> Any:
    """What the worker serves; the worker dies with granian's main process, which would else leave it behind."""
    die_with(int(os.environ[_MAIN_VARIABLE]), signal.SIGKILL)
    settings = ServerSettings.from_environment(os.environ)
    set_up("web", settings.log_level, settings.log_format)
    from web.serve import app

    garbage.rarely()
    return app


def main() -> None:
    """Serve until SIGTERM or the end of standard input."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, SSLProtocols
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    settings = ServerSettings.from_environment(os.environ)
    set_up("web", settings.log_level, settings.log_format)
    os.environ[_MAIN_VARIABLE] = str(os.getpid())
    threading.Thread(target=_end_at_close, daemon=True, name="supervisor").start()
    Granian(
        "cli.web_process:application",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=1,
        respawn_failed_workers=False,  # this process ends with its worker, and the supervisor counts that
        blocking_threads=settings.threads,
        backpressure=_connections(),
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_MS),
        workers_kill_timeout=KILL_AFTER_S,
        log_level=LogLevels.error,  # it warns about 320 threads, which are meant
        ssl_cert=Path(settings.certificate) if settings.certificate else None,
        ssl_key=Path(settings.key) if settings.key else None,
        ssl_protocol_min=SSLProtocols.tls12,
        log_dictconfig=_log_config(settings),
    ).serve()


def _connections() -> int:
    """How many connections may be open, by the files that this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(soft, 4 * CONNECTIONS if hard == resource.RLIM_INFINITY else min(4 * CONNECTIONS, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return min(CONNECTIONS, files // 2)


def _end_at_close() -> None:
    while os.read(0, 4096):
        pass  # the supervisor writes nothing; only the end of the pipe matters
    logging.getLogger(__name__).info("the supervisor is gone")
    os.kill(os.getpid(), signal.SIGTERM)


def _log_config(settings: ServerSettings) -> dict[str, Any]:
    """Granian's own lines look like everybody's."""
    line = Json if settings.log_format == "json" else Plain
    return {
        "formatters": {"line": {"()": line, "part": "web"}},
        "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "loggers": {"_granian": {"handlers": ["lines"], "propagate": False}},
    }


if __name__ == "__main__":
    main()
