"""``$filter`` and ``$select``: which things a list has, and what of them.

It exists to read the part of OData that Batch documents: comparisons with ``and``, ``or``, ``not`` and
parentheses, and ``startswith``. https://learn.microsoft.com/azure/batch/batch-efficient-list-queries. It must
not know a resource.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator.catalogue import Term
from airflow_provider_jobs.backends.azure_batch.emulator.errors import invalid_parameter

Predicate = Callable[[Mapping[str, Any]], bool]
#: What can be looked up, the most selective first.
_KINDS = ("id", "prefix", "state", "other_state")
_TOKEN = re.compile(
    r"\s*(?:(?P<time>[Dd]ate[Tt]ime(?:[Oo]ffset)?'[^']*')|(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)"
    r"(?![\w-])|(?P<sign>[(),])|(?P<name>[A-Za-z_][\w/.]*))"
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt,
    "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip


class Filter(NamedTuple):
    """What a thing must be. ``holds`` tells of its wire form, of which it needs the properties ``names``.

    ``terms``: every thing that it holds of meets one of these; None where nothing of the kind is known.
    """

    holds: Predicate
    names: frozenset[str]
    terms: frozenset[Term] | None = None


def compile_filter(text: str) -> Filter:
    """The filter of a text. Raises StatusError when it cannot be read."""
    parser = _Parser(text)
    found = parser.any_of()
    parser.expect_end()
    return found


def selected(names: str) -> frozenset[str]:
    """The properties that ``$select`` names."""
    return frozenset(name.strip() for name in names.split(","))


def select(thing: Mapping[str, Any], names: str) -> dict[str, Any]:
    """The properties of a thing that ``$select`` names, and no others."""
    wanted = selected(names)
    return {name: value for name, value in thing.items() if name in wanted}


def _any(parts: Sequence[Filter]) -> Filter:
    if len(parts) == 1:
        return parts[0]
    known = [part.terms for part in parts if part.terms is not None]
    return Filter(
        lambda thing: any(part.holds(thing) for part in parts),
        frozenset().union(*(part.names for part in parts)),
        frozenset().union(*known) if len(known) == len(parts) else None,
    )


def _all(parts: Sequence[Filter]) -> Filter:
    if len(parts) == 1:
        return parts[0]
    known = [part.terms for part in parts if part.terms is not None]
    return Filter(
        lambda thing: all(part.holds(thing) for part in parts),
        frozenset().union(*(part.names for part in parts)),
        min(known, key=_width, default=None),
    )


def _width(terms: frozenset[Term]) -> int:
    """How little the terms tell."""
    return max((_KINDS.index(term.kind) for term in terms), default=0)


def _not(part: Filter) -> Filter:
    return Filter(lambda thing: not part.holds(thing), part.names)


class _Parser:
    """Reads one filter from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._bad(f"cannot be read from position {position}")
            self._tokens.append((match.lastgroup or "", match[match.lastgroup or 0]))
            position = match.end()
        self._tokens.reverse()

    def any_of(self) -> Filter:
        parts = [self._all_of()]
        while self._take("name", "or"):
            parts.append(self._all_of())
        return _any(parts)

    def expect_end(self) -> None:
        if self._tokens:
            raise self._bad(f"'{self._tokens[-1][1]}' is not expected")

    def _all_of(self) -> Filter:
        parts = [self._one()]
        while self._take("name", "and"):
            parts.append(self._one())
        return _all(parts)

    def _one(self) -> Filter:
        if self._take("name", "not"):
            return _not(self._one())
        if self._take("sign", "("):
            inner = self.any_of()
            self._expect("sign", ")")
            return inner
        name = self._expect("name")
        if name == "startswith":
            return self._starts_with()
        word = self._expect("name")
        if word not in _COMPARISONS:
            raise self._bad(f"'{word}' is no comparison")
        return _comparison(name, word, self._literal())

    def _starts_with(self) -> Filter:
        self._expect("sign", "(")
        name = self._expect("name")
        self._expect("sign", ",")
        prefix = self._literal()
        self._expect("sign", ")")
        if not isinstance(prefix, str):
            raise self._bad("startswith needs a text")
        return Filter(
            lambda thing: str(value_at(thing, name) or "").startswith(prefix),
            frozenset({name.partition("/")[0]}),
            frozenset({Term("prefix", prefix)}) if name == "id" else None,
        )

    def _literal(self) -> Any:
        kind, text = self._tokens.pop() if self._tokens else ("", "")
        if kind == "time":
            return self._time(text.partition("'")[2][:-1])
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text)
        if kind == "name" and text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text]
        raise self._bad(f"'{text}' is no value")

    def _time(self, text: str) -> pendulum.DateTime:
        try:
            found = pendulum.parse(text)
        except ValueError:
            raise self._bad(f"'{text}' is no time") from None
        assert isinstance(found, pendulum.DateTime)
        return found

    def _take(self, kind: str, text: str) -> bool:
        if self._tokens and self._tokens[-1] == (kind, text):
            self._tokens.pop()
            return True
        return False

    def _expect(self, kind: str, text: str | None = None) -> str:
        if not self._tokens or self._tokens[-1][0] != kind or text not in (None, self._tokens[-1][1]):
            found = f"'{self._tokens[-1][1]}'" if self._tokens else "its end"
            raise self._bad(f"{found} is not expected")
        return self._tokens.pop()[1]

    def _bad(self, reason: str) -> Exception:
        return invalid_parameter("$filter", self._text, reason)


def value_at(thing: Mapping[str, Any], path: str) -> Any:
    """What stands in a thing under ``a/b``; None where there is nothing."""
    found: Any = thing
    for name in path.split("/"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _comparison(name: str, word: str, wanted: Any) -> Filter:
    compare = _COMPARISONS[word]

    def holds(thing: Mapping[str, Any]) -> bool:
        found = value_at(thing, name)
        if isinstance(wanted, pendulum.DateTime) and isinstance(found, str):
            return compare(pendulum.parse(found), wanted)
        if isinstance(found, str) and isinstance(wanted, str):
            return compare(found.casefold(), wanted.casefold())
        if found is None or wanted is None or isinstance(found, str) is not isinstance(wanted, str):
            return compare is operator.ne if found != wanted else compare is operator.eq
        return compare(found, wanted)

    return Filter(holds, frozenset({name.partition("/")[0]}), _terms(name, word, wanted))


def _terms(name: str, word: str, wanted: Any) -> frozenset[Term] | None:
    kinds = {("id", "eq"): "id", ("state", "eq"): "state", ("state", "ne"): "other_state"}
    kind = kinds.get((name, word))
    return frozenset({Term(kind, wanted)}) if kind and isinstance(wanted, str) else None
