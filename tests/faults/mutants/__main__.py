"""python -m tests.faults.mutants NAME MODULE ARGUMENTS…: run a module of the product with one rule taken away."""

import runpy
import sys

from tests.faults.mutants.rules import RULES


def main() -> None:
    """Take the rule away, then be the module."""
    name, module = sys.argv[1:3]
    RULES[name]()
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
