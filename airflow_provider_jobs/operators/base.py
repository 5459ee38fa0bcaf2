"""What the operators of the services share: where a service's own arguments are named and checked.

A backend's operator adds the vendor's own arguments and nothing else.
"""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.target import Target
from airflow_provider_jobs.operators.arguments import (
    SPEC_FIELDS,
    JobModels,
    check_delete_after,
    check_job,
    with_time_limit,
    write_ref,
    write_spec,
)
from airflow_provider_jobs.operators.task import JobTask


class JobOperator(JobTask):
    """Runs one container job, or one array of them, on one service.

    The last line of a subclass's ``__init__`` calls :meth:`check_arguments`.

    :cvar backend: the registered name of the service
    :cvar conn_id_field: the argument that names the connection
    :cvar scope_fields: the arguments that say where a job runs and as whom the service is called
    :cvar option_fields: the vendor's own arguments
    :cvar least_run_seconds: the shortest limit per index that the service takes
    :cvar mounts_storage: the protocols of the storages that the service mounts into a job where asked to
    :cvar keeps_records: why the service's records of jobs cannot be deleted, where that is so
    """

    backend: ClassVar[str]
    conn_id_field: ClassVar[str]
    scope_fields: ClassVar[tuple[str, ...]] = ()
    option_fields: ClassVar[tuple[str, ...]] = ()
    least_run_seconds: ClassVar[int] = 1
    mounts_storage: ClassVar[tuple[str, ...]] = ()
    keeps_records: ClassVar[str | None] = None

    @classmethod
    def models(cls) -> JobModels:
        """Return what the service asks of the arguments; imported here so that DAGs parse quickly."""
        raise NotImplementedError

    @classmethod
    def check_spec(cls, spec: JobSpec) -> None:
        """Check what only shows when portable and vendor's arguments are seen together.

        Called at DAG parse where nothing is a template, and again before the job is submitted. Calls no
        service and imports no vendor package.

        :raises InvalidArgument: names the argument, the value and the remedy
        """

    @classmethod
    def check_request(cls, spec: JobSpec) -> None:
        """Write the whole request as a trial, before the job is submitted; calls no service.

        :raises InvalidArgument: the service would refuse it; ``InputTooLarge`` for the size of the input
        """
        cls.check_spec(spec)

    @classmethod
    def maps_indexes(cls, spec: JobSpec) -> bool:
        """Return whether a part of an array runs under its original indexes, whatever the image knows of it.

        It does where a prelude stands in front of the command, or where each index has variables of its own.
        """
        return spec.prelude and (spec.command is not None or spec.script is not None)

    def check_arguments(self) -> None:
        """Check what can be known at DAG parse.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        self.check_choices()
        check_delete_after(type(self), self.delete_after)
        check_job(
            type(self),
            spec=self._values(SPEC_FIELDS),
            options=self._values(self.option_fields),
            scope=self._values(self.scope_fields),
        )
        self.settle_start((*SPEC_FIELDS, *self.option_fields, *self.scope_fields, self.conn_id_field))

    def resolve_targets(self) -> list[Target]:
        """Return the one service, with the job as it is submitted there."""
        values = with_time_limit(
            type(self), self._values(SPEC_FIELDS), execution_timeout=self.execution_timeout
        )
        spec = write_spec(type(self), spec=values, options=self._values(self.option_fields))
        conn_id = getattr(self, self.conn_id_field)
        ref = write_ref(type(self), conn_id=conn_id, scope=self._values(self.scope_fields))
        return [Target(spec, ref, maps_indexes=self.index_map or self.maps_indexes(spec))]

    def _values(self, names: tuple[str, ...]) -> dict[str, object]:
        return {name: getattr(self, name) for name in names}
