"""Tables, invariants as indexes, counters as triggers: the migrations of the controller's database.

Times are UTC microseconds as integers; JSON is text. A job's place in the queue is (priority desc, id).
"""

from sqlite_utils import Database, Migrations

from controller.store.schema_doors import DOORS
from controller.store.schema_integrity import INTEGRITY
from controller.store.schema_records import ARTIFACTS, ASSETS, BATCHES, PEOPLE, SCHEDULES
from controller.store.schema_retention import RETENTION

migrations = Migrations("yardmaster")


def known() -> set[str]:
    """Names of all migrations of this version."""
    return {m.name for m in migrations.pending(Database(memory=True))}


FOUNDATION = (
    # One row a fact about the box itself: incarnation, count (of the one counter for attempts, commands, moves).
    "create table meta (key text primary key, value) without rowid",
    """create table robots (
        id text primary key, name text not null default '', kind text not null, queues text not null default '[]',
        tags text not null default '[]', enabled integer not null default 1, drained integer not null default 0,
        note text, journal text, capabilities text not null default '[]', capacity integer not null default 1,
        version text, added_at integer not null, removed integer not null default 0,
        failed_jobs text not null default '[]', refusals integer not null default 0
    ) without rowid""",
    """create table holds (
        id integer primary key, robot text not null, reason text not null, attempt integer, note text,
        since integer not null
    )""",
    "create unique index holds_once on holds (robot, reason, coalesce(attempt, 0))",
    "create table queues (id text primary key, name text not null default '', wait_limit_s real) without rowid",
    # A set of block kinds and drivers' words a robot must know; few rows, shared by many flow versions.
    "create table needs (id integer primary key, kinds text not null unique)",
    "create table flows (id text primary key, name text not null, latest integer not null) without rowid",
    """create table flow_versions (
        id integer primary key, flow text not null, version integer not null, definition text not null,
        bundle text not null, hash text not null, need integer not null references needs, note text,
        created_at integer not null, created_by text not null, unique (flow, version)
    )""",
    """create table deployments (
        id text primary key, name text not null, flow text not null, flow_version integer, body text not null,
        enabled integer not null default 1, note text, version integer not null, updated_at integer not null
    ) without rowid""",
    """create table jobs (
        id integer primary key, uid text not null unique, run text not null, state text not null,
        parked integer not null default 0, ready integer not null default 1, priority integer not null,
        target text not null, need integer not null, flow text not null, flow_version integer not null,
        deployment text, parameters text not null, max_retries integer not null, used integer not null default 0,
        on_lost text not null, safe integer not null, queue_timeout_s real, time_limit_s real,
        recording text not null, debug integer not null default 0, mock integer not null default 0,
        attempt integer, robot text, attempt_count integer not null default 0, command integer not null default 0,
        intention text, intention_code text, intention_text text, before text, cancelled_while text,
        no_retry integer not null default 0, reason_code text, reason text, outputs text,
        parent integer, parent_attempt integer, root integer, rerun_of text, retried_from text,
        source text not null default '{}', source_type text not null default 'api', created_by text not null,
        created_at integer not null, assigned_at integer, started_at integer, ended_at integer,
        version integer not null default 1,
        check (priority between 0 and 5000), check (max_retries between 0 and 10)
    )""",
    # Claim-next: only what may be dispatched now is in this index; the last columns make it covering, so that a
    # decision never touches the table.
    """create index jobs_claim on jobs (target, need, priority desc, id, state, ready, parked)
        where state = 'queued' and ready = 1 and parked = 0""",
    "create index jobs_state on jobs (state, id)",
    "create index jobs_deployment on jobs (deployment, id)",
    "create index jobs_robot on jobs (robot, id)",
    "create index jobs_target on jobs (target, id)",
    "create index jobs_flow on jobs (flow, id)",
    "create index jobs_created on jobs (created_at, id)",
    "create index jobs_ended on jobs (ended_at, id) where ended_at is not null",
    "create index jobs_run on jobs (run)",
    "create index jobs_parent on jobs (parent) where parent is not null",
    """create table attempts (
        number integer primary key, job integer not null references jobs, robot text not null,
        slot integer not null default 0, open integer not null default 1, requeue integer not null default 0,
        journal text, state text not null,
        counted integer not null default 0, reason_code text, reason text, ended_by text, created_at integer not null,
        started_at integer, ended_at integer
    )""",
    # A robot has at most one open attempt a slot, a job at most one at all.
    "create unique index attempts_robot on attempts (robot, slot) where open = 1",
    "create unique index attempts_job_open on attempts (job) where open = 1",
    "create index attempts_job on attempts (job, number)",
    "create index attempts_of_robot on attempts (robot, number)",
    """create table block_runs (
        attempt integer not null, n integer not null, path text not null, try integer not null, status text not null,
        state text not null, inputs text, outputs text, reason text, started_at integer, ended_at integer,
        truncated integer not null default 0, primary key (attempt, n)
    ) without rowid""",
    """create table journals (
        id integer primary key, robot text not null, journal text not null, upto integer not null default 0,
        first_seen integer not null, unique (robot, journal)
    )""",
    # Every report of every robot, once (robot, journal, seq).
    """create table reports (
        journal integer not null, seq integer not null, attempt integer, kind text not null, body text,
        recorded_at integer not null, primary key (journal, seq)
    ) without rowid""",
    "create table gaps (journal integer not null, first integer not null, last integer not null, at integer not null)",
    """create table quarantine (
        id integer primary key, robot text, topic text not null, journal text, seq integer, reason text not null,
        payload blob not null, at integer not null
    )""",
    """create table logs (
        id integer primary key, job integer, attempt integer, robot text not null, path text, level integer not null,
        type text not null, text text, message text, args text, output text, artifact text, time text not null,
        recorded_at integer not null
    )""",
    "create index logs_attempt on logs (attempt, id)",
    "create index logs_job on logs (job, id)",
    # What must leave, until a report shows that it arrived; `key` names what may stand once.
    """create table outbox (
        id integer primary key, key text not null unique, robot text not null, topic text not null,
        attempt integer, command integer, payload blob not null, created_at integer not null
    )""",
    "create index outbox_attempt on outbox (attempt)",
    # Every move is a row: who, when, old, new, why.
    """create table events (
        id integer primary key autoincrement, at integer not null, topic text not null, event text not null,
        job integer, robot text, attempt integer, who text not null, old text, new text, code text, why text, data text
    )""",
    "create index events_job on events (job, id) where job is not null",
    "create index events_robot on events (robot, id) where robot is not null",
    """create table idempotency (
        caller text not null, key text not null, command text not null, hash text not null, answer text not null,
        at integer not null, primary key (caller, key)
    ) without rowid""",
    "create index idempotency_at on idempotency (at)",
    """create table job_counts (
        target text not null, state text not null, n integer not null, primary key (target, state)
    ) without rowid""",
    """create table job_hours (
        hour integer not null, deployment text not null, outcome text not null, n integer not null,
        primary key (hour, deployment, outcome)
    ) without rowid""",
    """create trigger jobs_count_new after insert on jobs begin
        insert into job_counts values (new.target, new.state, 1)
            on conflict do update set n = n + 1;
    end""",
    """create trigger jobs_count_move after update of state on jobs when old.state <> new.state begin
        update job_counts set n = n - 1 where target = old.target and state = old.state;
        insert into job_counts values (new.target, new.state, 1)
            on conflict do update set n = n + 1;
    end""",
    """create trigger jobs_hour after update of state on jobs
        when new.ended_at is not null and old.ended_at is null begin
        insert into job_hours values (new.ended_at / 3600000000, coalesce(new.deployment, ''), new.state, 1)
            on conflict do update set n = n + 1;
    end""",
)


