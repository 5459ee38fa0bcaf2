"""Lists of rules that the admin API can change while the server runs.

It exists because faults and progress rules are kept, numbered and removed in the same way. It must not know
what a rule does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict


class Rule(BaseModel):
    """Something an operator of the local cloud asked for. ``id`` is given when it is added."""

    model_config = ConfigDict(extra="forbid")

    id: int = 0


RuleT = TypeVar("RuleT", bound=Rule)


class RuleList(Generic[RuleT]):
    """Rules in the order they were added; the first that matches wins."""

    def __init__(self) -> None:
        self._rules: list[RuleT] = []
        self._numbers = itertools.count(1)

    def add(self, rule: RuleT) -> RuleT:
        added = rule.model_copy(update={"id": next(self._numbers)})
        self._rules.append(added)
        return added

    def remove(self, rule_id: int) -> bool:
        """Remove one rule. False when there is none of that number."""
        kept = [rule for rule in self._rules if rule.id != rule_id]
        removed = len(kept) < len(self._rules)
        self._rules[:] = kept
        return removed

    def clear(self) -> None:
        self._rules.clear()

    def __iter__(self) -> Iterator[RuleT]:
        return iter(list(self._rules))

    def __bool__(self) -> bool:
        return bool(self._rules)
