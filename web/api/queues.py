"""Queues: named groups of robots."""

import time

from controller.store import queries
from schemas.robot import QueuePut
from schemas.views import Queue, QueuePage
from web.asked import SearchQuery
from web.errors import not_found
from web.routes import Call, Reply, Routes
from web.slugs import need_slug, slug

routes = Routes()


def _now_us() -> int:
    """The wall clock, for showing only."""
    return time.time_ns() // 1000


@routes.get("/queues", QueuePage, query=SearchQuery)
def list_queues(call: Call) -> Reply:
    """Queues by id, with what waits in them."""
    query: SearchQuery = call.query
    binding, text = queries.bind("queues", query.q), (query.q or "").lower()
    after = queries.read_name_cursor(query.after, binding)
    with call.backend.reader.reading() as db:
        found = [
            one
            for one in queries.queues(db, _now_us())
            if one.id > after and (text in one.id.lower() or text in one.name.lower())
        ]
    items = found[: query.limit]
    more = queries.name_cursor(binding, items[-1].id) if len(found) > query.limit else None
    return Reply(QueuePage(items=items, next=more))


def _shown(call: Call, name: str) -> Queue:
    with call.backend.reader.reading() as db:
        found = queries.queues(db, _now_us(), name)
    if not found:
        raise not_found("queue", name)
    return found[0]


@routes.get("/queues/<queue>", Queue)
def get_queue(call: Call) -> Reply:
    """One queue."""
    return Reply(_shown(call, call.path["queue"]))


@routes.command("PUT", "/queues/<queue>", role="admin", answers={200: Queue, 201: Queue}, body=QueuePut)
def put_queue(call: Call) -> Reply:
    """Make a queue (201) or change it."""
    name = need_slug(call, "queue")
    body: QueuePut = call.body
    done = call.backend.ask("queue.put", {"queue": name} | body.model_dump(mode="json"), call.caller)
    return Reply(_shown(call, name), 201 if done.ok["created"] else 200)


@routes.command("DELETE", "/queues/<queue>", role="admin", answers={204: None})
def delete_queue(call: Call) -> Reply:
    """Remove a queue that no robot, open job or deployment uses."""
    call.backend.ask("queue.delete", {"queue": slug(call, "queue")}, call.caller)
    return Reply(status=204)
