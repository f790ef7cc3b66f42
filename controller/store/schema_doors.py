"""Tables of the doors: what a robot shows to the broker, and certificates that are good for nothing any more."""

DOORS = (
    # One row for each robot that ever had a credential: `hash` is a password as mosquitto has it, `serial` names a
    # certificate. A row stays when it is revoked, so that a box that asked for passwords once never stops asking.
    """create table credentials (
        robot text primary key, kind text not null, hash text, serial text, expires_at integer,
        made_at integer not null, made_by text not null, revoked_at integer, revoked_by text
    ) without rowid""",
    "create table revoked_certificates (serial text primary key, robot text not null, at integer not null)"
    " without rowid",
)
