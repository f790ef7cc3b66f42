"""Before a robot's driver: values in the place of references go in, and nothing of a secret comes out."""

import asyncio
import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol
from urllib.parse import quote

import httpx

from config.clock import steady
from edge_agent.box_http import BoxRefused, NotReachable
from edge_agent.mask import BLIND, NO_MASK, Mask, Secret
from edge_agent.operations import Driver, Key, Operation, OperationEvent, Telemetry
from schemas.reference import OF_RUN, SECRET, replaced, secrets_in

_LOG = logging.getLogger(__name__)

PATIENCE_S, FIRST_WAIT_S, LONGEST_WAIT_S = 30.0, 0.5, 5.0
"""How long an unreachable box is asked again and again, unless the block has less time."""
NO_BOX = "this agent was not told where the box is (settings `http` and `token_file`)"
WITHHELD = "what it said is withheld: the secrets in it could not be fetched to hide them"
_AGAIN = frozenset({429, 500, 502, 503, 504})
"""Statuses that say nothing about this request."""
Fetch = Callable[[int, str], str]
"""From attempt and reference to value; blocks. Raises `NotReachable`, `BoxRefused`."""
Later = Callable[[Callable[[], None]], object]
"""Runs something on the thread that calls drivers; may be called from any."""


class Box(Protocol):
    """The box over HTTP, as far as secrets need it (`edge_agent.box_http`)."""

    def ask(self, robot: str, method: str, path: str) -> httpx.Response:
        """One request in a robot's name; raises `NotReachable`, `BoxRefused`."""


def from_box(box: Box, robot: str) -> Fetch:
    """Fetch in a robot's name."""

    def fetch(attempt: int, name: str) -> str:
        try:
            value = box.ask(robot, "GET", f"/attempts/{attempt}/secrets/{quote(name, safe='')}").json()["value"]
        except (ValueError, TypeError, KeyError):
            value = None
        if not isinstance(value, str):
            raise NotReachable("the box does not answer like one")
        return value

    return fetch


def veiled(driver: Driver, box: Box | None, robot: str) -> "SecretDriver":
    """A driver as the agent of a robot on the running loop may use it."""
    loop = asyncio.get_running_loop()
    return SecretDriver(driver, None if box is None else from_box(box, robot), loop.call_soon_threadsafe)


class CannotFetch(Exception):
    """A secret was not to be had; the message is a sentence for people."""


