"""Live news as server-sent events."""

import re

from flask import Response, request

from controller.store import queries
from web.asked import StreamQuery
from web.auth import while_known
from web.errors import ApiError, invalid, not_found
from web.live import TooManyStreams, Wanted
from web.routes import Call, Routes

routes = Routes()
EVENTS = "text/event-stream"
_EVERYTHING = frozenset({"jobs", "robots", "queues", "system"})
_NUMBER = re.compile(r"\d{1,15}\Z", re.ASCII)


def last_seen(asked: str | None = None) -> int | None:
    """Where a stream goes on: what the browser says by itself, else what the address asks; raises `ApiError`."""
    given = request.headers.get("Last-Event-ID") or asked
    if not given:
        return None
    if not _NUMBER.match(given):
        raise invalid("header", "/Last-Event-ID", "format", "the id of an event, a whole number")
    return int(given)


@routes.get("/stream", EVENTS, query=StreamQuery)
def open_stream(call: Call) -> Response:
    """Moves as they are committed: `job`, `robot`, `queues`, `system`; with `job=` also `block` and `log`.

    It ends with the token or session that asked for it. `Last-Event-ID` goes on where a stream ended; `resync` says
    that too much was missed: load anew.
    """
    query: StreamQuery = call.query
    after = last_seen()
    if query.job is not None:
        with call.backend.reader.reading() as db:
            if queries.job_id(db, query.job) is None:
                raise not_found("job", query.job)
    if request.method == "HEAD":  # nobody would read it, so it must not take a place
        return Response(content_type=EVENTS)
    topics = frozenset(query.topics.split(",")) if query.topics else _EVERYTHING
    wanted = Wanted(topics=topics) if query.job is None else Wanted(jobs=frozenset({query.job}))
    live = call.backend.live
    try:
        stream = live.join(wanted, after)
    except TooManyStreams as error:
        raise ApiError("stream.full", "Too many streams are open.", headers={"Retry-After": "5"}) from error
    news = while_known(live.messages(stream))
    response = Response(news, content_type=EVENTS, headers={"X-Accel-Buffering": "no"})
    response.call_on_close(lambda: live.leave(stream))
    return response
