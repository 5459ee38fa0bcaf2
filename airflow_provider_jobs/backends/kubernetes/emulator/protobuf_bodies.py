"""Bodies in protobuf, as ``kubectl``'s imperative commands send them.

It exists because ``kubectl create job`` and ``kubectl auth can-i`` speak no JSON. It knows the fields that
such commands set; a body with any other field is not understood, and nothing is dropped silently. Field
numbers: the ``generated.proto`` files of https://github.com/kubernetes/api and apimachinery.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"

#: Message to field number to (name, type). ``[]`` marks repeated fields, ``{}`` maps of text to the type.
_MESSAGES: dict[str, dict[int, tuple[str, str]]] = {
    "Envelope": {1: ("type", "TypeMeta"), 2: ("raw", "raw")},
    "TypeMeta": {1: ("apiVersion", "text"), 2: ("kind", "text")},
    "ObjectMeta": {
        1: ("name", "text"), 2: ("generateName", "text"), 3: ("namespace", "text"), 5: ("uid", "text"),
        6: ("resourceVersion", "text"), 11: ("labels", "{}text"), 12: ("annotations", "{}text"),
        14: ("finalizers", "[]text"),
    },
    "Job": {1: ("metadata", "ObjectMeta"), 2: ("spec", "JobSpec")},
    "JobSpec": {
        1: ("parallelism", "number"), 2: ("completions", "number"), 3: ("activeDeadlineSeconds", "number"),
        6: ("template", "PodTemplateSpec"), 7: ("backoffLimit", "number"),
        8: ("ttlSecondsAfterFinished", "number"), 9: ("completionMode", "text"), 10: ("suspend", "flag"),
        12: ("backoffLimitPerIndex", "number"), 13: ("maxFailedIndexes", "number"),
        14: ("podReplacementPolicy", "text"),
    },
    "PodTemplateSpec": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodSpec")},
    "Pod": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodSpec")},
    "PodSpec": {
        2: ("containers", "[]Container"), 3: ("restartPolicy", "text"),
        4: ("terminationGracePeriodSeconds", "number"), 5: ("activeDeadlineSeconds", "number"),
        7: ("nodeSelector", "{}text"), 8: ("serviceAccountName", "text"),
        20: ("initContainers", "[]Container"),
    },
    "Container": {
        1: ("name", "text"), 2: ("image", "text"), 3: ("command", "[]text"), 4: ("args", "[]text"),
        5: ("workingDir", "text"), 7: ("env", "[]EnvVar"), 8: ("resources", "ResourceRequirements"),
        14: ("imagePullPolicy", "text"), 24: ("restartPolicy", "text"),
    },
    "EnvVar": {1: ("name", "text"), 2: ("value", "text")},
    "ResourceRequirements": {1: ("limits", "{}Quantity"), 2: ("requests", "{}Quantity")},
    "ConfigMap": {
        1: ("metadata", "ObjectMeta"), 2: ("data", "{}text"), 3: ("binaryData", "{}bytes"),
        4: ("immutable", "flag"),
    },
    "Secret": {
        1: ("metadata", "ObjectMeta"), 2: ("data", "{}bytes"), 3: ("type", "text"),
        4: ("stringData", "{}text"), 5: ("immutable", "flag"),
    },
    "Namespace": {1: ("metadata", "ObjectMeta")},
    "ServiceAccount": {1: ("metadata", "ObjectMeta")},
    "ResourceQuota": {1: ("metadata", "ObjectMeta"), 2: ("spec", "ResourceQuotaSpec")},
    "ResourceQuotaSpec": {1: ("hard", "{}Quantity"), 2: ("scopes", "[]text")},
    "Quantity": {1: ("string", "text")},
    "SelfSubjectAccessReview": {1: ("metadata", "ObjectMeta"), 2: ("spec", "SelfSubjectAccessReviewSpec")},
    "SelfSubjectAccessReviewSpec": {
        1: ("resourceAttributes", "ResourceAttributes"), 2: ("nonResourceAttributes", "NonResourceAttributes")
    },
    "ResourceAttributes": {
        1: ("namespace", "text"), 2: ("verb", "text"), 3: ("group", "text"), 4: ("version", "text"),
        5: ("resource", "text"), 6: ("subresource", "text"), 7: ("name", "text"),
    },
    "NonResourceAttributes": {1: ("path", "text"), 2: ("verb", "text")},
    "SelfSubjectRulesReview": {1: ("metadata", "ObjectMeta"), 2: ("spec", "SelfSubjectRulesReviewSpec")},
    "SelfSubjectRulesReviewSpec": {1: ("namespace", "text")},
    "SelfSubjectReview": {1: ("metadata", "ObjectMeta")},
}  # fmt: skip
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class NotUnderstood(Exception):
    """The body has a field that is not known here, or is no protobuf."""


def decode(body: bytes) -> dict[str, Any]:
    """The object as JSON would say it. Raises NotUnderstood."""
    if not body.startswith(_MAGIC):
        raise NotUnderstood("the body does not begin with the prefix of Kubernetes protobuf")
    try:
        envelope = _message("Envelope", body[len(_MAGIC) :])
        head = envelope["type"]
        return {**head, **_message(head["kind"], envelope["raw"])}
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise NotUnderstood(f"the body cannot be read: {error}") from None


def _message(name: str, data: bytes) -> dict[str, Any]:
    """One message. Empty text and empty messages are left out: they say nothing."""
    if name not in _MESSAGES:
        raise NotUnderstood(f"messages of type {name} are not known")
    made: dict[str, Any] = {}
    for number, value in _fields(data):
        known = _MESSAGES[name].get(number)
        if known is None:
            if value and not _is_hollow(value):
                raise NotUnderstood(f"field {number} of {name} is not known")
            continue
        field, kind = known
        if kind.startswith("[]"):
            made.setdefault(field, []).append(_value(kind[2:], value))
        elif kind.startswith("{}"):
            entry = dict(_fields(value if isinstance(value, bytes) else b""))
            key = _value("text", entry.get(1, b""))
            made.setdefault(field, {})[key] = _value(kind[2:], entry.get(2, b""))
        elif (read := _value(kind, value)) not in ("", {}):
            made[field] = read
    return made


def _value(kind: str, value: int | bytes) -> Any:
    if isinstance(value, int):
        number = value - (1 << 64) if value >> 63 else value
        return bool(value) if kind == "flag" else number
    if kind == "text":
        return value.decode()
    if kind == "raw":
        return value
    if kind == "bytes":
        return base64.b64encode(value).decode()
    made = _message(kind, value)
    return made.get("string", "0") if kind == "Quantity" else made


def _is_hollow(value: int | bytes) -> bool:
    """A message of nothing but empty fields, which Go writes for structs that are not pointers."""
    if isinstance(value, int):
        return not value
    try:
        return all(_is_hollow(inner) for _, inner in _fields(value))
    except (IndexError, NotUnderstood):
        return False


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _LENGTH:
            length, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise NotUnderstood(f"wire type {wire} is not known")
        if at + length > len(data):
            raise IndexError("a field is longer than the message")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
