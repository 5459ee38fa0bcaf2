"""What a request may hold, by the service's own published model.

It exists so that input is refused where the service's model refuses it. It must not know an operation: what
goes beyond the model is checked where it is used. Members that the model does not know are dropped, as
services of these protocols do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

_SCALARS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "timestamp": (int, float, str),
}


class WrongType(Exception):
    """A value cannot be read as what the model says it is."""


class Violations(Exception):
    """Everything in a request that breaks a constraint of the model; the text names no value."""

    def __init__(self, found: list[str]) -> None:
        plural = "s" if len(found) > 1 else ""
        super().__init__(f"{len(found)} validation error{plural} detected: {'; '.join(found)}")


def accept(value: Any, shape: Shape) -> Any:
    """The value with unknown members and nulls left out.

    Raises WrongType, and Violations when a constraint of the model is broken.
    """
    found: list[str] = []
    taken = _take(value, shape, "", found)
    if found:
        raise Violations(found)
    return taken


def _take(value: Any, shape: Shape, path: str, found: list[str]) -> Any:
    if isinstance(shape, StructureShape):
        return _take_structure(value, shape, path, found)
    if isinstance(shape, ListShape):
        _expect(value, (list,), path)
        _check_size(len(value), shape, path, found)
        return [
            _take(item, shape.member, f"{path}.{number}.member", found)
            for number, item in enumerate(value, start=1)
        ]
    if isinstance(shape, MapShape):
        # Tags have a minimum of one in the model, and the service takes none all the same.
        _expect(value, (dict,), path)
        return {key: _take(item, shape.value, f"{path}.{key}.member", found) for key, item in value.items()}
    _expect(value, _SCALARS.get(shape.type_name, (str,)), path)
    _check_scalar(value, shape, path, found)
    return value


def _take_structure(value: Any, shape: StructureShape, path: str, found: list[str]) -> dict[str, Any]:
    _expect(value, (dict,), path)
    present = {key: item for key, item in value.items() if key in shape.members and item is not None}
    missing = [name for name in shape.required_members if name not in present]
    found += [_violation(f"{path}.{name}", "Member must not be null") for name in missing]
    return {key: _take(item, shape.members[key], f"{path}.{key}", found) for key, item in present.items()}


def _expect(value: Any, kinds: tuple[type, ...], path: str) -> None:
    # A bool is an int in Python and never one on the wire.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise WrongType(path.lstrip("."))


def _check_scalar(value: Any, shape: Shape, path: str, found: list[str]) -> None:
    if shape.type_name != "string":
        _check_size(value, shape, path, found, unit="value")
        return
    _check_size(len(value), shape, path, found)
    # "The values aren't case sensitive", says the reference of the one enumeration that people write by hand.
    if shape.enum and value.upper() not in {word.upper() for word in shape.enum}:
        found.append(_violation(path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"))
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        found.append(_violation(path, f"Member must satisfy regular expression pattern: {pattern}"))


def _check_size(size: float, shape: Shape, path: str, found: list[str], *, unit: str = "length") -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        found.append(_violation(path, f"Member must have {unit} greater than or equal to {least}"))
    if most is not None and size > most:
        found.append(_violation(path, f"Member must have {unit} less than or equal to {most}"))


def _violation(path: str, constraint: str) -> str:
    return f"Value at '{path.lstrip('.')}' failed to satisfy constraint: {constraint}"
