"""Label and field selectors: parsed as the API server parses them, matched against objects.

It exists because lists, watches and deletions of collections take both. It must not read the store.
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from airflow_provider_jobs.backends.kubernetes.emulator.resources import ResourceType
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import bad_request
from airflow_provider_jobs.backends.kubernetes.emulator.store import ABOUT, Mark, Object

Matcher = Callable[[Object], bool]

_TOKEN = re.compile(r"\s*(==|!=|=|!|,|\(|\)|>|<|[^\s=!,()<>]+)")
_SPECIAL = {"=", "==", "!=", "!", ",", "(", ")", ">", "<"}


class Requirement(NamedTuple):
    """One demand on one label."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def met(self, labels: Mapping[str, str]) -> bool:
        has = self.key in labels
        value = labels.get(self.key, "")
        if self.operator == "in":
            return has and value in self.values
        if self.operator == "notin":
            return not has or value not in self.values
        if self.operator in (">", "<"):
            bound = int(next(iter(self.values)))
            number = int(value) if has and value.lstrip("-").isdigit() else None
            return number is not None and (number > bound if self.operator == ">" else number < bound)
        return has if self.operator == "exists" else not has


class _Parser:
    """A reader of one selector; messages are those of the server's own parser."""

    def __init__(self, text: str) -> None:
        self._words = _TOKEN.findall(text)
        self._at = 0

    def _peek(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _take(self) -> str:
        word = self._peek()
        self._at += 1
        return word

    def _fail(self, found: str, expected: str) -> Exception:
        return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while self._peek():
            found.append(self._requirement())
            word = self._take()
            if word and word != ",":
                raise bad_request(f"found '{word}', expected: ',' or 'end of string'")
            if word == "," and not self._peek():
                raise bad_request("found '', expected: identifier after ','")
        return found

    def _requirement(self) -> Requirement:
        absent = self._peek() == "!"
        if absent:
            self._take()
        key = self._take()
        if not key or key in _SPECIAL:
            raise self._fail(key, "identifier" if absent else "!, identifier, or 'end of string'")
        if absent:
            return Requirement(key, "absent")
        if self._peek() in ("", ","):
            return Requirement(key, "exists")
        operator = self._take()
        if operator in ("=", "==", "!="):
            operator_name = "notin" if operator == "!=" else "in"
            return Requirement(key, operator_name, frozenset({self._value()}))
        if operator in (">", "<"):
            value = self._value()
            if not value.lstrip("-").isdigit():
                raise bad_request(
                    "values[0]: Invalid value: "
                    f"\"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
                )
            return Requirement(key, operator, frozenset({value}))
        if operator in ("in", "notin"):
            return Requirement(key, operator, self._set())
        raise self._fail(operator, "in, notin, =, ==, !=, gt, lt")

    def _value(self) -> str:
        if self._peek() in ("", ","):
            return ""
        word = self._take()
        if word in _SPECIAL:
            raise self._fail(word, "identifier")
        return word

    def _set(self) -> frozenset[str]:
        if (word := self._take()) != "(":
            raise self._fail(word, "'('")
        values: set[str] = set()
        while True:
            word = self._take()
            if word == ")":
                return frozenset(values or {""})
            if word == ",":
                continue
            if not word or word in _SPECIAL:
                raise self._fail(word, "',', ')' or identifier")
            values.add(word)


def labels(text: str) -> list[Requirement]:
    """Parse a label selector. Raises ApiError (400)."""
    return _Parser(text).parse()


def of_selector(selector: Mapping[str, Any]) -> list[Requirement]:
    """The requirements of a LabelSelector object."""
    found = [Requirement(k, "in", frozenset({v})) for k, v in selector.get("matchLabels", {}).items()]
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    for expression in selector.get("matchExpressions", []):
        values = frozenset(expression.get("values", []))
        found.append(Requirement(expression["key"], operators[expression["operator"]], values))
    return found


_EVENT_FIELDS = (
    *(f"involvedObject.{part}" for part in
      ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")),
    "reason", "reportingComponent", "source", "type",
)  # fmt: skip
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
    ),
    "jobs": ("status.successful",),
    "events": _EVENT_FIELDS,
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
}  # fmt: skip


def _field_value(found: Object, field: str) -> str:
    if field == "status.successful":
        return str(found.get("status", {}).get("succeeded", 0))
    if field == "source":
        return found.get("source", {}).get("component", "") or found.get("reportingComponent", "")
    if field == "status.podIPs":
        return ",".join(each["ip"] for each in found.get("status", {}).get("podIPs", []))
    value: Any = found
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool) or (value is None and field in ("spec.hostNetwork", "spec.unschedulable")):
        return str(bool(value)).lower()
    return "" if value is None else str(value)


def _unsupported_field(kind: ResourceType, field: str) -> Exception:
    if kind.plural == "jobs":
        return bad_request(f'field label "{field}" not supported for Job')
    if kind.plural in _FIELDS:
        return bad_request(f"field label not supported: {field}")
    return bad_request(f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def fields(text: str, kind: ResourceType) -> list[tuple[str, bool, str]]:
    """Parse a field selector: field, whether it must be equal, value. Raises ApiError (400)."""
    found = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(==|!=|=)(.*)", term)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        field, operator, value = match.groups()
        if field not in ("metadata.name", "metadata.namespace", *_FIELDS.get(kind.plural, ())):
            raise _unsupported_field(kind, field)
        found.append((field, operator != "!=", value))
    return found


def matcher(kind: ResourceType, *, label_text: str = "", field_text: str = "") -> Matcher | None:
    """What tells whether an object is selected; None when every object is."""
    wanted_labels = labels(label_text)
    wanted_fields = fields(field_text, kind)
    if not wanted_labels and not wanted_fields:
        return None

    def selected(found: Object) -> bool:
        own = found.meta.get("labels", {})
        return all(requirement.met(own) for requirement in wanted_labels) and all(
            (_field_value(found, field) == value) is equal for field, equal, value in wanted_fields
        )

    return selected


def named(field_text: str) -> str | None:
    """The one name that a field selector asks for, if it does."""
    match = re.search(r"(?:^|,)metadata\.name==?([^,]+)", field_text)
    return match[1] if match else None


def marks(label_text: str, field_text: str, kind: ResourceType) -> list[list[Mark]]:
    """Sets of marks: what is selected has one of each set. It may have to be more than that."""
    wanted = [
        [(requirement.key, value) for value in requirement.values]
        for requirement in labels(label_text)
        if requirement.operator == "in"
    ]
    asked = fields(field_text, kind)
    return wanted + [[(ABOUT, value)] for field, equal, value in asked if field == ABOUT and equal]
