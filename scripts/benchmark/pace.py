"""Submission at a fixed rate, whatever the box does, and how long each job took to be on the wire."""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cli.stage import Stage
from scripts.benchmark.box import Box
from scripts.benchmark.watcher import Watcher
from scripts.benchmark.work import JOB

SENDERS = 8
"""One that waits for an answer must not hold up the next submission."""
CREATED = 201


@dataclass
class Sent:
    """What the senders did; moments are of `time.perf_counter`."""

    at: dict[str, float] = field(default_factory=dict)
    """Public id of a job to the moment just before its request."""
    answered_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    """How much later than planned each request went out: our own fault, and shown as such."""
    errors: list[BaseException] = field(default_factory=list)


def send(stage: Stage, rate: float, seconds: float) -> Sent:
    """Submit jobs one by one, `rate` a second; raises what a sender met."""
    sent = Sent()
    begin = time.perf_counter() + 0.1
    count = int(rate * seconds)
    times = [[begin + n / rate for n in range(first, count, SENDERS)] for first in range(SENDERS)]
    threads = [threading.Thread(target=_sender, args=(stage, moments, sent)) for moments in times]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if sent.errors:
        raise sent.errors[0]
    return sent


def _sender(stage: Stage, moments: list[float], sent: Sent) -> None:
    parts, headers = urlsplit(stage.url), {"Content-Type": "application/json"} | stage.headers()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    body = json.dumps(JOB)
    try:
        connection.connect()
        for moment in moments:
            time.sleep(max(0.0, moment - time.perf_counter()))
            _one(connection, body, headers, moment, sent)
    except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the thread
        sent.errors.append(error)
    finally:
        connection.close()


def _one(
    connection: http.client.HTTPConnection, body: str, headers: dict[str, str], planned: float, sent: Sent
) -> None:
    began = time.perf_counter()
    connection.request("POST", "/api/v1/jobs", body, headers)
    response = connection.getresponse()
    answer = response.read()
    ended = time.perf_counter()
    if response.status != CREATED:
        raise RuntimeError(f"a submission was answered {response.status}: {answer[:500]!r}")
    sent.at[json.loads(answer)["items"][0]["id"]] = began
    sent.answered_s.append(ended - began)
    sent.late_s.append(began - planned)


def to_the_wire(box: Box, watcher: Watcher, rate: float, seconds: float) -> tuple[Sent, list[float]]:
    """Submit at a rate; seconds from before each request to its job's `assign`, as the watcher saw it."""
    before = box.ended()
    sent = send(box.stage, rate, seconds)
    box.wait_until_ended(before + len(sent.at))
    seen = watcher.first_by_job()
    return sent, [seen[job] - began for job, began in sent.at.items()]
