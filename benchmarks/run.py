"""Every benchmark, as one Markdown table: python benchmarks/run.py (or make bench)."""

import os
import platform
from importlib.metadata import version

import attack
import descent
import losses
import records
import sliders
import theory

MODULES = (descent, losses, attack, records, theory, sliders)


def main() -> None:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba"))
    print("# Benchmarks\n\nMade by `make bench`; counts and errors first, then times, each beside")
    print("its peer in the same run. `a / b` is a ratio of times, above 1 where b is faster.\n")
    print(f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()},")
    print(f"{libraries}.\n")
    print("| work | target | measured |\n|---|---|---|", flush=True)
    for module in MODULES:
        for row in module.rows():
            print("| {work} | {target} | {measured} |".format(**row), flush=True)


if __name__ == "__main__":
    main()
