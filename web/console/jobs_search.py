"""Filters of the list of jobs as they stand in the address: read, checked, shown as chips, written again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from urllib.parse import unquote_plus, urlencode

from werkzeug.datastructures import MultiDict

from controller.store import queries
from schemas.status import JobState
from web.console import words
from web.console.jobs_times import ALWAYS, Unclear, Window, read_window
from web.console.language import N_, _

By = Literal["created", "started", "ended"]
TABS: dict[str, tuple[str, ...]] = {
    "all": (),
    "person": (),
    "queued": ("queued",),
    "on_robot": ("assigned", "running", "paused", "cancelling", "uncertain"),
    "succeeded": ("succeeded",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}
"""Tabs above the list and the states that each shows; `person` is what waits for a decision, whatever its state."""
ORDERS: dict[str, str] = {
    "newest": N_("newest first"),
    "oldest": N_("oldest first"),
    "ended_newest": N_("last ended first"),
    "ended_oldest": N_("first ended first"),
}
LIMITS = (50, 100, 200)
TEXTS: dict[str, str] = {
    "q": N_("deployment contains"),
    "deployment": N_("deployment"),
    "robot": N_("robot"),
    "queue": N_("queue"),
    "source": N_("source"),
}
"""Filters that are plain text, and what their chips are called."""
LABELS: dict[str, str] = TEXTS | {
    "state": N_("state"),
    "by": N_("Of what"),
    "since": N_("Within"),
    "from": N_("From"),
    "to": N_("To"),
    "order": N_("Order"),
    "limit": N_("Rows on a page"),
}
"""What a filter is called when something is wrong with it."""
TIMES = ("since", "from", "to")
BYS: dict[str, str] = {"created": N_("created"), "started": N_("started"), "ended": N_("ended")}
SOURCES = ("manual", "schedule", "api", "resend", "child", "dispatch", "button", "system", "handheld")
PLACES = ("after", "before", "at", "lang")
"""Parameters that are no filters: the place in the list, when it was opened, the language."""
LONGEST = 200


@dataclass(frozen=True)
class Slip:
    """A filter that makes no sense; `left_out`: the list is shown as if it were not there."""

    name: str
    value: str
    message: str
    left_out: bool = True

    @property
    def label(self) -> str:
        """The filter's name in the language of the page; as it was typed if there is no such filter."""
        return _(LABELS[self.name]) if self.name in LABELS else self.name


@dataclass(frozen=True)
class Chip:
    """A filter as a removable label; `slip` says what is wrong with it, and then it may not hold."""

    label: str
    value: str
    remove: str
    slip: str | None = None
    holds: bool = True


