"""Lists as files for other programs: written while they are read, so that their length costs no memory."""

import csv
import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Response

from controller.store.queries import JobFilter, Order, Reader
from controller.store.queries.exports import COLUMNS, Place, part_of_jobs
from web.asked import JobFilters
from web.backend import EXPORTS, Backend
from web.errors import ApiError
from web.routes import Call, Routes

logger = logging.getLogger(__name__)

routes = Routes()
CSV = "text/csv; charset=utf-8"
BOM = "\ufeff"
"""Without it a well-known spreadsheet takes UTF-8 for something else."""
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet would carry out a cell that begins so."""
CUT = "# incomplete: the records could not be read any further"


class ExportQuery(JobFilters):
    """The jobs of a list, in its order."""

    order: Order = "newest"


def as_lines(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as RFC 4180 has them; what a spreadsheet would carry out begins with an apostrophe."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_RISKY) else cell


class Parts:
    """The parts of a file, each read when the one before it has left; closed when the client has gone."""

    def __init__(self, backend: Backend, f: JobFilter, order: Order) -> None:
        self._slots = backend.exports
        if not self._slots.acquire(blocking=False):
            text = f"{EXPORTS} exports are under way; try again when one has ended."
            raise ApiError("stream.full", text, headers={"Retry-After": "10"})
        self._open = True
        try:
            self._first, self._place = self._read(backend.reader, f, order, None)
        except BaseException:
            self.close()
            raise
        self._more = self._go_on(backend.reader, f, order)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            return next(self._more)
        except StopIteration:
            self.close()
            raise

    def close(self) -> None:
        """Let another one begin."""
        if self._open:
            self._open = False
            self._slots.release()

    def _read(self, reader: Reader, f: JobFilter, order: Order, place: Place | None) -> tuple[str, Place | None]:
        with reader.reading() as db:
            rows, after = part_of_jobs(db, f, order, place)
        return as_lines(rows), after

    def _go_on(self, reader: Reader, f: JobFilter, order: Order) -> Iterator[str]:
        yield BOM + as_lines([COLUMNS]) + self._first
        place = self._place
        while place is not None and self._open:
            try:
                lines, place = self._read(reader, f, order, place)
            except Exception:
                logger.exception("an export was cut")
                yield as_lines([[CUT]])
                return
            if lines:
                yield lines


def send_jobs(backend: Backend, f: JobFilter, order: Order) -> Response:
    """The jobs of a list as a file; raises `ApiError`."""
    name = f"jobs-{datetime.now(UTC):%Y%m%d-%H%M%S}.csv"
    disposition = f'attachment; filename="{name}"'
    return Response(Parts(backend, f, order), content_type=CSV, headers={"Content-Disposition": disposition})


@routes.get("/exports/jobs.csv", CSV, query=ExportQuery)
def export_jobs(call: Call) -> Response:
    """Jobs as a CSV file (RFC 4180, UTF-8), as long as there are any.

    A cell that a spreadsheet would carry out begins with an apostrophe. A file that could not be read to its end says
    so in its last line.
    """
    query: ExportQuery = call.query
    return send_jobs(call.backend, query.as_filter(), query.order)
