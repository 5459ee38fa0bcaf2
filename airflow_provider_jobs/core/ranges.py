"""Sets of array indexes as short text: ``"3,7-9"``."""

from __future__ import annotations

from collections.abc import Iterable


def format_indexes(indexes: Iterable[int]) -> str:
    """Return sorted indexes as ranges; empty text for none."""
    runs: list[list[int]] = []
    for index in sorted(set(indexes)):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def index_map(text: str) -> tuple[int, ...] | None:
    """Return the original index of each task from its text; ``None`` for none: they are the same."""
    return tuple(parse_indexes(text)) if text else None


def parse_indexes(text: str) -> list[int]:
    """Read what :func:`format_indexes` wrote.

    :raises ValueError: the text is not of that form
    """
    indexes: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        indexes.extend(range(int(first), int(last or first) + 1))
    return indexes
