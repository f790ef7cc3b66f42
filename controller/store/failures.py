"""Which errors of SQLite may pass, and after which going on would hide damage."""

import sqlite3

_TROUBLE = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
    }
)
_FATAL = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def _primary_code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_trouble(error: Exception) -> bool:
    """The disk is full or ails; it may pass."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) in _TROUBLE


def is_full(error: Exception) -> bool:
    """The disk has no room."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) == sqlite3.SQLITE_FULL


def is_fatal(error: Exception) -> bool:
    """The database is damaged: going on would hide it."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) in _FATAL


def is_of_store(error: Exception) -> bool:
    """SQLite said it: the file, the disk, or somebody else who has it open."""
    return isinstance(error, sqlite3.Error)
