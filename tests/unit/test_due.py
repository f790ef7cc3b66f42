"""When schedules are due: zones, daylight saving, grids, spans of any length."""

from datetime import UTC, datetime
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.due import SECOND_US, Timing, check_cron, last_until, next_after, next_times, times_after
from schemas.schedule import ScheduleSave, microseconds

HOUR_US, DAY_US = 3600 * SECOND_US, 86_400 * SECOND_US


def us(text: str) -> int:
    return microseconds(text + "+00:00")


def local(moment: int, zone: str) -> str:
    return datetime.fromtimestamp(moment // SECOND_US, UTC).astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M")


def test_a_time_of_day_stays_that_time_when_the_clocks_change() -> None:
    timing = Timing(cron="0 6 * * *", zone="Europe/Berlin")
    found = next_times(timing, us("2026-03-27T12:00:00"), 4)
    assert [local(one, "Europe/Berlin") for one in found] == [
        "03-28 06:00",
        "03-29 06:00",
        "03-30 06:00",
        "03-31 06:00",
    ]
    assert found[1] - found[0] == 23 * HOUR_US


def test_a_time_that_daylight_saving_skips_comes_right_after_the_gap() -> None:
    found = next_times(Timing(cron="30 2 * * *", zone="Europe/Berlin"), us("2026-03-28T12:00:00"), 2)
    assert [local(one, "Europe/Berlin") for one in found] == ["03-29 03:00", "03-30 02:30"]


def test_a_time_that_daylight_saving_repeats_comes_once() -> None:
    timing = Timing(cron="30 2 * * *", zone="Europe/Berlin")
    found = next_times(timing, us("2026-10-24T12:00:00"), 2)
    assert [local(one, "Europe/Berlin") for one in found] == ["10-25 02:30", "10-26 02:30"]
    second_pass = us("2026-10-25T01:15:00")
    assert local(second_pass, "Europe/Berlin") == "10-25 02:15"
    assert next_after(timing, second_pass) == found[1]


def test_every_quarter_of_an_hour_goes_on_through_the_change_of_clocks() -> None:
    for night in ("2026-03-28T23:50:00", "2026-10-24T23:50:00"):
        found = next_times(Timing(cron="*/15 * * * *", zone="Europe/Berlin"), us(night), 20)
        assert {b - a for a, b in pairwise(found)} == {15 * 60 * SECOND_US}


def test_a_zone_without_daylight_saving_is_its_own() -> None:
    assert next_after(Timing(cron="0 8 * * *", zone="Asia/Shanghai"), us("2026-01-01T00:00:00")) == us(
        "2026-01-02T00:00:00"
    )


def test_every_so_many_seconds_counts_from_its_start() -> None:
    start = us("2026-01-01T00:00:07")
    timing = Timing(every_s=90, from_us=start)
    assert next_times(timing, 0, 3) == [start, start + 90 * SECOND_US, start + 180 * SECOND_US]
    assert next_after(timing, start) == start + 90 * SECOND_US
    assert next_after(Timing(every_s=900), us("2026-01-01T00:07:00")) == us("2026-01-01T00:15:00")


def test_once_is_once() -> None:
    at = us("2026-01-01T00:00:00")
    assert list(times_after(Timing(at_us=at), at - 1)) == [at]
    assert list(times_after(Timing(at_us=at), at)) == []


def test_nothing_before_from_and_nothing_after_until() -> None:
    timing = Timing(cron="0 * * * *", from_us=us("2026-01-01T08:00:00"), until_us=us("2026-01-01T10:00:00"))
    found = list(times_after(timing, us("2025-01-01T00:00:00")))
    assert found == [us(f"2026-01-01T{hour}:00:00") for hour in ("08", "09", "10")]


def test_beyond_the_last_year_nothing_is_due() -> None:
    assert next_after(Timing(cron="0 0 1 1 *", from_us=us("9999-12-31T23:59:59")), 0) is None


@pytest.mark.parametrize(
    "text",
    [
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "0 0 30 2 *",
        "L L L L L",
        "a b c d e",
        "* * * * MON#6",
        "",
        "*/0 * * * *",
    ],
)
def test_what_never_comes_or_cannot_be_read_is_no_cron_expression(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        check_cron(text)


TIMINGS = st.one_of(
    st.builds(Timing, every_s=st.integers(1, 100_000), from_us=st.integers(0, 10**15)),
    st.builds(
        Timing,
        cron=st.sampled_from(["*/7 * * * *", "30 2 * * *", "0,30 1-3 * * *", "15 6 1 * *", "0 0 * * MON"]),
        zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    ),
)


@given(timing=TIMINGS, begin=st.integers(1_774_000_000, 1_800_000_000), hours=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_the_last_one_of_a_span_is_the_last_of_all_in_it(timing: Timing, begin: int, hours: int) -> None:
    after, upto = begin * SECOND_US, begin * SECOND_US + hours * HOUR_US
    some = list(islice(takewhile(lambda at: at <= upto, times_after(timing, after)), 5000))
    if len(some) < 5000:
        assert last_until(timing, after, upto) == (some[-1] if some else None)
    assert some == sorted(set(some))


def test_a_span_of_a_thousand_years_is_not_walked() -> None:
    after = us("2026-01-01T00:00:30")
    assert last_until(Timing(every_s=1), after, after + 365_000 * DAY_US) == after + 365_000 * DAY_US
    assert (
        last_until(Timing(cron="* * * * *"), after, after + 30_000 * DAY_US) == after + 30_000 * DAY_US - 30 * SECOND_US
    )


def read(**values: object) -> ScheduleSave:
    return ScheduleSave.model_validate({"name": "n", "deployment": "d"} | values)


@pytest.mark.parametrize(
    "values",
    [
        {}, {"cron": "* * * * *", "every_s": 5}, {"every_s": 0}, {"cron": "* * * * *", "zone": "Mars/Olympus"},
        {"at": "2026-01-01"}, {"at": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"},
        {"every_s": 5, "from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"every_s": 5, "overlap": "queue"}, {"every_s": 5, "more": 1},
    ],
)  # fmt: skip
def test_a_schedule_that_makes_no_sense_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read(**values)


def test_moments_are_kept_in_one_form() -> None:
    saved = read(cron=" 0  6 * * MON-FRI ", **{"from": "2026-01-01T01:00:00.5+01:00"})
    assert (saved.from_, saved.cron) == ("2026-01-01T00:00:00.500000Z", "0 6 * * MON-FRI")
    assert saved.body()["from"] == saved.from_
    assert ScheduleSave.model_validate(saved.body()) == saved
