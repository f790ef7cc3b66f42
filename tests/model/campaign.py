"""Walk many histories, plain or with rules taken away: python -m tests.model.campaign HISTORIES [MUTANT…|all]."""

import collections
import logging
import sys
import time
import traceback
from dataclasses import dataclass, field

import pytest

from tests.model.mutants import MUTANTS
from tests.model.walk import Walk
from tests.model.world import Violation


@dataclass
class Result:
    """How many histories were walked, and what was found in which."""

    walked: int = 0
    seeds: list[int] = field(default_factory=list)
    found: collections.Counter[str] = field(default_factory=collections.Counter)


def campaign(mutant: str | None, seeds: range, enough: int | None = None) -> Result:
    """Walk the seeds, at most until `enough` of them have found something."""
    result = Result()
    with pytest.MonkeyPatch.context() as patch:
        for rule in MUTANTS[mutant] if mutant else ():
            rule(patch)
        for seed in seeds:
            result.walked += 1
            what = _walk(seed)
            if what is not None:
                result.seeds.append(seed)
                result.found[what] += 1
            if enough is not None and len(result.seeds) >= enough:
                break
    return result


def _walk(seed: int) -> str | None:
    """What one history found. A mutant may also make the code fail outright, which is found as well."""
    try:
        Walk(seed).run()
    except Violation as violation:
        return str(violation)[:90]
    except Exception as error:  # noqa: BLE001 - whatever a broken rule leads to
        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({at.filename.rsplit('/', 1)[-1]}:{at.lineno})"[:120]
    return None


def main() -> None:
    """Print one line a mutant."""
    logging.disable(logging.CRITICAL)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    names: list[str | None] = [*sys.argv[2:]] or [None]
    if names == ["all"]:
        names = [None, *MUTANTS]
    for name in names:
        began = time.monotonic()
        result = campaign(name, range(count), enough=4 if name else None)
        took = time.monotonic() - began
        print(
            f"{name or 'all rules':45} {len(result.seeds)} in {result.walked:5} ({took:.0f} s) {result.seeds[:4]}"
            f" {dict(result.found.most_common(2))}",
            flush=True,
        )


if __name__ == "__main__":
    main()