@migrations()
def m0001_foundation(db: Database) -> None:
    """Jobs, attempts, reports, robots, definitions, outbox, events."""
    for statement in FOUNDATION:
        db.conn.execute(statement)


OVERVIEW = (
    "create index jobs_source on jobs (source_type, id)",
    # Who has waited longest for a target: one seek, however many jobs of the target have ended.
    "create index jobs_waiting on jobs (target, id) where state = 'queued'",
    "create index jobs_parked on jobs (id) where parked = 1",
    "create index jobs_started on jobs (started_at, id) where started_at is not null",
    # One row at most: the plan of the floor as it was last saved.
    """create table floor_plan (
        id integer primary key check (id = 1), plan text not null, version integer not null,
        updated_at integer not null, updated_by text not null
    )""",
)


@migrations()
def m0002_overview(db: Database) -> None:
    """What the console asks: jobs by source, start and parking, who waits longest, the floor plan."""
    for statement in OVERVIEW:
        db.conn.execute(statement)


DEPLOYMENTS = (
    # How many jobs of a deployment are in which state, and its jobs in order: from the index alone. Under the old name,
    # since it is the old one with one column more; the state comes last, so that a move changes one place of one page.
    "drop index jobs_deployment",
    "create index jobs_deployment on jobs (deployment, id, state)",
    # From now on the move that ends a job says that nobody has to decide about it any more.
    "update jobs set parked = 0 where parked = 1 and state in ('succeeded', 'failed', 'cancelled')",
)


@migrations()
def m0003_deployments(db: Database) -> None:
    """What counting a deployment's jobs asks; jobs that have ended are parked no more."""
    for statement in DEPLOYMENTS:
        db.conn.execute(statement)


def _run(db: Database, statements: tuple[str, ...]) -> None:
    for statement in statements:
        db.conn.execute(statement)


@migrations()
def m0004_people(db: Database) -> None:
    """Accounts, sessions, tokens, and the audit."""
    _run(db, PEOPLE)


@migrations()
def m0005_schedules(db: Database) -> None:
    """Schedules with their firings."""
    _run(db, SCHEDULES)


@migrations()
def m0006_batches(db: Database) -> None:
    """Operations on many jobs, previewed and applied."""
    _run(db, BATCHES)


@migrations()
def m0007_artifacts(db: Database) -> None:
    """Screenshots, videos and other files of attempts."""
    _run(db, ARTIFACTS)


@migrations()
def m0008_assets(db: Database) -> None:
    """Values that parameters import, and secrets."""
    _run(db, ASSETS)


DEBUG = (
    # Path of the block whose failure paused a job in debug mode, as long as a person has to decide about it.
    "alter table jobs add column failed_path text",
    # Dry runs move nothing, so they are no work that was done.
    "drop trigger jobs_hour",
    """create trigger jobs_hour after update of state on jobs
        when new.ended_at is not null and old.ended_at is null and new.mock = 0 begin
        insert into job_hours values (new.ended_at / 3600000000, coalesce(new.deployment, ''), new.state, 1)
            on conflict do update set n = n + 1;
    end""",
)


@migrations()
def m0009_debug(db: Database) -> None:
    """Which failed block a job in debug mode waits for; dry runs are not counted as work."""
    _run(db, DEBUG)


@migrations()
def m0010_integrity(db: Database) -> None:
    """Hash chains over moves and audit, a day each; what was found wrong with the box's data."""
    _run(db, INTEGRITY)


@migrations()
def m0011_doors(db: Database) -> None:
    """Credentials of robots at the broker."""
    _run(db, DOORS)


@migrations()
def m0012_retention(db: Database) -> None:
    """Counters go down when jobs are cleared away."""
    _run(db, RETENTION)
