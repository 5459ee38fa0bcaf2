"""Sets of completion indexes as the status writes them: ``0,2-4,7``."""

from __future__ import annotations

from collections.abc import Iterable


def parse(text: str | None, *, below: int) -> set[int]:
    """The indexes that a text names, of those that exist."""
    found: set[int] = set()
    for part in filter(None, (text or "").split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), min(int(last or first), below - 1) + 1))
    return found


def written(indexes: Iterable[int]) -> str:
    """Indexes in order; three neighbours and more are joined."""
    parts: list[list[int]] = []
    for index in sorted(indexes):
        if parts and parts[-1][1] == index - 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    return ",".join(map(_part, parts))


def _part(part: list[int]) -> str:
    first, last = part
    if first == last:
        return str(first)
    return f"{first},{last}" if first + 1 == last else f"{first}-{last}"
