"""Which fields of an answer the caller wants.

It exists because Google's services take a field mask with every call and leave everything else out:
https://docs.cloud.google.com/apis/docs/system-parameters. It must not know a message's meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from google.protobuf.message import Message

from airflow_provider_jobs.emulator.calls import StatusError

#: The header, as gRPC has it and as HTTP has it in small letters.
HEADER = "x-goog-fieldmask"
Tree = dict[str, "Tree"]


class FieldMask:
    """A tree of the fields that are wanted; without any, all are."""

    def __init__(self, text: str = "") -> None:
        self._tree: Tree = {}
        for path in filter(None, (part.strip() for part in text.split(","))):
            place = self._tree
            for name in path.split("."):
                place = place.setdefault(_snake_case(name), {})

    def __bool__(self) -> bool:
        return bool(self._tree)

    def within(self, name: str) -> frozenset[str] | None:
        """The fields that are wanted of what the field of this name holds; None for all of them."""
        if not self._tree:
            return None
        below = self._tree.get(name)
        return frozenset() if below is None else frozenset(below) or None

    def apply(self, message: Message) -> None:
        """Clear what is not wanted. Raises StatusError for a field that there is not."""
        if self._tree:
            _check(self._tree, message.DESCRIPTOR)
            _prune(self._tree, message)


#: The mask of the call that is being worked on.
wanted: ContextVar[FieldMask] = ContextVar("wanted", default=FieldMask())  # noqa: B039 - never changed


@contextmanager
def asked_for(text: str) -> Iterator[FieldMask]:
    """Work on a call whose caller wants these fields alone."""
    mask = FieldMask(text)
    token = wanted.set(mask)
    try:
        yield mask
    finally:
        wanted.reset(token)


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _check(tree: Tree, kind: Any) -> None:
    for name, below in tree.items():
        field = kind.fields_by_name.get(name) or kind.fields_by_name.get(f"{name}_")
        if name != "*" and field is None:
            raise StatusError("INVALID_ARGUMENT", "Request contains an invalid argument.")
        if field is not None and below and field.message_type is not None and not _is_map(field):
            _check(below, field.message_type)


def _prune(tree: Tree, message: Message) -> None:
    if "*" in tree:
        return
    for field, value in message.ListFields():
        below = tree.get(field.name.removesuffix("_"))
        if below is None:
            message.ClearField(field.name)
        elif below and field.message_type is not None and not _is_map(field):
            for each in value if field.is_repeated else (value,):
                _prune(below, each)


def _is_map(field: Any) -> bool:
    return bool(field.message_type.GetOptions().map_entry)
