"""The read side: what the web shows, from read-only connections, always along an index."""

from controller.store.queries.blocks import new_logs, page_of_logs, page_of_runs, runs_of
from controller.store.queries.box import drained
from controller.store.queries.catalogue import (
    deployment,
    flow,
    flow_exists,
    page_of_deployments,
    page_of_flows,
)
from controller.store.queries.debugging import failed_path, to_undo
from controller.store.queries.finding import find
from controller.store.queries.fleet import StoredRobot, queues, robot_exists, stored_robots
from controller.store.queries.floor import floor_plan
from controller.store.queries.job_filters import JobFilter
from controller.store.queries.job_lists import Order, count_jobs, cursor_at, newer_than, page_of_jobs
from controller.store.queries.jobs import (
    index_of_job,
    job_id,
    jobs_by_uid,
    page_of_attempts,
    rows_by_uid,
    shown_attempt,
)
from controller.store.queries.line import usual_duration_ms, waits_ahead
from controller.store.queries.log_counts import count_logs
from controller.store.queries.matters import open_matters, settled_by_people
from controller.store.queries.moves import events_after, last_event, page_of_job_events, page_of_robot_events
from controller.store.queries.overview import jobs_per_hour, outcomes_since, waiting_since
from controller.store.queries.reader import Connection, Reader, Unreadable
from controller.store.queries.timeline import attempt_runs
from controller.store.queries.tree import belongs, results
from controller.store.queries.walk import BadCursor, bind, name_cursor, read_name_cursor
from controller.store.queries.watch import JobWatch, Watch

__all__ = [
    "BadCursor",
    "Connection",
    "JobFilter",
    "JobWatch",
    "Order",
    "Reader",
    "StoredRobot",
    "Unreadable",
    "Watch",
    "attempt_runs",
    "belongs",
    "bind",
    "count_jobs",
    "count_logs",
    "cursor_at",
    "deployment",
    "drained",
    "events_after",
    "failed_path",
    "find",
    "floor_plan",
    "flow",
    "flow_exists",
    "index_of_job",
    "job_id",
    "jobs_by_uid",
    "jobs_per_hour",
    "last_event",
    "name_cursor",
    "new_logs",
    "newer_than",
    "open_matters",
    "outcomes_since",
    "page_of_attempts",
    "page_of_deployments",
    "page_of_flows",
    "page_of_job_events",
    "page_of_jobs",
    "page_of_logs",
    "page_of_robot_events",
    "page_of_runs",
    "queues",
    "read_name_cursor",
    "results",
    "robot_exists",
    "rows_by_uid",
    "runs_of",
    "settled_by_people",
    "shown_attempt",
    "stored_robots",
    "to_undo",
    "usual_duration_ms",
    "waiting_since",
    "waits_ahead",
]
