"""Jobs that say something on both streams, wait at a gate, and say something again, on every service."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from airflow_provider_jobs.operators import ContainerJobOperator

SPEAK = """
echo "index $JOB_INDEX is at the gate"
echo "index $JOB_INDEX warns" >&2
waited=0
while [ ! -e "$GATE" ] && [ "$waited" -lt 1200 ]; do sleep 0.1; waited=$((waited + 1)); done
echo "index $JOB_INDEX is through the gate"
exit "$CODE"
"""
TARGETS: dict[str, dict[str, Any]] = {
    "gcp_batch": {"project_id": "local-project", "region": "europe-west1"},
    "cloud_run": {"project_id": "local-project", "region": "europe-west1"},
    "aws_batch": {"region_name": "eu-west-1", "job_queue": "default"},
    "azure_batch": {"pool_id": "default"},
    "kubernetes": {"namespace": "default"},
}


def speak(task_id: str, *, backend: str, code: int = 0, **arguments: Any) -> None:
    """Let a job of three indexes speak, and end with this code."""
    ContainerJobOperator(
        task_id=task_id,
        backend=backend,
        targets={backend: TARGETS[backend]},
        image="docker.io/library/busybox:1.37",
        script=SPEAK,
        env={"GATE": "{{ dag_run.conf['gate'] }}", "CODE": str(code)},
        array_size=3,
        max_run_seconds=240,
        **arguments,
    )


with DAG("e2e_logs", schedule=None, catchup=False):
    for name in TARGETS:
        speak(name, backend=name)
    speak("in_a_worker", backend="kubernetes", deferrable=False)
    speak("woken_to_fail", backend="gcp_batch", code=3)
