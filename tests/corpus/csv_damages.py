"""Damages of CSV files whose cells have no quotes; lines count from 1, the header included."""

from collections.abc import Callable, Sequence

from tests.corpus.damages import Damage, Place, text


def lines(place: Place, change: Callable[[list[str]], Sequence[str]]) -> Damage:
    """Change the list of lines."""
    return text(place, lambda table: "\n".join(change(table.rstrip("\n").split("\n"))) + "\n")


def line(place: Place, number: int, change: Callable[[list[str]], Sequence[str]]) -> Damage:
    """Change the cells of a line."""

    def changed(found: list[str]) -> list[str]:
        return [*found[: number - 1], ",".join(change(found[number - 1].split(","))), *found[number:]]

    return lines(place, changed)


def cell(place: Place, number: int, column: str, value: str) -> Damage:
    """Put text into a cell of a line, as it stands."""

    def changed(found: list[str]) -> list[str]:
        cells = found[number - 1].split(",")
        cells[found[0].split(",").index(column)] = value
        return [*found[: number - 1], ",".join(cells), *found[number:]]

    return lines(place, changed)


def header_alone(place: Place) -> Damage:
    """Keep the header."""
    return lines(place, lambda found: found[:1])


def headless(place: Place) -> Damage:
    """Take the header away."""
    return lines(place, lambda found: found[1:])


def without_columns(place: Place, names: Sequence[str]) -> Damage:
    """Take columns away."""

    def changed(found: list[str]) -> list[str]:
        kept = [place for place, name in enumerate(found[0].split(",")) if name not in names]
        return [",".join(row.split(",")[index] for index in kept) for row in found]

    return lines(place, changed)


def column_twice(place: Place) -> Damage:
    """Repeat the first column behind the last."""
    return lines(place, lambda found: [f"{row},{row.split(',')[0]}" for row in found])
