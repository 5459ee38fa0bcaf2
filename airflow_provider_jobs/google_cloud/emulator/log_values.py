"""Fields of a log entry against the values of a filter.

It exists apart from the parser because types matter here: severities have an order, times are times,
everything else is compared without regard to case, regular expressions excepted.
https://docs.cloud.google.com/logging/docs/view/logging-query-language#comparisons
"""

from __future__ import annotations

import operator as operators
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import pendulum
from google.logging.type import log_severity_pb2
from pendulum.parsing.exceptions import ParserError

from airflow_provider_jobs.emulator.calls import StatusError

NULL = "NULL_VALUE"
TIME_FIELDS = ("timestamp", "receiveTimestamp")
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operators.eq,
    "!=": operators.ne,
    ">": operators.gt,
    ">=": operators.ge,
    "<": operators.lt,
    "<=": operators.le,
}
_SNAKE = re.compile(r"_([a-z])")
_NANOS = re.compile(r"(\.\d{1,9})\d*(?=Z|[+-]|$)")


def compare(
    entry: Mapping[str, Any], path: tuple[str, ...], *, operator: str, value: str, quoted: bool
) -> bool:
    """Whether the field meets the comparison. A missing field meets only ``!=`` and ``= NULL_VALUE``."""
    if not path:
        return any(value.lower() in text.lower() for text in _texts(entry))
    found = _lookup(entry, path)
    if value == NULL and not quoted:
        return (found is None) == (operator in ("=", ":"))
    if operator == "!=":
        return not compare(entry, path, operator="=", value=value, quoted=quoted)
    if operator == "!~":
        return found is None or _pattern(value).search(_text(found)) is None
    if found is None:
        return False
    if operator == "=~":
        return _pattern(value).search(_text(found)) is not None
    if operator == ":":
        return _has(found, value, quoted=quoted)
    return _ordered(path, found, operator=operator, value=value)


def nanoseconds(value: str) -> int:
    """A time in a filter, as nanoseconds since the epoch. Raises StatusError when it is none."""
    fraction = _NANOS.search(value)
    nanos = int(fraction[1][1:].ljust(9, "0")) if fraction else 0
    whole = value[: fraction.start()] + value[fraction.end() :] if fraction else value
    try:
        at = pendulum.parse(whole)
    except (ParserError, ValueError):
        raise StatusError("INVALID_ARGUMENT", f'Unparseable filter: "{value}" is not a timestamp') from None
    if not isinstance(at, pendulum.DateTime):
        raise StatusError("INVALID_ARGUMENT", f'Unparseable filter: "{value}" is not a timestamp')
    return at.int_timestamp * 10**9 + nanos


def severity_number(value: str) -> int:
    """The rank of a severity by name or number. Raises StatusError for any other word."""
    if value.isdecimal():
        return int(value)
    try:
        return int(log_severity_pb2.LogSeverity.Value(value.upper()))
    except ValueError:
        raise StatusError("INVALID_ARGUMENT", f'Unparseable filter: unknown severity "{value}"') from None


def _ordered(path: tuple[str, ...], found: Any, *, operator: str, value: str) -> bool:
    test = _ORDER[operator]
    if path[0] in TIME_FIELDS:
        return test(found, nanoseconds(value))
    if path[0] == "severity":
        return test(severity_number(found), severity_number(value))
    if isinstance(found, bool):
        return test(str(found).lower(), value.lower())
    if isinstance(found, (int, float)):
        try:
            return test(float(found), float(value))
        except ValueError:
            return False
    if isinstance(found, Mapping):
        return False
    return test(_text(found).lower(), value.lower())


def _has(found: Any, value: str, *, quoted: bool) -> bool:
    """``field:value``: a part of a text, a key of a map, an element of a list; ``field:*`` is presence."""
    if value == "*" and not quoted:
        return True
    if isinstance(found, Mapping):
        return value in found or any(value.lower() in text.lower() for text in _texts(found))
    if isinstance(found, list):
        return any(_has(element, value, quoted=quoted) for element in found)
    return value.lower() in _text(found).lower()


def _lookup(entry: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    first = _SNAKE.sub(lambda match: match[1].upper(), path[0])
    found: Any = entry.get(first)
    for place, name in enumerate(path[1:], start=1):
        if not isinstance(found, Mapping):
            return None
        # Keys of labels often have dots in them, and people forget the quotes.
        rest = ".".join(path[place:])
        if rest in found:
            return found[rest]
        found = found.get(name)
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    else:
        yield _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


@lru_cache(maxsize=256)
def _pattern(value: str) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except re.error as error:
        raise StatusError("INVALID_ARGUMENT", f"Unparseable filter: regex '{value}': {error}") from None
