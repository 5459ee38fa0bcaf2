"""Names, labels and annotations: what is valid, in the server's words.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator.statuses import (
    Cause,
    forbidden_field,
    invalid,
    required,
)

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_ANNOTATIONS_LIMIT = 256 * 1024

SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    f"start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SUBDOMAIN}')"
)
LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    f"'{_LABEL}')"
)
_QUALIFIED_WORDS = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{_QUALIFIED}')"
)
_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    f"for validation is '{_VALUE}')"
)


def subdomain_faults(name: str) -> list[str]:
    faults = [] if len(name) <= 253 else ["must be no more than 253 characters"]
    return faults if re.fullmatch(_SUBDOMAIN, name) else [*faults, SUBDOMAIN_WORDS]


def label_faults(name: str) -> list[str]:
    faults = [] if len(name) <= 63 else ["must be no more than 63 characters"]
    return faults if re.fullmatch(_LABEL, name) else [*faults, LABEL_WORDS]


def qualified_faults(key: str) -> list[str]:
    """What is wrong with the key of a label or annotation."""
    prefix, slash, name = key.rpartition("/")
    faults = []
    if slash:
        if not prefix:
            faults.append("prefix part must be non-empty")
        elif subdomain_faults(prefix):
            faults.append(f"prefix part {SUBDOMAIN_WORDS}")
    if not name:
        faults.append("name part must be non-empty")
    elif len(name) > 63:
        faults.append("name part must be no more than 63 characters")
    if not re.fullmatch(_QUALIFIED, name):
        faults.append(_QUALIFIED_WORDS)
    return faults


def label_causes(labels: Mapping[str, str], field: str) -> list[Cause]:
    causes = []
    for key, value in sorted(labels.items()):
        causes += [invalid(field, key, detail=fault) for fault in qualified_faults(key)]
        if len(value) > 63:
            causes.append(invalid(field, value, detail="must be no more than 63 characters"))
        if not re.fullmatch(_VALUE, value):
            causes.append(invalid(field, value, detail=_VALUE_WORDS))
    return causes


def annotation_causes(annotations: Mapping[str, str], field: str) -> list[Cause]:
    causes = [
        invalid(field, key, detail=fault)
        for key in sorted(annotations)
        for fault in qualified_faults(key.lower())
    ]
    size = sum(len(key) + len(value.encode()) for key, value in annotations.items())
    if size > _ANNOTATIONS_LIMIT:
        causes.append(
            Cause("FieldValueTooLong", f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes", field)
        )
    return causes


def meta_causes(meta: Mapping[str, Any], *, label_name: bool = False) -> list[Cause]:
    """What is wrong with an object's metadata. ``label_name``: its name must be a label (namespaces)."""
    causes = []
    check = label_faults if label_name else subdomain_faults
    if "name" not in meta:
        causes.append(required("metadata.name", "name or generateName is required"))
    else:
        causes += [invalid("metadata.name", meta["name"], detail=fault) for fault in check(meta["name"])]
    causes += label_causes(meta.get("labels", {}), "metadata.labels")
    causes += annotation_causes(meta.get("annotations", {}), "metadata.annotations")
    for finalizer in meta.get("finalizers", []):
        faults = qualified_faults(finalizer)
        causes += [invalid("metadata.finalizers", finalizer, detail=fault) for fault in faults]
    return causes


def meta_update_causes(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[Cause]:
    """What may not change in metadata."""
    causes = []
    if new.get("deletionTimestamp") != old.get("deletionTimestamp"):
        causes.append(
            invalid("metadata.deletionTimestamp", new.get("deletionTimestamp"), detail="field is immutable")
        )
    if old.get("deletionTimestamp"):
        added = sorted(set(new.get("finalizers", [])) - set(old.get("finalizers", [])))
        if added:
            told = "no new finalizers can be added if the object is being deleted, found new finalizers"
            causes.append(forbidden_field("metadata.finalizers", f"{told} {added}"))
    return causes
