"""Tables of people, schedules, batches, artifacts and assets: migrations after the foundation's, in `schema`.

Times are UTC microseconds as integers; JSON is text; hashes are hex. Secrets are never stored in clear.
"""

PEOPLE = (
    # Passwords are argon2id, tokens and sessions SHA-256 of long random texts: none can be read back.
    """create table users (
        id text primary key, name text not null default '', role text not null, password text not null,
        enabled integer not null default 1, created_at integer not null, created_by text not null,
        changed_at integer not null, seen_at integer
    ) without rowid""",
    """create table sessions (
        hash text primary key, user text not null, created_at integer not null, expires_at integer not null,
        seen_at integer not null, ip text, client text
    ) without rowid""",
    "create index sessions_user on sessions (user)",
    "create index sessions_expire on sessions (expires_at)",
    # `robot` is set for the token of a robot, which reaches its own attempts and nothing else.
    """create table tokens (
        id text primary key, name text not null, role text not null, areas text not null default '[]', robot text,
        hash text not null unique, created_at integer not null, created_by text not null, expires_at integer,
        revoked_at integer, revoked_by text, used_at integer
    ) without rowid""",
    # Every change that somebody asked for: who, from where, what it was before and after. `chain` is a hash over the
    # row and the chain of the row before it, so that no row can be changed or taken away unseen.
    """create table audit (
        id integer primary key autoincrement, at integer not null, who text not null, role text not null, ip text,
        client text, action text not null, subject text not null, before text, after text, why text,
        chain text not null
    )""",
    "create index audit_who on audit (who, id)",
    "create index audit_action on audit (action, id)",
    "create index audit_subject on audit (subject, id)",
    "create index audit_at on audit (at, id)",
)

SCHEDULES = (
    # `done_until`: every time up to here has been fired or skipped, whatever the clock does.
    """create table schedules (
        id text primary key, name text not null, deployment text not null, body text not null, zone text not null,
        enabled integer not null default 1, version integer not null, done_until integer, updated_at integer not null,
        updated_by text not null
    ) without rowid""",
    """create table firings (
        id integer primary key, uid text not null unique, schedule text not null, due_at integer not null,
        fired_at integer not null, zone text not null, code text, reason text, unique (schedule, due_at)
    )""",
    "create index firings_schedule on firings (schedule, id)",
    # One row a target: a job, or why there is none.
    """create table firing_rows (
        firing integer not null references firings, n integer not null, robot text, job integer, flow text,
        code text, reason text, primary key (firing, n)
    ) without rowid""",
    "alter table jobs add column firing text",
    "create index jobs_firing on jobs (firing, id) where firing is not null",
    # What a schedule that never overlaps itself asks before it fires: few jobs are open at any time.
    "create index jobs_firing_open on jobs (firing) where firing is not null and ended_at is null",
)

BATCHES = (
    # A preview is stored and named by its hash; applying acts on exactly its rows, each guarded by its version.
    # `position`: the last row looked at while collecting, then the last one carried out.
    """create table batches (
        id integer primary key, uid text not null unique, action text not null, args text not null, state text not null,
        hash text not null, will integer not null default 0, will_not integer not null default 0,
        position integer not null default 0, reason text, created_by text not null, created_at integer not null,
        expires_at integer not null, applied_by text, applied_at integer, ended_at integer
    )""",
    "create index batches_state on batches (state, id)",
    # `version`, `state` and `priority` are those of the preview; `code` is what would become of the job, or why not.
    """create table batch_rows (
        batch integer not null references batches, n integer not null, job integer, uid text not null, version integer,
        state text, priority integer, will integer not null, code text not null, result text, result_code text,
        made text, primary key (batch, n)
    ) without rowid""",
)

ARTIFACTS = (
    # The bytes are in the folder `artifacts`; how many of an open one have arrived is what its file says.
    """create table artifacts (
        id integer primary key, uid text not null unique, attempt integer not null, job integer not null,
        robot text not null, path text, kind text not null, name text not null, type text, size integer not null,
        sha256 text not null, state text not null, reason text, created_at integer not null, completed_at integer
    )""",
    "create index artifacts_attempt on artifacts (attempt, id)",
    "create index artifacts_job on artifacts (job, id)",
    "create index artifacts_open on artifacts (created_at) where state = 'open'",
    # Bytes that are kept or announced, counted in the transaction of each change.
    "create table artifact_space (id integer primary key check (id = 1), bytes integer not null)",
    "insert into artifact_space values (1, 0)",
    """create trigger artifacts_added after insert on artifacts when new.state <> 'refused' begin
        update artifact_space set bytes = bytes + new.size; end""",
    """create trigger artifacts_removed after delete on artifacts when old.state <> 'refused' begin
        update artifact_space set bytes = bytes - old.size; end""",
    """create trigger artifacts_refused after update of state on artifacts
        when new.state = 'refused' and old.state <> 'refused' begin
        update artifact_space set bytes = bytes - old.size; end""",
)

ASSETS = (
    # Either `value` (readable) or `sealed` (a secret, encrypted with the box's key, which is not in the database).
    """create table assets (
        id text primary key, name text not null default '', value text, sealed blob, note text,
        version integer not null, updated_at integer not null, updated_by text not null
    ) without rowid""",
    # Which secrets the jobs of a submission (by its run) refer to, and which secrets and plain assets a deployment.
    # `sealed` holds one that was given with them and goes with them; null: the asset of that id.
    """create table job_secrets (
        run text not null, id text not null, sealed blob, primary key (run, id)
    ) without rowid""",
    "create index job_secrets_asset on job_secrets (id) where sealed is null",
)
