"""One job, any cloud: the task whose service is a value, not a class.

What it may say of a service is what that service's own operator takes, so a new service needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.registry import BackendEntry, backend_entry, load
from airflow_provider_jobs.core.target import Target
from airflow_provider_jobs.operators.arguments import (
    SPEC_FIELDS,
    check_delete_after,
    check_job,
    with_time_limit,
    write_ref,
    write_spec,
)
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.operators.connections import read_place
from airflow_provider_jobs.operators.task import JobTask
from airflow_provider_jobs.operators.templates import FieldRenderers, TemplateFields, holds_template


class ContainerJobOperator(JobTask):
    """Runs one container job, or one array of them, on whichever service is named.

    ``targets`` says for each service what only that service needs: where the job runs there, and any further
    argument of that service's own operator. A portable argument in it stands in place of the general one,
    as an image that each cloud keeps in a registry of its own. What a service cannot do is refused, with the
    reason, as soon as the service is known.

    With several services the next one is tried where a submission is refused for want of capacity or quota,
    where ``queue_timeout`` passes, and where the job ends for want of capacity before it has started. The job
    before is cancelled first, and it must be seen to have ended.

    :param backend: the service: ``"gcp_batch"``, ``"cloud_run"``, ``"aws_batch"``, ``"azure_batch"`` or
        ``"kubernetes"``; several in the order in which they are tried; or ``None``, and the connection says
        which, by its type or by ``job_backend`` in its extra
    :param conn_id: the connection; each service's default if not given. With several services each names its
        own in ``targets``. Its extra may hold ``job_target``, the target where the DAG gives none
    :param targets: service to what only it needs, ``{"aws_batch": {"job_queue": "q"}}``
    """

    template_fields = TemplateFields(*JobTask.template_fields, "backend", "conn_id", "targets")
    template_fields_renderers = FieldRenderers(
        {
            **JobTask.template_fields_renderers,
            "targets": "json",
        }
    )
    # A decorated function says when the task runs what the command is.
    needs_command: ClassVar[bool] = True

    def __init__(
        self,
        *,
        backend: str | Sequence[str] | None = None,
        conn_id: str | None = None,
        targets: Mapping[str, Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.backend = backend
        self.conn_id = conn_id
        self.targets = targets or {}
        self.check_choices()
        self._check_names()
        self._check_places()
        self.settle_start((*SPEC_FIELDS, "backend", "conn_id", "targets"))

    def resolve_targets(self) -> list[Target]:
        """Return the services in the order in which they are tried.

        :raises InvalidArgument: names the argument, the value and the remedy
        :raises MissingExtra: the packages of a service are not installed
        """
        self._check_names()
        backends, conn_id, targets = self._backends(), self.conn_id, self.targets
        if not backends:
            place = read_place(str(conn_id))
            backends, targets = [place.backend], {place.backend: place.target, **targets}
        return [self._target(backend_entry(name), targets.get(name, {})) for name in backends]

    def _target(self, entry: BackendEntry, target: Mapping[str, Any]) -> Target:
        with _named(entry, target):
            kind = operator_of(entry)
            check_delete_after(kind, self.delete_after)
            spec, options, scope = self._split(kind, entry, target)
            conn_id = target.get("conn_id") or self.conn_id or entry.conn_id
            limited = with_time_limit(kind, spec, execution_timeout=self.execution_timeout)
            written = write_spec(kind, spec=limited, options=options)
            ref = write_ref(kind, conn_id=conn_id, scope=scope)
            return Target(written, ref, maps_indexes=self.index_map or kind.maps_indexes(written))

    # What can be known at DAG parse

    def _backends(self) -> list[str]:
        """Return the names given; none where the connection says which."""
        if self.backend is None:
            return []
        return [self.backend] if isinstance(self.backend, str) else list(self.backend)

    def _check_names(self) -> None:
        if not isinstance(self.targets, Mapping) and not holds_template(self.targets):
            raise InvalidArgument(
                "targets", "it is no dict", remedy='Write {"aws_batch": {"job_queue": "q"}}'
            )
        if holds_template(self.backend):
            return
        names = self._backends()
        for name in names:
            backend_entry(name)
        if self.backend is None and self.conn_id is None:
            raise InvalidArgument(
                "backend",
                "neither backend nor conn_id is given",
                remedy='Write a service such as backend="aws_batch", or a connection that leads to one',
            )
        if self.backend is not None and not names:
            raise InvalidArgument("backend", "the list is empty", remedy="Name at least one service")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidArgument("backend", f"{twice[0]!r} is named twice", remedy="Name each service once")
        if len(names) > 1:
            self._check_several()

    def _check_several(self) -> None:
        """Refuse general values that only one service can read."""
        for name, value in (("native", self.native), ("conn_id", self.conn_id)):
            if value:
                raise InvalidArgument(
                    name,
                    "several services are named, and it fits one",
                    remedy=f'Write it under each service, targets={{"aws_batch": {{"{name}": ...}}}}',
                )

    def _check_places(self) -> None:
        if self.needs_command and not (self.image or self.command or self.script or self.native):
            given = self.targets.values() if isinstance(self.targets, Mapping) else ()
            if not any(isinstance(each, Mapping) and {"image", "native"} & each.keys() for each in given):
                raise InvalidArgument(
                    "image", "nothing says what to run", remedy="Give image, with command or script"
                )
        if not isinstance(self.targets, Mapping) or holds_template(list(self.targets)):
            return
        named = [] if holds_template(self.backend) else self._backends()
        for name, target in self.targets.items():
            self._check_target(backend_entry(name), target, is_chosen=name in named)
        for name in named:
            if name not in self.targets:
                self._check_target(backend_entry(name), {}, is_chosen=True)

    def _check_target(self, entry: BackendEntry, target: Any, *, is_chosen: bool) -> None:
        """Check the target of one service; of a service that may not be chosen, its own arguments alone."""
        if holds_template(target) and not isinstance(target, Mapping):
            return
        if not isinstance(target, Mapping):
            raise InvalidArgument(
                f"targets.{entry.name}", f"{target!r} is no dict", remedy="Write a dict of arguments"
            )
        with _named(entry, target):
            kind = operator_of(entry)
            spec, options, scope = self._split(kind, entry, target)
            if not is_chosen:
                spec = {name: value for name, value in spec.items() if name in target}
            if is_chosen:
                check_delete_after(kind, self.delete_after)
            _check_required(kind, entry, options=options, scope=scope)
            check_job(kind, spec=spec, options=options, scope=scope, is_whole=is_chosen)

    def _split(
        self, kind: type[JobOperator], entry: BackendEntry, target: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return the portable values, the vendor's options and the scope for one service."""
        known = {*SPEC_FIELDS, *kind.option_fields, *kind.scope_fields, "conn_id"}
        if unknown := sorted(set(target) - known):
            listed = ", ".join(sorted({*kind.option_fields, *kind.scope_fields}))
            raise InvalidArgument(
                unknown[0],
                f"{entry.title} has no such argument",
                remedy=f"Its own are {listed}; conn_id and portable arguments may be given too",
            )
        spec = {name: target.get(name, getattr(self, name)) for name in SPEC_FIELDS}
        if "command" in target:
            spec["script"] = target.get("script")
        elif "script" in target:
            spec["command"] = None
        options = {name: target[name] for name in kind.option_fields if name in target}
        return spec, options, {name: target[name] for name in kind.scope_fields if name in target}


def operator_of(entry: BackendEntry) -> type[JobOperator]:
    """Return the operator of a service; imports no vendor package."""
    return cast("type[JobOperator]", load(entry.operator))


def _check_required(
    kind: type[JobOperator], entry: BackendEntry, *, options: Mapping[str, Any], scope: Mapping[str, Any]
) -> None:
    models = kind.models()
    for model, values in ((models.scope, scope), (models.options, options)):
        for name, field in model.model_fields.items():
            if field.is_required() and values.get(name) is None:
                raise InvalidArgument(
                    name,
                    f"{entry.title} needs it",
                    remedy=f'Write targets={{"{entry.name}": {{"{name}": ...}}}}',
                )


@contextmanager
def _named(entry: BackendEntry, target: Mapping[str, Any]) -> Iterator[None]:
    """Say which service refuses a value, and where in ``targets`` it stands."""
    try:
        yield
    except InvalidArgument as error:
        argument = error.argument
        if argument.partition(".")[0] in target:
            argument = f"targets.{entry.name}.{argument}"
        is_told = entry.title.removesuffix(" Jobs") in error.problem
        problem = error.problem if is_told else f"{error.problem} (on {entry.title})"
        raise InvalidArgument(argument, problem, remedy=error.remedy) from None
