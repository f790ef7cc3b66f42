"""The scale of a job's timeline: all attempts on one scale of seconds, the waits before, between and after folded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

WHOLE = 100.0
"""All positions and widths are percent of the column, so that the picture fits every screen."""
FOLD, FOLDS_MOST = 5.0, 30.0
TAIL = 14.0
BAND_LEAST = 12.0
ROOM, EDGE = 3.0, 1.5
"""Kept free at the right of an attempt that still runs, and of one that ended there."""
BAR_LEAST = 0.4
APART = 0.15
BAR_ALONE = 1.0
"""Bars nearer than this are one bar, for they could not be told apart, unless both are at least so wide."""
LINE_LEAST = 5.0
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)
HORIZONS_S = (10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1200, 1800, 2700, 3600)


@dataclass(frozen=True)
class Stretch:
    """When an attempt ran, in seconds since some moment; one that still runs ends where its room ends."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is; never negative, whatever clocks did."""
        return max(0.0, self.end - self.start)


@dataclass(frozen=True)
class Band:
    """An attempt's place on the scale."""

    x: float
    w: float
    stretch: Stretch


@dataclass(frozen=True)
class Fold:
    """A wait that is not drawn to scale."""

    x: float
    w: float
    seconds: float


@dataclass(frozen=True)
class Bar:
    """One run, or several that lie so close that they are one; `kind` names its look, `text` stands in it."""

    x: float
    w: float
    kind: str
    text: str = ""


@dataclass(frozen=True)
class Scale:
    """`rate`: percent of the column for a second, the same in every band; `lines` stand `step_s` apart."""

    bands: tuple[Band, ...]
    folds: tuple[Fold, ...]
    tail: Fold | None
    rate: float
    step_s: int
    lines: tuple[float, ...]

    def x(self, band: int, at: float) -> float:
        """Where a moment of an attempt is; moments outside of it are at its edges."""
        one = self.bands[band]
        inside = min(max(at, one.stretch.start), one.stretch.end) - one.stretch.start
        return round(one.x + min(inside * self.rate, one.w), 2)

    def bar(self, band: int, start: float, end: float, kind: str, text: str = "") -> Bar:
        """The bar of a run; it is never too thin to be seen, and never leaves its attempt."""
        one = self.bands[band]
        left = self.x(band, start)
        wide = max(self.x(band, max(start, end)) - left, BAR_LEAST)
        return Bar(round(min(left, one.x + one.w - BAR_LEAST), 2), round(wide, 2), kind, text)


def horizon(elapsed_s: float, usual_s: float | None) -> float:
    """How much room an attempt that still runs is given: it grows in steps, so that the scale stands still between."""
    wanted = max(elapsed_s * 1.02, usual_s or 0.0)
    fits = next((float(one) for one in HORIZONS_S if one >= wanted), None)
    if fits is not None:
        return fits
    hours = 1.5
    while hours * 3600 < wanted:
        hours *= 1.5
    return hours * 3600


def lay_out(
    stretches: Sequence[Stretch], lead_s: float | None = None, tail_s: float | None = None, *, runs: bool = False
) -> Scale:
    """Place attempts, oldest first; `lead_s`, `tail_s`: the waits before and after them, if there are such."""
    waits = [lead_s] if lead_s is not None and stretches else []
    waits += [max(0.0, after.start - before.end) for before, after in pairwise(stretches)]
    fold = min(FOLD, FOLDS_MOST / len(waits)) if waits else 0.0
    tail = 0.0 if tail_s is None else TAIL if stretches else WHOLE
    room = WHOLE - fold * len(waits) - tail - (ROOM if runs else 0.0 if tail else EDGE)
    least = min(BAND_LEAST, 0.8 * room / len(stretches)) if stretches else 0.0
    rate = _rate([one.seconds for one in stretches], room, least)
    bands, folds, x = [], [], 0.0
    seconds = iter(waits)
    for place, stretch in enumerate(stretches):
        if place or lead_s is not None:
            folds.append(Fold(round(x, 2), round(fold, 2), next(seconds)))
            x += fold
        wide = max(least, stretch.seconds * rate)
        bands.append(Band(round(x, 2), round(wide, 2), stretch))
        x += wide
    end = None if tail_s is None else Fold(round(WHOLE - tail, 2), tail, tail_s)
    step = next((one for one in STEPS_S if one * rate >= LINE_LEAST), STEPS_S[-1])
    return Scale(tuple(bands), tuple(folds), end, rate, step, _lines(bands, step, rate))


def _rate(seconds: list[float], room: float, least: float) -> float:
    """The one rate at which all attempts fill the room, the short ones widened to the least width."""
    wide = sorted(seconds, reverse=True)
    while wide:
        rest = room - least * (len(seconds) - len(wide))
        rate = rest / sum(wide) if sum(wide) > 0 else 0.0
        if rate and wide[-1] * rate >= least:
            return rate
        wide.pop()
    longest = max(seconds, default=0.0)
    return least / longest if longest else 0.0


def _lines(bands: list[Band], step_s: int, rate: float) -> tuple[float, ...]:
    found: list[float] = []
    for band in bands:
        count = int(band.stretch.seconds // step_s) if step_s * rate >= APART else 0
        ends = band.x + band.w - APART
        found += [at for k in range(1, count + 1) if (at := round(band.x + k * step_s * rate, 2)) < ends]
    return tuple(found)


def merged(bars: Sequence[Bar]) -> list[Bar]:
    """Bars of one line from left to right; thin ones of one kind that touch become one: so their number is bounded."""
    found: list[Bar] = []
    for bar in sorted(bars, key=lambda one: (one.x, one.w)):
        last = found[-1] if found else None
        if last is None or bar.x > last.x + last.w + APART or last.kind != bar.kind:
            found.append(bar)
        elif min(last.w, bar.w) >= BAR_ALONE and bar.x >= last.x + last.w - APART:
            found[-1] = replace(last, w=round(last.w - 2 * APART, 2))
            found.append(bar)
        else:
            found[-1] = Bar(last.x, round(max(last.w, bar.x + bar.w - last.x), 2), bar.kind)
    return found
