"""One page of the list of jobs with what stands around it: tabs with counts, ways to newer and older ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Literal

from controller.store import queries
from schemas.views import JobPage, JobRow
from schemas.views.jobs import Matched
from web.console.jobs_search import TABS, Search, Slip
from web.console.language import _
from web.console.look import Look

Place = Literal["top", "further", "sparse", "end", "gone"]
"""Where in the list: at its beginning; further on; where none of the rows looked at fits; behind the last; nowhere."""
OPPOSITE: dict[queries.Order, queries.Order] = {
    "newest": "oldest",
    "oldest": "newest",
    "ended_newest": "ended_oldest",
    "ended_oldest": "ended_newest",
}
MAX_MATTERS = 200
"""So many jobs that need a person are listed at once; there is no second page of them."""
MAX_NAMES = 1000
"""So many deployments are compared with a name that was not found."""
ALIKE = 0.5
"""A name that is less like the wanted one is no help."""
MAX_NEW = 100
MAX_CURSOR = 500
ALL = queries.JobFilter()


@dataclass(frozen=True)
class Tab:
    """A tab above the list; not `exact`: there are at least so many."""

    name: str
    link: str
    here: bool
    count: int
    exact: bool


@dataclass(frozen=True)
class Listing:
    """What the page shows of the list; `newer` and `older` are addresses."""

    jobs: list[JobRow]
    place: Place
    newer: str | None = None
    older: str | None = None
    matched: Matched | None = None


@dataclass(frozen=True)
class Matters:
    """Jobs that need a person: their ids, and how many of them fit the other filters."""

    ids: tuple[str, ...]
    count: int
    exact: bool


def read_matters(db: queries.Connection, search: Search, now_us: int) -> Matters:
    """What needs a person; ids only where they are asked for, because they cost more."""
    others = search.on_tab("all").job_filter()
    if others == ALL and search.tab != "person":
        total = queries.open_matters(db, now_us, limit=0).total
        return Matters((), total.value, total.exact)
    found = queries.open_matters(db, now_us, limit=MAX_MATTERS)
    ids = tuple(one.job.id for one in found.items)
    if others == ALL:
        return Matters(ids, found.total.value, found.total.exact)
    fits = queries.count_jobs(db, search.on_tab("all").job_filter(ids)).total.value if ids else 0
    return Matters(ids, fits, found.total.exact and found.total.value <= MAX_MATTERS)


def read_tabs(db: queries.Connection, search: Search, matters: Matters) -> list[Tab]:
    """The tabs: how many jobs would be found under each with the other filters as they are."""
    counts = queries.count_jobs(db, search.on_tab("all").job_filter())
    exact = counts.total.exact

    def tab(name: str) -> Tab:
        link, here = search.on_tab(name).link(), search.tab == name and search.states == TABS[name]
        if name == "person":
            return Tab(name, link, here, matters.count, matters.exact)
        states = TABS[name] or tuple(counts.by_state)
        return Tab(name, link, here, sum(counts.by_state.get(state, 0) for state in states), exact)

    return [tab(name) for name in TABS]


def read_list(db: queries.Connection, search: Search, given: Mapping[str, str], ids: tuple[str, ...]) -> Listing:
    """The page at the place that the address names; `ids`: what needs a person, which only that tab is made of."""
    person = search.tab == "person"
    if person and not ids:
        return Listing([], "top")
    f = search.job_filter(ids if person else ())
    spans = any(name == "since" for name, _value in search.window.fields)
    opened = [("at", str(search.opened_us // 1_000_000))] if spans else []
    before, after = given.get("before", "")[:MAX_CURSOR], given.get("after", "")[:MAX_CURSOR]

    def link(name: str, cursor: str | None) -> str | None:
        return None if cursor is None else search.link(*opened, (name, cursor))

    try:
        if before:
            page = queries.page_of_jobs(db, f, OPPOSITE[search.order], search.limit, before)
            jobs = page.items[::-1]
            if page.next is not None or len(jobs) == search.limit:
                older = queries.cursor_at(db, f, search.order, jobs[-1].id) if jobs else None
                return Listing(
                    jobs, "further" if jobs else "sparse", link("before", page.next), link("after", older), page.matched
                )
        page = queries.page_of_jobs(db, f, search.order, _limit(search), (None if before else after) or None)
    except queries.BadCursor:
        return Listing([], "gone")
    newer = queries.cursor_at(db, f, OPPOSITE[search.order], page.items[0].id) if after and page.items else None
    return Listing(page.items, _place(page, bool(after)), link("before", newer), link("after", page.next), page.matched)


def _limit(search: Search) -> int:
    return MAX_MATTERS if search.tab == "person" else search.limit


def _place(page: JobPage, further: bool) -> Place:
    if page.items:
        return "further" if further else "top"
    if page.next is not None:
        return "sparse"
    return "end" if further else "top"


def count_new(db: queries.Connection, search: Search, newest: str | None) -> int:
    """How many jobs have come that the top of the list does not show yet, counted up to `MAX_NEW`."""
    if search.tab == "person" or search.order != "newest":
        return 0
    if newest is not None:
        return queries.newer_than(db, search.job_filter(), newest, MAX_NEW)
    return len(queries.page_of_jobs(db, search.job_filter(), limit=MAX_NEW).items)


def with_doubts(db: queries.Connection, search: Search, look: Look) -> Search:
    """The search with a word about names that nothing has; they hold all the same, for what was removed."""
    filters, doubts = search.filters, []
    if (robot := filters.get("robot")) and robot not in look.by_id:
        doubts.append(Slip("robot", robot, _("There is no robot of that name now."), left_out=False))
    if (queue := filters.get("queue")) and queue not in {one.id for one in look.queues}:
        doubts.append(Slip("queue", queue, _("There is no queue of that name now."), left_out=False))
    if (deployment := filters.get("deployment")) and queries.deployment(db, deployment) is None:
        doubts.append(Slip("deployment", deployment, _("There is no deployment of that name now."), left_out=False))
    return replace(search, slips=(*search.slips, *doubts))


def nearest(db: queries.Connection, search: Search, look: Look) -> tuple[str, str, str] | None:
    """Filter, name and address of what is called most like the name that was not found."""
    filters = search.filters
    names: dict[str, Callable[[], list[str]]] = {
        "q": lambda: [one.name for one in queries.page_of_deployments(db, limit=MAX_NAMES).items],
        "robot": lambda: list(look.by_id),
        "queue": lambda: [one.id for one in look.queues],
    }
    for name, read in names.items():
        best = max(read() if name in filters else (), key=lambda one: _alike(filters[name], one), default=None)
        if best is not None and best != filters[name] and _alike(filters[name], best) >= ALIKE:
            return name, best, search.having(name, best).link()
    return None


def _alike(wanted: str, name: str) -> float:
    """How much a name is like what was typed: as a whole, or by its longest piece that stands in it."""
    match = SequenceMatcher(None, wanted.casefold(), name.casefold(), autojunk=False)
    piece = match.find_longest_match().size / max(1, len(wanted))
    return max(match.ratio(), piece)
