"""One thread that keeps open screens true: it looks, renders each part once and hands it to all who see it."""

import json
import logging
import threading
import time
from collections.abc import Mapping

from flask import Flask

from controller.store.queries import Unreadable
from web.backend import Backend
from web.console import floor
from web.console.look import Look, Lookout
from web.console.parts import Part, PartKey, write
from web.live import FLEET, Live, News

logger = logging.getLogger(__name__)
EVERY_S = 0.5
RESTS = 4
"""It pauses at least so many times as long as it worked: screens never take more than a fifth of a core."""


class Board:
    """Looks while anybody watches; `look` serves pages too."""

    def __init__(self, app: Flask, backend: Backend, parts: Mapping[str, Part]) -> None:
        self._app, self._live, self.parts = app, backend.live, parts
        self._lookout = Lookout(backend)
        self._shown: dict[PartKey, str] = {}
        self._fleet = ""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self) -> Look:
        """What is known now; raises `Unreadable`."""
        return self._lookout.look()

    def wake(self) -> None:
        """Somebody watches: begin, unless it runs."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="board", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            with self._lock:
                if not self._live.watched_parts():
                    self._thread = None
                    self._shown.clear()
                    return
            began = time.thread_time()  # waiting for a controller that does not answer is no work
            try:
                self._show(self.look())
            except Unreadable as error:
                logger.warning("board: %s", error)
            except Exception:
                logger.exception("board: a part could not be written")
            pause.wait(max(EVERY_S, RESTS * (time.thread_time() - began)))

    def _show(self, look: Look) -> None:
        wanted = self._live.watched_parts()
        self._show_fleet(look, FLEET in wanted)
        keys = {key for text in wanted if (key := PartKey.read(text, self.parts)) is not None}
        for gone in set(self._shown) - keys:
            del self._shown[gone]
        with self._app.app_context():
            for key in keys:
                html = write(self.parts[key.name], key, look)
                changed = self._shown.get(key) != html
                self._shown[key] = html
                self._live.hand_part(str(key), _news("part", {"part": str(key), "html": html}), changed=changed)

    def _show_fleet(self, look: Look, wanted: bool) -> None:
        """Positions and the like, as numbers: what moves is drawn by the browser."""
        if not wanted:
            return
        text = json.dumps(floor.fleet(look), separators=(",", ":"), ensure_ascii=False)
        changed, self._fleet = text != self._fleet, text
        self._live.hand_part(FLEET, News("fleet", "parts", None, text), changed=changed)


def _news(name: str, data: dict[str, str]) -> News:
    return News(name, "parts", None, json.dumps(data, ensure_ascii=False))


__all__ = ["Board", "Live"]
