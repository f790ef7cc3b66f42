"""How often Python looks for cycles of objects that nobody holds: seldom, in processes that make very few of them."""

import gc

YOUNG, MIDDLE, OLD = 20_000, 20, 100
"""New objects until the youngest are looked at, and looks at one age until those of the next are looked at as well."""


def rarely() -> None:
    """Leave out whatever was loaded until now, and look at the rest seldom.

    A sampling profile of a controller at full rate found it looking for cycles in 30 % of the samples at Python's own
    pace (700 new objects). Nearly everything here is freed by counting references, so little waits for these looks.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
