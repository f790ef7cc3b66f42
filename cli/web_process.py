"""The web as a process of the box: granian with one worker, which ends when its supervisor does."""

import logging
import os
import signal
import threading
from typing import Any

from cli.parts import die_with
from config.logs import Json, Plain, set_up
from config.settings import ServeSettings, from_supervisor

KILL_AFTER_S = 3
"""Open streams would hold up the end of the worker for ever."""
_MAIN_VARIABLE = "YARDMASTER_WEB_MAIN"


def application() -> Any:
    """What the worker serves; the worker dies with granian's main process, which would else leave it behind."""
    die_with(int(os.environ[_MAIN_VARIABLE]), signal.SIGKILL)
    settings = from_supervisor()
    set_up("web", settings.log_level, settings.log_format)
    from web.serve import app

    return app


def main() -> None:
    """Serve until SIGTERM or the end of standard input."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels

    settings = from_supervisor()
    set_up("web", settings.log_level, settings.log_format)
    os.environ[_MAIN_VARIABLE] = str(os.getpid())
    threading.Thread(target=_end_at_close, daemon=True, name="supervisor").start()
    Granian(
        "cli.web_process:application",
        factory=True,
        address=settings.http_at.host,
        port=settings.http_at.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=1,
        blocking_threads=settings.web_threads,
        workers_kill_timeout=KILL_AFTER_S,
        log_level=LogLevels.error,  # it warns about 320 threads, which are meant
        log_dictconfig=_log_config(settings),
    ).serve()


def _end_at_close() -> None:
    while os.read(0, 4096):
        pass  # the supervisor writes nothing; only the end of the pipe matters
    logging.getLogger(__name__).info("the supervisor is gone")
    os.kill(os.getpid(), signal.SIGTERM)


def _log_config(settings: ServeSettings) -> dict[str, Any]:
    """Granian's own lines look like everybody's."""
    line = Json if settings.log_format == "json" else Plain
    return {
        "formatters": {"line": {"()": line, "part": "web"}},
        "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "loggers": {"_granian": {"handlers": ["lines"], "propagate": False}},
    }


if __name__ == "__main__":
    main()