@dataclass(frozen=True)
class Search:
    """What the address asks for; `opened_us`: when the list was opened, for which "the last 24 h" holds."""

    tab: str = "all"
    states: tuple[str, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    window: Window = ALWAYS
    by: By = "created"
    order: queries.Order = "newest"
    limit: int = LIMITS[0]
    opened_us: int = 0
    slips: tuple[Slip, ...] = ()

    @property
    def filters(self) -> dict[str, str]:
        """The plain filters by name."""
        return dict(self.texts)

    @property
    def narrowed(self) -> bool:
        """Whether anything but a tab is asked for."""
        return bool(self.texts or self.window.given or (self.states and self.states != TABS[self.tab]))

    def job_filter(self, ids: tuple[str, ...] = ()) -> queries.JobFilter:
        """As the read side takes it; `ids` are those of the tab `person`."""
        times = {f"{self.by}_from": self.window.start, f"{self.by}_to": self.window.end}
        filters: dict[str, Any] = {**dict(self.texts), **times}
        return queries.JobFilter(states=tuple(sorted(self.states)), ids=tuple(sorted(ids)), **filters)

    def pairs(self) -> list[tuple[str, str]]:
        """The address's parameters in one order, without what is left out or as usual."""
        found: list[tuple[str, str]] = []
        if self.tab != "all":
            found.append(("state", self.tab))
        elif self.states:
            found += [("state", state) for state in self.states]
        found += list(self.texts) + self.window.pairs()
        usual = (
            ("by", self.by, "created"),
            ("order", self.order, "newest"),
            ("limit", str(self.limit), str(LIMITS[0])),
        )
        return found + [(name, value) for name, value, as_usual in usual if value != as_usual]

    def link(self, *more: tuple[str, str]) -> str:
        """The page's address."""
        query = urlencode([*self.pairs(), *more])
        return "/jobs" + (f"?{query}" if query else "")

    @property
    def address(self) -> str:
        """The same as people read it: with the letters that were typed."""
        return unquote_plus(self.link())

    def on_tab(self, tab: str) -> "Search":
        """The same filters under another tab."""
        return replace(self, tab=tab, states=TABS[tab])

    def without(self, name: str) -> "Search":
        """The same without one filter."""
        if name in TIMES:
            return replace(self, window=self.window.without(name))
        if name == "state":
            return self.on_tab("all")
        return replace(self, texts=tuple(pair for pair in self.texts if pair[0] != name))

    def having(self, name: str, value: str) -> "Search":
        """The same with another value of a plain filter."""
        return replace(self, texts=tuple((one, value if one == name else had) for one, had in self.texts))

    def chips(self) -> Iterator[Chip]:
        """Every filter that holds, then those that make no sense."""
        wrong = {slip.name: slip.message for slip in self.slips if not slip.left_out}
        if self.tab == "all" and self.states:
            named = ", ".join(words.job_word(state) for state in self.states)
            yield Chip(_("state"), named, self.without("state").link())
        for name, value in self.texts:
            shown = words.source_word(value) if name == "source" else value
            yield Chip(_(TEXTS[name]), shown, self.without(name).link(), wrong.get(name))
        for name, label, shown in self.window.shown(self.by):
            yield Chip(label, shown, self.without(name).link())
        for slip in self.slips:
            if slip.left_out:
                yield Chip(slip.label, slip.value[:40], self.link(), slip.message, holds=False)


def read_search(given: "MultiDict[str, str]", now_us: int) -> Search:
    """The address's filters; those that make no sense are named in `slips` and left out."""
    slips: list[Slip] = []
    tab, states = _states(given, slips)
    by: Any = _one_of(given, "by", get_args(By), slips)
    order: Any = _one_of(given, "order", tuple(ORDERS), slips)
    limit = _one_of(given, "limit", tuple(map(str, LIMITS)), slips)
    texts = tuple((name, value) for name in TEXTS if (value := _text(given, name, slips)))
    times = {name: value for name in TIMES if (value := _text(given, name, slips))}
    opened = _moment(given, now_us)
    window = _window(times, opened, now_us, slips)
    known = {"state", "by", "order", "limit", *TEXTS, *TIMES, *PLACES}
    slips += [Slip(one[:40], given[one], _("There is no such filter.")) for one in given if one not in known]
    return Search(
        tab, states, texts, window, by or "created", order or "newest", int(limit or LIMITS[0]), opened, tuple(slips)
    )


def _moment(given: Mapping[str, str], now_us: int) -> int:
    """When the list was opened: pages further on count "the last 24 h" from there. Microseconds."""
    text = given.get("at", "")
    return min(int(text) * 1_000_000, now_us) if text.isascii() and text.isdecimal() and len(text) <= 11 else now_us


def _text(given: Mapping[str, str], name: str, slips: list[Slip]) -> str:
    value = given.get(name, "").strip()
    if len(value) > LONGEST:
        slips.append(Slip(name, value, _("This is too long for a filter.")))
        return ""
    if name == "source" and value and value not in SOURCES:
        slips.append(Slip(name, value, _("Jobs come from nowhere of that name.")))
        return ""
    return value


def _one_of(given: Mapping[str, str], name: str, choices: tuple[str, ...], slips: list[Slip]) -> str | None:
    value = given.get(name, "").strip()
    if not value or value in choices:
        return value or None
    slips.append(Slip(name, value, _("Only these are possible: %(choices)s.", choices=", ".join(choices))))
    return None


def _states(given: "MultiDict[str, str]", slips: list[Slip]) -> tuple[str, tuple[str, ...]]:
    """A tab, or states one by one."""
    asked = [one for one in dict.fromkeys(given.getlist("state")) if one]
    known = [one for one in asked if one in TABS or one in frozenset(JobState)]
    slips += [Slip("state", one, _("There is no such state.")) for one in asked if one not in known]
    if len(known) == 1 and known[0] in TABS:
        return known[0], TABS[known[0]]
    if "all" in known or "person" in known:
        slips.append(Slip("state", ", ".join(known), _("These do not go together.")))
        return "all", ()
    return "all", tuple(sorted({state for one in known for state in TABS.get(one, (one,))}))


def _window(times: dict[str, str], opened_us: int, now_us: int, slips: list[Slip]) -> Window:
    """The period; what cannot be understood, or can hold nothing, is left out."""
    try:
        return read_window(times, opened_us, now_us)
    except Unclear as unclear:
        slips += [Slip(name, times[name], unclear.message) for name in unclear.names]
        return _window({k: v for k, v in times.items() if k not in unclear.names}, opened_us, now_us, slips)
