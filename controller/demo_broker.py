"""amqtt as a process of its own: the broker of a demo where mosquitto is not installed."""

import asyncio
import os
import signal
import sys
from typing import Any

from amqtt.broker import Broker  # type: ignore[import-untyped]

from config.logs import set_up


def config(address: str) -> dict[str, Any]:
    """One plain listener; everybody may connect, which is why it is a demo."""
    return {
        "listeners": {"default": {"type": "tcp", "bind": address}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }


async def serve(address: str) -> None:
    """Run until SIGTERM, SIGINT or the end of standard input."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    loop.add_reader(sys.stdin.fileno(), _end_at_close, done)
    broker = Broker(config(address))
    await broker.start()
    await done.wait()
    await broker.shutdown()


def _end_at_close(done: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        done.set()


if __name__ == "__main__":
    set_up("broker", "warning")
    asyncio.run(serve(sys.argv[1]))
