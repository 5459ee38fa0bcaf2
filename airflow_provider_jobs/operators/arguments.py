"""From an operator's arguments to a job: checked at DAG parse, and written when the task runs.

It serves an operator of one service and the portable one alike, so it is handed the service's operator
class and plain values. It calls no service.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from airflow_provider_jobs.core.arguments import build_model, check_argument
from airflow_provider_jobs.core.errors import InputTooLarge, InvalidArgument
from airflow_provider_jobs.core.registry import backend_entry
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.operators.storage import storage_path
from airflow_provider_jobs.operators.templates import holds_template

if TYPE_CHECKING:
    from airflow_provider_jobs.core.models import BackendRef
    from airflow_provider_jobs.operators.base import JobOperator

SPEC_FIELDS = (
    "image",
    "command",
    "script",
    "env",
    "secrets",
    "input",
    "inputs",
    "cpu",
    "memory",
    "gpu",
    "array_size",
    "parallelism",
    "max_run_seconds",
    "spot",
    "labels",
    "prelude",
    "native",
)

Values = Mapping[str, Any]


class JobModels(NamedTuple):
    """What a service asks of the arguments; none of the models imports a vendor package.

    :param options: the vendor's own arguments
    :param scope: where a job runs and as whom the service is called; texts
    :param rules: what the service asks of portable arguments beyond what every service does; its
        fields are some of ``SPEC_FIELDS``
    """

    options: type[BaseModel]
    scope: type[BaseModel]
    rules: type[BaseModel]


def check_job(
    kind: type[JobOperator], *, spec: Values, options: Values, scope: Values, is_whole: bool = True
) -> None:
    """Check every value that holds no template, and values together where none of them does.

    :param kind: the operator of the service
    :param is_whole: whether these are all values of a job, so that what is missing is missing
    :raises InvalidArgument: names the argument, the value and the remedy
    """
    models = kind.models()
    _check(JobSpec, spec)
    _check(models.rules, {name: spec[name] for name in models.rules.model_fields if name in spec})
    _check(models.options, options)
    for name, value in scope.items():
        if value is not None and not isinstance(value, str) and not holds_template(value):
            raise InvalidArgument(name, f"{value!r} is not text", remedy="Write it as text")
    _check(models.scope, scope)
    if is_whole and not any(holds_template(value) for value in (*spec.values(), *options.values())):
        write_spec(kind, spec=spec, options=options)


def check_delete_after(kind: type[JobOperator], value: str) -> None:
    """Refuse to delete where the service deletes nothing.

    :raises InvalidArgument: it does not, with the reason
    """
    if value != "never" and kind.keeps_records:
        raise InvalidArgument(
            "delete_after", f"{value!r} is refused: {kind.keeps_records}", remedy="Leave it out"
        )


def write_spec(kind: type[JobOperator], *, spec: Values, options: Values) -> JobSpec:
    """Return the job of rendered values; its input may be too large where there is a storage to put it in.

    :raises InvalidArgument: names the argument, the value and the remedy
    """
    checked = build_model(kind.models().options, _given(options))
    written = checked.model_dump(mode="json", exclude_defaults=True)
    made = build_model(JobSpec, {**_given(spec), "options": written})
    rules = kind.models().rules
    build_model(rules, made.model_dump(include=set(rules.model_fields)))
    try:
        kind.check_spec(made)
    except InputTooLarge:
        if not storage_path():
            raise
    return made


def with_time_limit(kind: type[JobOperator], spec: Values, *, execution_timeout: timedelta | None) -> Values:
    """Return the values with the service's own limit per index, ``execution_timeout`` where none is given."""
    if spec.get("max_run_seconds") is not None or not execution_timeout:
        return spec
    seconds = max(kind.least_run_seconds, int(execution_timeout.total_seconds()))
    return {**spec, "max_run_seconds": seconds}


def write_ref(kind: type[JobOperator], *, conn_id: str, scope: Values) -> BackendRef:
    """Return how the service is reached.

    :raises MissingExtra: the vendor's packages are not installed
    """
    from airflow_provider_jobs.core.models import BackendRef

    backend_entry(kind.backend).check_installed()
    texts = {name: value for name, value in scope.items() if value}
    return BackendRef(backend=kind.backend, conn_id=conn_id, scope=texts)


def _given(values: Values) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _check(model: type[BaseModel], values: Values) -> None:
    given = _given(values)
    literal = {name: value for name, value in given.items() if not holds_template(value)}
    for name, value in literal.items():
        check_argument(model, name, value)
    if len(literal) == len(given):
        build_model(model, literal)
