"""The rules for single arguments, each written once as an annotated type.

A rule raises ``ValueError`` with what is wrong and what to write instead. :func:`check_argument`
turns that into :class:`~airflow_provider_jobs.core.errors.InvalidArgument` with the argument's
name, so that the same rule serves at DAG parse (one argument at a time, where it holds no
template) and again when the whole model is built from rendered values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from airflow_provider_jobs.core.errors import InvalidArgument

ModelT = TypeVar("ModelT", bound=BaseModel)

_MIB_PER_UNIT = {
    "Mi": 1.0,
    "Gi": 1024.0,
    "Ti": 1024.0**2,
    "M": 1e6 / 2**20,
    "G": 1e9 / 2**20,
    "T": 1e12 / 2**20,
}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*(Mi|Gi|Ti|M|G|T)")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED_ENV = re.compile(
    r"JOB_(INDEX|COUNT|ATTEMPT|INPUT|INPUT_\d+|INDEX_MAP|INPUTS?_DIR|INPUT_FILE|OUTPUTS?_DIR)"
)
# Registry host, path, tag and digest as the OCI distribution specification spells them:
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@sha256:[0-9a-f]{64})?"
)
# An image path may repeat "name-name"; a text of this length cannot make the pattern above slow.
_IMAGE_MAX_LENGTH = 1024


def _image(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _IMAGE_MAX_LENGTH or not _IMAGE.fullmatch(value):
        raise ValueError(
            f"{value!r} is not an image name. Write [registry/]name[:tag][@sha256:digest], "
            "the name in lower case and without spaces"
        )
    return value


def memory_mib(quantity: str) -> int:
    """Return mebibytes, rounded up, for a quantity such as ``"4Gi"``, ``"512Mi"`` or ``"2G"``.

    :raises ValueError: the text is not a positive size with a unit
    """
    match = _QUANTITY.fullmatch(quantity.strip())
    if not match or not float(match[1]):
        raise ValueError(
            f'{quantity!r} is not a size. Write a number with Mi, Gi or Ti, such as "512Mi" or "4Gi"'
        )
    return math.ceil(float(match[1]) * _MIB_PER_UNIT[match[2]])


def _memory(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f'{value!r} has no unit. Write text with Mi, Gi or Ti, such as "512Mi" or "4Gi"')
    memory_mib(value)
    return value


def _words(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(
            f'{value!r} is one text. Write a list of words such as ["python", "run.py"], '
            "or use script= for a shell text"
        )
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError(f'{value!r} is no list of words. Write one such as ["python", "run.py"]')
    for word in value:
        if not isinstance(word, str):
            raise ValueError(f"{word!r} is not text. Write every word as text")
    return value


def _variables(value: Any) -> Any:
    """Check names and types of variables; a value is never shown, since it may be a secret."""
    if not isinstance(value, Mapping):
        raise ValueError(f"the value is of type {type(value).__name__}. Write a dict of names to texts")
    for name, text in value.items():
        if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a variable. Use letters, digits and underscores")
        if _RESERVED_ENV.fullmatch(name):
            raise ValueError(f"{name} is set for every job by this provider. Use another name")
        if not isinstance(text, str):
            raise ValueError(f"{name} is of type {type(text).__name__}. Write its value as text, with str()")
    return value


def _labels(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is of type {type(value).__name__}. Write a dict of names to texts")
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise ValueError(f"{name!r}: {text!r} is not text to text. Write both as text, with str()")
    return value


def form(pattern: re.Pattern[str], meant: str) -> BeforeValidator:
    """Return a rule that a text has a form; ``meant`` says what to write instead."""

    def check(value: Any) -> Any:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is refused. Write {meant}")
        return value

    return BeforeValidator(check)


Image = Annotated[str, BeforeValidator(_image)]
Memory = Annotated[str, BeforeValidator(_memory)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Variables = Annotated[dict[str, str], BeforeValidator(_variables)]
Labels = Annotated[dict[str, str], BeforeValidator(_labels)]
Cpu = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[int, Field(ge=1)]


def check_argument(model: type[BaseModel], name: str, value: Any) -> Any:
    """Return the value as the field ``name`` of ``model`` takes it.

    :raises InvalidArgument: the value breaks the field's rule
    """
    try:
        return _adapter(model, name).validate_python(value)
    except ValidationError as error:
        raise _invalid(error, name) from None


def build_model(model: type[ModelT], values: Mapping[str, Any]) -> ModelT:
    """Return the model of all values.

    :raises InvalidArgument: a value, or two together, break a rule; names the first such argument
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise _invalid(error, None) from None


@lru_cache(maxsize=512)
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    parts: Any = (field.annotation, *field.metadata)
    kind: Any = Annotated[parts] if field.metadata else field.annotation
    return TypeAdapter(kind)


def _invalid(error: ValidationError, name: str | None) -> InvalidArgument:
    """Make one error of pydantic's first; values of variables and inputs are left out of it."""
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"] if not str(part).startswith(("function-", "constrained-"))]
    if name and (not path or path[0] != name):
        path.insert(0, name)
    if first["type"] == "value_error":
        problem, _, remedy = str(first["ctx"]["error"]).partition(". ")
        return InvalidArgument(".".join(path) or problem.split()[0], problem, remedy=remedy)
    if first["type"] == "missing":
        return InvalidArgument(".".join(path), "it is not given", remedy="Give it")
    shown = "it" if path[0] in _HIDDEN else repr(first["input"])
    message = first["msg"][0].lower() + first["msg"][1:]
    return InvalidArgument(".".join(path), f"{shown} is refused", remedy=f"The {message}")


_HIDDEN = frozenset({"env", "secrets", "input", "inputs", "native"})
