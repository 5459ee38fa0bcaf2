"""How often each method was called, counted where the calls arrive.

It exists so that tests and benchmarks can say how many requests something cost, told by the side that
received them.
"""

from __future__ import annotations

from collections import Counter, defaultdict


class Counters:
    """Calls by method and by outcome: OK, an error's code, DROPPED, CANCELLED by the client."""

    def __init__(self) -> None:
        self._outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self._now: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    def begin(self, method: str) -> None:
        self._now[method] += 1
        self._most[method] = max(self._most[method], self._now[method])

    def end(self, method: str, outcome: str) -> None:
        self._now[method] -= 1
        self._outcomes[method][outcome] += 1

    def as_dict(self) -> dict[str, dict[str, object]]:
        """By method: all calls ended, how they ended, how many are under way, the most at one time."""
        methods = {**self._outcomes, **dict.fromkeys(self._now - Counter())}
        return {
            method: {
                "calls": sum(self._outcomes[method].values()),
                "outcomes": dict(self._outcomes[method]),
                "in_flight": self._now[method],
                "most_in_flight": self._most[method],
            }
            for method in sorted(methods)
        }

    def clear(self) -> None:
        """Start again from zero; calls under way are still counted when they end."""
        self._outcomes.clear()
        self._most = Counter(self._now)
