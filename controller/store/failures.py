"""Which errors of SQLite may pass, and after which going on would hide damage."""

import errno
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
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNSAID = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_FATAL = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def _primary_code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_trouble(error: Exception) -> bool:
    """The disk is full or ails; it may pass."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) in _TROUBLE


def is_full(error: BaseException) -> bool:
    """The disk has no room: SQLite says so, or the system."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return isinstance(error, sqlite3.Error) and _primary_code(error) == sqlite3.SQLITE_FULL


def may_be_full(error: BaseException) -> bool:
    """SQLite says only that the disk failed, as it does where a file beside the database cannot grow."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) in _UNSAID


def is_fatal(error: Exception) -> bool:
    """The database is damaged: going on would hide it."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) in _FATAL


def is_of_store(error: Exception) -> bool:
    """SQLite said it: the file, the disk, or somebody else who has it open."""
    return isinstance(error, sqlite3.Error)
