"""Tables that tell damage and loss: hash chains a day, and findings; a migration after those of `schema_records`."""

INTEGRITY = (
    # SHA-256 over the row and the one before it of the same day. Null: written before there were chains.
    "alter table events add column chain text",
    # One row a book (`events`, `audit`) and UTC day, in the order in which the days were begun (a clock may go back):
    # what the first row follows on, and the hash of the last one. `rows` counts up what was written; from the moment
    # on when the day is cleared away by age (`dropped`) it counts down what is left.
    """create table chain_days (
        n integer primary key autoincrement, book text not null, day integer not null, before text not null,
        head text not null, first integer not null, rows integer not null, dropped integer not null default 0,
        unique (book, day)
    )""",
    # What was found wrong with the box's own data, until somebody has seen to it.
    "create table findings (code text primary key, text text not null, since integer not null) without rowid",
)
