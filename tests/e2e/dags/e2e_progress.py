"""A job of two indexes that says how far it is, and waits to be let on."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_jobs.operators import ContainerJobOperator

SCRIPT = """
[ "$JOB_INDEX" = 0 ] && echo '::airflow::{"progress": 0.5, "message": "<b>half</b> of it"}'
waited=0
while [ ! -e "$GATE" ] && [ "$waited" -lt 1200 ]; do sleep 0.1; waited=$((waited + 1)); done
[ -e "$GATE" ]
"""


@dag(schedule=None, catchup=False)
def e2e_progress() -> None:
    ContainerJobOperator(
        task_id="half_way",
        backend="kubernetes",
        targets={"kubernetes": {"namespace": "default"}},
        image="docker.io/library/busybox:1.37",
        script=SCRIPT,
        env={"GATE": "{{ dag_run.conf['gate'] }}"},
        array_size=2,
        max_run_seconds=180,
    )


e2e_progress()
