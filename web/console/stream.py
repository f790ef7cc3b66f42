"""What keeps an open page true: one stream for a browser, with parts of pages, moves, and news of jobs."""

from flask import Blueprint, Response, request

from web.api.stream import EVENTS, last_seen
from web.auth import while_known
from web.backend import backend
from web.console.frame import board, need_role
from web.console.parts import PartKey
from web.errors import ApiError
from web.live import FLEET, TooManyStreams, Wanted

page = Blueprint("live", __name__)
MAX_WANTED = 32
STILL_EVERY_S = 5.0
STILL = b"event: still\ndata: {}\n\n"
"""A page hears this instead of a comment, which browsers keep to themselves: without it the line is dead."""


def _list(name: str) -> list[str]:
    return [one for one in request.args.get(name, "").split(" ") if one][:MAX_WANTED]


def _wanted() -> Wanted:
    parts = {str(key) for one in _list("parts") if (key := PartKey.read(one, board().parts)) is not None}
    parts |= {FLEET} & set(_list("parts"))
    topics = set(_list("topics")) & {"jobs", "robots", "queues", "system"}
    return Wanted(frozenset(topics), frozenset(_list("jobs")), frozenset(parts))


@page.get("/live")
def open_live() -> Response:
    """Server-sent events: `part` {part, html}, `fleet`, `still` after 5 s of nothing, and moves as on the API's stream.

    Lists are separated by blanks: `parts=overview.en fleet`, `topics=jobs`, `jobs=ID ID`; `after` or `Last-Event-ID`
    goes on where a stream ended. It ends with the session that opened it. Over the limit: 503 with `Retry-After`.
    """
    need_role("viewer")
    wanted, live = _wanted(), backend().live
    if request.method == "HEAD":  # asks whether there is room
        if not live.has_room():
            raise full()
        return Response(content_type=EVENTS)
    try:
        stream = live.join(wanted, last_seen(request.args.get("after")))
    except TooManyStreams as error:
        raise full() from error
    if wanted.parts:
        board().wake()
    news = while_known(live.messages(stream, STILL_EVERY_S, STILL))
    response = Response(news, content_type=EVENTS, headers={"X-Accel-Buffering": "no"})
    response.call_on_close(lambda: live.leave(stream))
    return response


def full() -> ApiError:
    """As many screens are open as the box serves."""
    return ApiError("stream.full", "Too many screens are open.", headers={"Retry-After": "5"})
