"""What fields each kind has, read from the official client's own models.

It exists so that unknown fields and wrong types are found as the server finds them, and so that the
documents for ``kubectl explain`` describe them. Loading the models takes seconds; it happens in a thread,
on the first request. It must not judge values.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

from airflow_provider_jobs.backends.kubernetes.emulator import quantities
from airflow_provider_jobs.backends.kubernetes.emulator.resources import ResourceType
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import bad_request

_GENERIC = re.compile(r"(list)\[(.*)\]|(dict)[\[(]str, (.*)[\])]")
#: Fields that hold quantities; the models call them text.
_QUANTITIES = {"limits", "requests", "capacity", "allocatable", "hard", "used", "overhead"}
_QUANTITY = {"sizeLimit", "divisor"}
_PREFIX = re.compile(r"^(?:Core|Events)?V1")
_INDEX = re.compile(r"\[\d+\]")
_WORDS = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


class Field(NamedTuple):
    """One field of a model: its name on the wire, its type in the model's words, what it means."""

    name: str
    type: str
    meaning: str


class Schemas:
    """The models of the official client, once they are loaded."""

    def __init__(self) -> None:
        self._models: Any = None
        self._fields: dict[str, dict[str, Field]] = {}
        self._loading: asyncio.Future[None] | None = None

    async def loaded(self) -> None:
        """Return when the models are there."""
        if self._models is None:
            if self._loading is None:
                self._loading = asyncio.ensure_future(asyncio.to_thread(self._load))
            await asyncio.shield(self._loading)

    def _load(self) -> None:
        import kubernetes.client.models

        self._models = kubernetes.client.models

    def fields(self, model: str) -> dict[str, Field]:
        """The fields of a model by their names on the wire."""
        found = self._fields.get(model)
        if found is None:
            made = getattr(self._models, model)
            found = {
                name: Field(name, made.openapi_types[attribute], _meaning(getattr(made, attribute)))
                for attribute, name in made.attribute_map.items()
            }
            self._fields[model] = found
        return found

    def required(self, model: str) -> list[str]:
        """The fields that the model does not let out."""
        made = getattr(self._models, model)
        known: dict[str, str] = {}
        found: list[str] = []
        # The client's own configuration takes long to make; this is all that a model asks of it.
        validating = SimpleNamespace(client_side_validation=True)
        while True:
            try:
                made(local_vars_configuration=validating, **known)
            except ValueError as error:
                match = re.match(r"Invalid value for `(\w+)`, must not be `None`", str(error))
                if match is None or match[1] in known:
                    return found
                known[match[1]] = "x"
                found.append(made.attribute_map[match[1]])
            else:
                return found

    def decode(self, body: Any, *, kind: ResourceType) -> tuple[dict[str, Any], list[str]]:
        """The object with known fields alone, and the paths of the others.

        Raises ApiError (400) where a value has the wrong type.
        """
        if not isinstance(body, dict):
            word = _WORDS.get(type(body), "null")
            raise _undecodable(kind, f"json: cannot unmarshal {word} into Go value of type v1.{kind.kind}")
        unknown: list[str] = []
        decoder = _Decoder(self, kind, unknown=unknown)
        return decoder.model(body, kind.model, path=""), unknown


def _meaning(member: property) -> str:
    paragraphs = (member.__doc__ or "").split("\n\n")
    return paragraphs[1].strip().removesuffix("# noqa: E501").strip() if len(paragraphs) > 1 else ""


def _undecodable(kind: ResourceType, why: str) -> Exception:
    return bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')


def strict_error(kind: ResourceType, unknown: list[str]) -> Exception:
    """The refusal of ``fieldValidation=Strict``."""
    told = ", ".join(f'unknown field "{path}"' for path in unknown)
    return _undecodable(kind, f"strict decoding error: {told}")


class _Decoder:
    """Walks one object along its models."""

    def __init__(self, schemas: Schemas, kind: ResourceType, *, unknown: list[str]) -> None:
        self._schemas = schemas
        self._kind = kind
        self._unknown = unknown

    def model(self, value: dict[str, Any], model: str, *, path: str) -> dict[str, Any]:
        fields = self._schemas.fields(model)
        decoded: dict[str, Any] = {}
        for name, content in value.items():
            place = f"{path}.{name}" if path else name
            field = fields.get(name)
            if field is None:
                self._unknown.append(place)
                continue
            if content is None:
                continue
            struct = f"{_PREFIX.sub('', model)}.{_INDEX.sub('', place)}"
            decoded[name] = self._value(content, _wire_type(field), path=place, struct=struct)
        return decoded

    def _value(self, value: Any, wire: str, *, path: str, struct: str) -> Any:
        if wire == "object":
            return value
        if wire == "quantity":
            return self._quantity(value)
        match = _GENERIC.fullmatch(wire)
        if match is None:
            return self._plain(value, wire, path=path, struct=struct)
        if match[1]:
            self._expect(value, list, struct=struct, word=f"[]{match[2]}")
            each = [(f"{path}[{n}]", item) for n, item in enumerate(value) if item is not None]
            return [self._value(item, match[2], path=place, struct=struct) for place, item in each]
        self._expect(value, dict, struct=struct, word="map[string]string")
        return {
            key: self._value("" if item is None else item, match[4], path=f"{path}.{key}", struct=struct)
            for key, item in value.items()
        }

    def _plain(self, value: Any, wire: str, *, path: str, struct: str) -> Any:
        expected: dict[str, tuple[type, str]] = {
            "str": (str, "string"),
            "datetime": (str, "string"),
            "bool": (bool, "bool"),
            "int": (int, "int64" if "Seconds" in struct else "int32"),
            "float": (float, "float64"),
        }
        if wire in expected:
            self._expect(value, expected[wire][0], struct=struct, word=expected[wire][1])
            return value
        self._expect(value, dict, struct=struct, word=f"v1.{wire.removeprefix('V1')}")
        return self.model(value, wire, path=path)

    def _quantity(self, value: Any) -> str:
        try:
            return quantities.canonical(value)
        except ValueError as error:
            raise _undecodable(self._kind, str(error)) from None

    def _expect(self, value: Any, wanted: type, *, struct: str, word: str) -> None:
        right = isinstance(value, (int, float)) if wanted is float else isinstance(value, wanted)
        if right and not (wanted in (int, float) and isinstance(value, bool)):
            return
        found = _WORDS.get(type(value), "null")
        if isinstance(value, float) and wanted is int:
            found = f"number {value}"
        raise _undecodable(
            self._kind, f"json: cannot unmarshal {found} into Go struct field {struct} of type {word}"
        )


def _wire_type(field: Field) -> str:
    if field.name in _QUANTITIES and field.type.startswith("dict"):
        return "dict[str, quantity]"
    return "quantity" if field.name in _QUANTITY and field.type == "str" else field.type


def models_of(schemas: Schemas, roots: Iterator[str]) -> list[str]:
    """The models that the given ones reach, themselves included."""
    found: list[str] = []
    waiting = list(roots)
    while waiting:
        model = waiting.pop()
        if model in found:
            continue
        found.append(model)
        for field in schemas.fields(model).values():
            waiting += re.findall(r"\b(?:Core|Events)?V1\w+", field.type)
    return sorted(found)
