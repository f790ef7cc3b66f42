"""Deployments: flows made ready to run."""

from controller.store import queries
from schemas.job import DeploymentRun, DeploymentSave
from schemas.views import Deployment, DeploymentPage, JobList
from web.api.jobs import made
from web.asked import SearchQuery
from web.errors import not_found
from web.routes import Call, Reply, Routes
from web.slugs import need_slug, slug

routes = Routes()


@routes.get("/deployments", DeploymentPage, query=SearchQuery)
def list_deployments(call: Call) -> Reply:
    """Deployments by id."""
    query: SearchQuery = call.query
    with call.backend.reader.reading() as db:
        return Reply(queries.page_of_deployments(db, query.q, query.limit, query.after))


def _shown(call: Call, name: str, status: int = 200) -> Reply:
    with call.backend.reader.reading() as db:
        found = queries.deployment(db, name)
    if found is None:
        raise not_found("deployment", name)
    return Reply(found, status, {"ETag": f'"{found.version}"'})


@routes.get("/deployments/<deployment>", Deployment)
def get_deployment(call: Call) -> Reply:
    """One deployment."""
    return _shown(call, call.path["deployment"])


@routes.command(
    "PUT", "/deployments/<deployment>", role="admin", answers={200: Deployment, 201: Deployment},
    body=DeploymentSave, if_match=True,
)  # fmt: skip
def put_deployment(call: Call) -> Reply:
    """Save a deployment: a new one (201), or changed."""
    name = need_slug(call, "deployment")
    body: DeploymentSave = call.body
    args = {"deployment": name, "if_match": call.if_match} | body.model_dump(mode="json", exclude_unset=True)
    done = call.backend.ask("deployment.put", args, call.caller)
    return _shown(call, name, 201 if done.ok["created"] else 200)


@routes.command("DELETE", "/deployments/<deployment>", role="admin", answers={204: None})
def delete_deployment(call: Call) -> Reply:
    """Remove a deployment; jobs keep their copy of it. Refused while some of its jobs wait or run."""
    call.backend.ask("deployment.delete", {"deployment": slug(call, "deployment")}, call.caller)
    return Reply(status=204)


@routes.command("POST", "/deployments/<deployment>/run", answers={201: JobList}, body=DeploymentRun, body_optional=True)
def run_deployment(call: Call) -> Reply:
    """Make jobs of a deployment; what is given holds for this run only."""
    name = slug(call, "deployment")
    body: DeploymentRun = call.body
    args = {"deployment": name} | body.model_dump(mode="json", exclude_unset=True)
    done = call.backend.ask("deployment.run", args, call.caller, call.key)
    return made(call, done.ok["jobs"], done.headers)
