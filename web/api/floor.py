"""The floor plan: what the map is drawn from."""

from controller.store import queries
from schemas.floor import FloorPlanSave
from schemas.views import FloorPlan
from web.errors import ApiError
from web.guard import FLOW_BYTES
from web.routes import Call, Reply, Routes

routes = Routes()


def _shown(call: Call, status: int = 200) -> Reply:
    with call.backend.reader.reading() as db:
        found = queries.floor_plan(db)
    if found is None:
        raise ApiError("floor_plan.not_found", "No floor plan was saved yet.")
    return Reply(found, status, {"ETag": f'"{found.version}"'})


@routes.get("/floor-plan", FloorPlan)
def get_floor_plan(call: Call) -> Reply:
    """The floor plan; not found before one was saved."""
    return _shown(call)


@routes.command(
    "PUT", "/floor-plan", role="admin", answers={200: FloorPlan, 201: FloorPlan}, body=FloorPlanSave,
    max_bytes=FLOW_BYTES, if_match=True,
)  # fmt: skip
def put_floor_plan(call: Call) -> Reply:
    """Save the floor plan whole: the first one (201), or instead of the one before.

    Ids of nodes are unique, edges name existing nodes, and each way is there once.
    """
    body: FloorPlanSave = call.body
    args = {"if_match": call.if_match} | body.model_dump(mode="json", by_alias=True)
    done = call.backend.ask("floor.put", args, call.caller)
    return _shown(call, 201 if done.ok["created"] else 200)
