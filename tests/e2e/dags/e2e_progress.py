"""Jobs of two indexes that say how far they are, and wait to be let on."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_jobs.operators import ContainerJobOperator

SCRIPT = """
[ "$JOB_INDEX" = 0 ] && echo '::airflow::{"progress": 0.5, "message": "<b>half</b> of it"}'
waited=0
while [ ! -e "$GATE" ] && [ "$waited" -lt 1200 ]; do sleep 0.1; waited=$((waited + 1)); done
[ -e "$GATE" ]
"""


TARGETS = {
    "kubernetes": {"namespace": "default"},
    "gcp_batch": {"project_id": "local-project", "region": "europe-west1"},
}


@dag(schedule=None, catchup=False)
def e2e_progress() -> None:
    for task_id, backend, submit_from in (
        ("half_way", "kubernetes", "worker"),
        ("half_way_from_triggerer", "gcp_batch", "triggerer"),
    ):
        ContainerJobOperator(
            task_id=task_id,
            backend=backend,
            targets=TARGETS,
            image="docker.io/library/busybox:1.37",
            script=SCRIPT,
            env={"GATE": "{{ dag_run.conf['gate'] }}"},
            array_size=2,
            max_run_seconds=180,
            submit_from=submit_from,
        )


e2e_progress()