class SecretDriver:
    """The driver of a robot as its agent sees it.

    References in the inputs of an operation are fetched before the driver hears of it: in memory, anew for each
    operation and after each restart. From then on they are hidden in all that the driver says about the attempt. So
    neither flow nor journal ever hold a secret.
    """

    def __init__(self, driver: Driver, fetch: Fetch | None, later: Later) -> None:
        self._driver, self._fetch, self._later = driver, fetch, later
        self.capabilities = driver.capabilities
        self.emit: Callable[[OperationEvent], None] = _nobody
        self._lock = threading.Lock()
        self._waiting: dict[Key, threading.Event] = {}
        """Operations whose secrets are being fetched, with what ends the waiting."""
        self._masks: dict[int, Mask] = {}
        self._shown = NO_MASK
        driver.emit = self._heard

    # ------------------------------------------------------------ calls of the agent
    def start(self, operation: Operation) -> None:
        if any(secrets_in(operation.inputs)):
            self._aside(operation, self._begin)
        else:
            self._driver.start(self._masked(operation))

    def resume(self, operation: Operation) -> None:
        if any(secrets_in(operation.inputs)):
            self._aside(operation, self._take_up)
        else:
            self._driver.resume(self._masked(operation))

    def stop(self, key: Key) -> None:
        with self._lock:
            waiting = self._waiting.pop(key, None)
        if waiting is None:
            self._driver.stop(key)
        else:
            waiting.set()
            self._say(OperationEvent(key, "stopped", reason="stopped"))

    def tidy(self, key: Key) -> None:
        self._driver.tidy(key)

    def rehearse(self, operation: Operation) -> str | None:
        return self._driver.rehearse(operation)

    def idle(self) -> bool:
        with self._lock:
            return not self._waiting and self._driver.idle()

    def telemetry(self) -> Telemetry:
        found = self._driver.telemetry()
        return replace(found, load=self._shown.value(found.load), position=self._shown.value(found.position))

    def close(self) -> None:
        with self._lock:
            for waiting in self._waiting.values():
                waiting.set()
            self._waiting.clear()
        self._driver.close()

    # ------------------------------------------------------------ fetching
    def _aside(self, operation: Operation, then: Callable[[Operation, dict[str, str] | CannotFetch], None]) -> None:
        over = threading.Event()
        with self._lock:
            self._waiting[operation.key] = over

        def work() -> None:
            found: dict[str, str] | CannotFetch
            try:
                found = self._all(operation, over)
                Mask(found.values())  # worked out here, where nobody waits for it
            except CannotFetch as problem:
                found = problem
            with suppress(RuntimeError):  # the agent is gone
                self._later(lambda: self._fetched(operation, over, lambda: then(operation, found)))

        threading.Thread(target=work, name=f"secrets of {operation.key}", daemon=True).start()

    def _fetched(self, operation: Operation, over: threading.Event, then: Callable[[], None]) -> None:
        """On the agent's own thread: unless it was stopped meanwhile, go on."""
        with self._lock:
            if self._waiting.get(operation.key) is not over:
                return
            del self._waiting[operation.key]
        then()

    def _begin(self, operation: Operation, found: dict[str, str] | CannotFetch) -> None:
        if isinstance(found, CannotFetch):
            self._say(OperationEvent(operation.key, "refused", reason=str(found)))
            return
        self._call(self._driver.start, operation, found)

    def _take_up(self, operation: Operation, found: dict[str, str] | CannotFetch) -> None:
        if isinstance(found, CannotFetch):
            _LOG.warning("operation %s: %s; %s", operation.key, found, WITHHELD)
            self._remember(operation.attempt, BLIND)
            self._driver.resume(replace(operation, mask=BLIND))
            return
        self._call(self._driver.resume, operation, found)

    def _call(self, call: Callable[[Operation], None], operation: Operation, values: dict[str, str]) -> None:
        before = self._mask_of(operation.attempt)
        mask = self._remember(operation.attempt, Mask(before.secrets | set(values.values())))
        inputs = replaced(operation.inputs, SECRET, lambda name: Secret(values[name]))
        try:
            call(replace(operation, inputs=inputs, mask=mask))
        except Exception:  # noqa: BLE001 - drivers are other people's code, and nobody above hears of this one
            _LOG.error("the driver failed in operation %s", operation.key)  # no traceback: it may show values
            self._say(OperationEvent(operation.key, "unknown", reason="the driver failed"))

    def _all(self, operation: Operation, over: threading.Event) -> dict[str, str]:
        # Somewhat less than the block may take, so that it fails with this reason and not with its limit.
        patience = PATIENCE_S if operation.limit_s is None else min(PATIENCE_S, 0.8 * operation.limit_s)
        end = steady() + patience
        names = dict.fromkeys(secrets_in(operation.inputs))
        return {name: self._one(operation.attempt, name, end, over) for name in names}

    def _one(self, attempt: int, name: str, end: float, over: threading.Event) -> str:
        """One value, asked for until it is there or the time is over; raises `CannotFetch`."""
        shown = "a secret of this job" if name.startswith(OF_RUN) else f"the secret {name!r}"
        if self._fetch is None:
            raise CannotFetch(f"{shown} could not be fetched: {NO_BOX}")
        wait = FIRST_WAIT_S
        while True:
            try:
                return self._fetch(attempt, name)
            except BoxRefused as refused:
                problem: Exception = refused
                again = refused.status in _AGAIN
            except NotReachable as error:
                problem, again = error, True
            if not again or steady() + wait > end or over.wait(wait * random.uniform(0.5, 1)):  # noqa: S311
                raise CannotFetch(f"{shown} could not be fetched: {problem}")
            wait = min(2 * wait, LONGEST_WAIT_S)

    # ------------------------------------------------------------ hiding
    def _mask_of(self, attempt: int) -> Mask:
        with self._lock:
            return self._masks.get(attempt, NO_MASK)

    def _masked(self, operation: Operation) -> Operation:
        mask = self._mask_of(operation.attempt)
        return replace(operation, mask=mask) if mask else operation

    def _remember(self, attempt: int, mask: Mask) -> Mask:
        """Hide these from now on; what older attempts had is forgotten once nothing of them is in hand."""
        with self._lock:
            busy = {key[0] for key in self._waiting}
            self._masks = {old: kept for old, kept in self._masks.items() if old >= attempt or old in busy}
            self._masks[attempt] = mask
            self._shown = mask
        return mask

    def _heard(self, event: OperationEvent) -> None:
        """What the driver says; from any thread."""
        mask = self._mask_of(event.key[0])
        if mask:
            reason = event.reason and (WITHHELD if mask is BLIND else mask.text(event.reason))
            outputs = None if event.outputs is None else mask.value(event.outputs)
            event = replace(event, outputs=outputs, reason=reason, text=mask.text(event.text))
            event = replace(event, args=None if event.args is None else mask.value(event.args))
        self.emit(event)

    def _say(self, event: OperationEvent) -> None:
        """Our own word, which follows the call that caused it."""
        self._later(lambda: self.emit(event))


def _nobody(event: OperationEvent) -> None:
    raise RuntimeError(f"nobody listens to this driver: {event}")
