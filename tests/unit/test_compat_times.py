"""Times as the formats write them: all six digits, the site's zone, daylight saving, no float in between."""

from web.compat.times import no_fraction, six_digits, with_blank

WINTER = 1_735_689_600_000_001  # 2025-01-01T00:00:00.000001Z
SUMMER = 1_751_328_000_999_999  # 2025-07-01T00:00:00.999999Z


def test_always_six_digits_in_the_zone_of_the_site() -> None:
    assert six_digits(WINTER, "Asia/Shanghai") == "2025-01-01T08:00:00.000001"
    assert six_digits(WINTER - 1, "UTC") == "2025-01-01T00:00:00.000000"


def test_daylight_saving_is_that_of_the_moment() -> None:
    assert no_fraction(WINTER, "Europe/Berlin") == "2025-01-01T01:00:00"
    assert no_fraction(SUMMER, "Europe/Berlin") == "2025-07-01T02:00:00"


def test_a_blank_and_no_fraction() -> None:
    assert with_blank(SUMMER, "Asia/Shanghai") == "2025-07-01 08:00:00"


def test_what_has_not_happened_has_no_time() -> None:
    assert six_digits(None, "UTC") is no_fraction(None, "UTC") is with_blank(None, "UTC") is None
