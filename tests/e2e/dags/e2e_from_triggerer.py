"""Tasks that submit from the triggerer: one on each service, one that fails at first, one that is refused."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task
from e2e_retries import FAIL_ONCE, IMAGE, TARGETS

from airflow_provider_jobs.operators import ContainerJobOperator, GcpBatchJobOperator


@dag(schedule=None, catchup=False, params={"greeting": "hello"})
def e2e_from_triggerer() -> None:
    for backend in TARGETS:
        ContainerJobOperator(
            task_id=f"on_{backend}",
            backend=backend,
            targets=TARGETS,
            image=IMAGE,
            script=f'echo "{{{{ params.greeting }}}} from {backend} for {{{{ run_id }}}}"\n{FAIL_ONCE}',
            env={"MEMORY": f"{{{{ dag_run.conf['memory'] }}}}/triggerer-{backend}"},
            array_size=4,
            max_run_seconds=120,
            execution_timeout=timedelta(minutes=4),
            retries=2,
            retry_delay=timedelta(seconds=1),
            submit_from="triggerer",
        )

    GcpBatchJobOperator(
        task_id="refused",
        project_id="local-project",
        region="{{ 'no region at all' }}",
        image=IMAGE,
        command=["true"],
        retries=3,
        submit_from="triggerer",
    )

    @task
    def numbers() -> list[int]:
        return [1, 2]

    # A value that is no template is known to a worker alone, so that this one begins there.
    GcpBatchJobOperator(
        task_id="begins_on_a_worker",
        project_id="local-project",
        region="europe-west1",
        image=IMAGE,
        inputs=numbers(),
        array_size=2,
        script='echo "::airflow::{\\"outputs\\": {\\"got\\": $JOB_INPUT}}"',
        max_run_seconds=120,
        submit_from="triggerer",
    )


e2e_from_triggerer()
