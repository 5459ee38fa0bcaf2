"""``@task.container_job``: a Python function that returns the command of a job on any cloud."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import (
    DecoratedOperator,
    TaskDecorator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.target import Target
from airflow_provider_jobs.operators.container import ContainerJobOperator
from airflow_provider_jobs.operators.named_secrets import named_secrets
from airflow_provider_jobs.operators.templates import FieldRenderers, TemplateFields


class DecoratedContainerJobOperator(DecoratedOperator, ContainerJobOperator):
    """Calls the function on the worker, and runs what it returns as a job.

    A list of texts is the command, one text is a shell script. Jinja in it is rendered. The function is
    called again where another service is tried, so it must return the same for the same task instance.
    """

    template_fields = TemplateFields(
        *DecoratedOperator.template_fields,
        *ContainerJobOperator.template_fields,
    )
    template_fields_renderers = FieldRenderers(
        {
            **DecoratedOperator.template_fields_renderers,
            **ContainerJobOperator.template_fields_renderers,
        }
    )
    custom_operator_name = "@task.container_job"
    needs_command = False

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for name in ("command", "script"):
            if kwargs.get(name) is not None:
                raise InvalidArgument(
                    name, "the function returns what to run", remedy=f"Leave {name} out, and return it"
                )
        if kwargs.get("submit_from", "worker") != "worker":
            raise InvalidArgument(
                "submit_from", "the function is called in a worker", remedy="Leave submit_from out"
            )
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)
        self._context: Any = None

    def execute(self, context: Any) -> Any:
        """Call the function, then submit the job, or find the one that is there, and wait for it."""
        self._context = context
        return ContainerJobOperator.execute(self, context)

    def execute_complete(self, context: Any, event: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """End the task as the trigger saw the job end, or submit another where that is wanted."""
        self._context = context
        return super().execute_complete(context, event, *args, **kwargs)

    def resolve_targets(self) -> list[Target]:
        """Return the services in the order in which they are tried, with the function's command."""
        returned = self._call_function(self._context)
        self.named_secrets = [*self.named_secrets, *named_secrets([returned])]
        if isinstance(returned, str):
            self.script = self.render_template(returned, self._context)
        else:
            self.command = self.render_template(returned, self._context)
        return super().resolve_targets()

    def _call_function(self, context: Any) -> Any:
        context_merge(context, self.op_kwargs)
        kwargs = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self.python_callable(*self.op_args, **kwargs)
        is_command = isinstance(returned, (list, tuple)) and all(isinstance(word, str) for word in returned)
        if not returned or not (is_command or isinstance(returned, str)):
            raise InvalidArgument(
                "command",
                f"the function returned nothing to run, but {type(returned).__name__}",
                remedy="Return a list of texts, or one text as a shell script",
            )
        return list(returned) if is_command else returned


def container_job_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a function into a job: its result is the command.

    :param python_callable: the function
    :param kwargs: the arguments of :class:`~airflow_provider_jobs.operators.container.ContainerJobOperator`
    """
    return task_decorator_factory(
        python_callable=python_callable,
        decorated_operator_class=DecoratedContainerJobOperator,
        **kwargs,
    )
