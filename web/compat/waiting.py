"""Waiting in a request until something has been committed, for as long as the setting `answer_wait_s` allows."""

import threading
from collections.abc import Callable
from typing import TypeVar

from config.clock import steady
from controller.store.queries import Connection, Reader, Watch

Found = TypeVar("Found")
LOOK_EVERY_S = 0.05


def until(reader: Reader, look: Callable[[Connection], Found | None], seconds: float) -> Found | None:
    """What `look` finds, asked anew after each commit; None when it found nothing in that time.

    Raises `Unreadable`.
    """
    watch, pause, end = Watch(reader), threading.Event(), steady() + seconds
    try:
        while True:
            if watch.changed():
                with reader.reading() as db:
                    found = look(db)
                if found is not None:
                    return found
            if steady() >= end:
                return None
            pause.wait(LOOK_EVERY_S)
    finally:
        watch.close()
