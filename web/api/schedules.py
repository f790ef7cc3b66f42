"""Schedules: when jobs of a deployment are made, and what became of each time."""

from config.clock import instant
from controller.store.queries import schedules
from schemas.schedule import ScheduleNote, ScheduleSave
from schemas.views.schedules import FiringDetail, FiringPage, Schedule, SchedulePage
from web.asked import PageQuery, SearchQuery
from web.errors import not_found
from web.routes import Call, Reply, Routes
from web.slugs import need_slug, slug

routes = Routes()


@routes.get("/schedules", SchedulePage, query=SearchQuery)
def list_schedules(call: Call) -> Reply:
    """Schedules by id, each with its next fires."""
    query: SearchQuery = call.query
    with call.backend.reader.reading() as db:
        return Reply(schedules.page_of_schedules(db, instant().utc_us, query.q, query.limit, query.after))


def _shown(call: Call, name: str, status: int = 200) -> Reply:
    with call.backend.reader.reading() as db:
        found = schedules.schedule(db, name, instant().utc_us)
    if found is None:
        raise not_found("schedule", name)
    return Reply(found, status, {"ETag": f'"{found.version}"'})


@routes.get("/schedules/<schedule>", Schedule)
def get_schedule(call: Call) -> Reply:
    """One schedule."""
    return _shown(call, call.path["schedule"])


@routes.command(
    "PUT", "/schedules/<schedule>", role="admin", answers={200: Schedule, 201: Schedule}, body=ScheduleSave,
    if_match=True,
)  # fmt: skip
def put_schedule(call: Call) -> Reply:
    """Save a schedule: a new one (201), or changed.

    One that is new, or whose times changed, begins now: what is past does not fire.
    """
    name = need_slug(call, "schedule")
    body: ScheduleSave = call.body
    zone = {"zone": body.zone or call.backend.settings.zone}
    done = call.backend.ask(
        "schedule.put", body.body() | zone | {"schedule": name, "if_match": call.if_match}, call.caller
    )
    return _shown(call, name, 201 if done.ok["created"] else 200)


@routes.command("DELETE", "/schedules/<schedule>", role="admin", answers={204: None})
def delete_schedule(call: Call) -> Reply:
    """Remove a schedule; its firings and jobs stay."""
    call.backend.ask("schedule.delete", {"schedule": slug(call, "schedule")}, call.caller)
    return Reply(status=204)


def _switch(call: Call, word: str) -> Reply:
    name = slug(call, "schedule")
    body: ScheduleNote = call.body
    args = {"schedule": name} | body.model_dump(exclude_none=True)
    done = call.backend.ask(f"schedule.{word}", args, call.caller, call.key)
    shown = _shown(call, name)
    return Reply(shown.view, 200, {**shown.headers, **done.headers})


@routes.command("POST", "/schedules/<schedule>/enable", Schedule, body=ScheduleNote, body_optional=True)
def enable_schedule(call: Call) -> Reply:
    """Have it fire from now on; what was due while it was disabled does not fire."""
    return _switch(call, "enable")


@routes.command("POST", "/schedules/<schedule>/disable", Schedule, body=ScheduleNote, body_optional=True)
def disable_schedule(call: Call) -> Reply:
    """Have it fire no more; jobs that it made go on."""
    return _switch(call, "disable")


@routes.get("/schedules/<schedule>/firings", FiringPage, query=PageQuery)
def list_firings(call: Call) -> Reply:
    """Every time that it was due, newest first; also of a schedule that was removed."""
    query: PageQuery = call.query
    name = slug(call, "schedule")
    with call.backend.reader.reading() as db:
        if not schedules.is_known(db, name):
            raise not_found("schedule", name)
        return Reply(schedules.page_of_firings(db, name, query.limit, query.after))


@routes.get("/firings/<firing>", FiringDetail)
def get_firing(call: Call) -> Reply:
    """One firing with a row for each target: its job, or why there is none."""
    uid: str = call.path["firing"]
    with call.backend.reader.reading() as db:
        found = schedules.firing(db, uid)
    if found is None:
        raise not_found("firing", uid)
    return Reply(found)
