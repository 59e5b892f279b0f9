"""How large nrrsim is where it is installed, and what the largest packages are for: `make bench` prints it.

What a package installed is counted, as its own record lists it: without bytecode, which is about a fifth more.
"""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LARGE = 10e6  # bytes: packages that are listed one by one


def brought_along(extras: frozenset[str] = frozenset()) -> dict[str, str]:
    """The packages that nrrsim with these extras needs, of those that are here, and who asks for each."""
    asked: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [("nrrsim", extras, "")]
    while queue:  # the nearest first, so that each is told with the one that is nearest to nrrsim
        name, wanted, by = queue.pop(0)
        package = found(name)
        if package is None or (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        asked.setdefault(name, by)
        for line in package.requires or []:
            need = Requirement(line)
            fits = [
                need.marker is None or need.marker.evaluate({"extra": each})
                for each in ("", *wanted)
            ]
            if any(fits):
                queue.append((canonicalize_name(need.name), frozenset(need.extras), name))
    return asked


def found(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def size(package: Distribution) -> int:
    files = (Path(str(file.locate())) for file in package.files or () if file.suffix != ".pyc")
    return sum(file.stat().st_size for file in files if file.is_file())


def main() -> None:
    alone = brought_along()
    sizes = {name: size(distribution(name)) for name in alone}
    rest = {canonicalize_name(each.name): size(each) for each in distributions()}
    rest = {name: each for name, each in rest.items() if name not in alone}
    print(
        f"\nInstalled, nrrsim is {sum(sizes.values()) / 1e6:,.0f} MB in {len(sizes)} packages; its extras that are"
        f" here, and what tests and builds need, are {sum(rest.values()) / 1e6:,.0f} MB in {len(rest)} more."
    )
    print("\n| package | MB | asked for by |\n|---|--:|---|")
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if sizes[name] >= LARGE:
            print(f"| {name} | {sizes[name] / 1e6:,.0f} | {alone[name]} |")


if __name__ == "__main__":
    main()
