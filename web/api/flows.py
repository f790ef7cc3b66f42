"""Flows: checked, saved as versions that never change, read; and the kinds of blocks they are made of."""

from typing import Annotated, Any

from pydantic import Field

from controller.store import queries
from schemas.blocks import BLOCK_KINDS, describe
from schemas.ids import Slug
from schemas.job import Asked
from schemas.views import BlockKinds, BlockKindView, Flow, FlowPage, FlowProblems
from web.asked import SearchQuery
from web.errors import not_found
from web.guard import FLOW_BYTES
from web.routes import Call, Reply, Routes
from web.slugs import need_slug

routes = Routes()
MAX_VERSION = 2**53


class FlowSave(Asked):
    """A flow as it is saved."""

    name: Annotated[str, Field(max_length=200)] = ""
    definition: dict[str, Any]
    note: Annotated[str | None, Field(max_length=2000)] = None


class FlowTry(FlowSave):
    """A flow to be checked; with its id, calls of itself are noticed."""

    flow: Slug | None = None


@routes.command("POST", "/flows/check", FlowProblems, body=FlowTry, max_bytes=FLOW_BYTES, keyed=False)
def check_flow(call: Call) -> Reply:
    """Say everything that is wrong with a definition, with the path of each block; nothing is saved."""
    body: FlowTry = call.body
    done = call.backend.ask("flow.check", {"flow": body.flow, "definition": body.definition}, call.caller)
    return Reply(FlowProblems.model_validate(done.ok))


@routes.get("/flows", FlowPage, query=SearchQuery)
def list_flows(call: Call) -> Reply:
    """Flows by id, each as its latest version."""
    query: SearchQuery = call.query
    with call.backend.reader.reading() as db:
        return Reply(queries.page_of_flows(db, query.q, query.limit, query.after))


def _shown(call: Call, name: str, version: int | None = None, status: int = 200) -> Reply:
    with call.backend.reader.reading() as db:
        found = queries.flow(db, name, version if (version or 0) < MAX_VERSION else 0)
    if found is None:
        raise not_found("flow", name if version is None else f"{name} version {version}")
    return Reply(found, status, {"ETag": f'"{found.version}"'})


@routes.get("/flows/<flow>", Flow)
def get_flow(call: Call) -> Reply:
    """The latest version of a flow, with its definition."""
    return _shown(call, call.path["flow"])


@routes.get("/flows/<flow>/versions/<int:version>", Flow)
def get_flow_version(call: Call) -> Reply:
    """One version of a flow; it never changes."""
    return _shown(call, call.path["flow"], call.path["version"])


@routes.command(
    "PUT", "/flows/<flow>", role="admin", answers={200: Flow, 201: Flow}, body=FlowSave, max_bytes=FLOW_BYTES,
    if_match=True,
)  # fmt: skip
def put_flow(call: Call) -> Reply:
    """Save a flow: a new one (201), or the next version if anything changed; refused with every problem it has."""
    name = need_slug(call, "flow")
    body: FlowSave = call.body
    args = {"flow": name, "if_match": call.if_match} | body.model_dump(mode="json")
    done = call.backend.ask("flow.save", args, call.caller)
    return _shown(call, name, status=201 if done.ok["created"] else 200)


@routes.get("/block-kinds", BlockKinds)
def list_block_kinds(_call: Call) -> Reply:
    """Every kind of block: parameters, branches, outputs, names."""
    return Reply(BlockKinds(items=[BlockKindView.model_validate(describe(kind)) for kind in BLOCK_KINDS.values()]))
