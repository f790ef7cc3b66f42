"""The routes of version 1, one module a noun."""

from web.api import (
    artifacts,
    assets,
    batches,
    deployments,
    exports,
    floor,
    flows,
    job,
    jobs,
    people,
    queues,
    robots,
    schedules,
    session,
    stream,
    system,
)
from web.routes import Route

ROUTES: list[Route] = [
    *jobs.routes.rows,
    *job.routes.rows,
    *batches.routes.rows,
    *exports.routes.rows,
    *robots.routes.rows,
    *queues.routes.rows,
    *flows.routes.rows,
    *deployments.routes.rows,
    *schedules.routes.rows,
    *floor.routes.rows,
    *assets.routes.rows,
    *artifacts.routes.rows,
    *session.routes.rows,
    *people.routes.rows,
    *system.routes.rows,
    *stream.routes.rows,
]
"""Every route; the application, the document and the tests read this."""
