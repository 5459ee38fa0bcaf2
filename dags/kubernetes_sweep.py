"""Try eight settings at once, as an Indexed Job, and report on the best, as a Job from a YAML file.

Each index fails alone. A setting that cannot work exits with code 42, which ``pod_failure_policy`` takes as
final; one that stumbles is tried again by the service, since ``backoff_limit_per_index`` is 1. Two settings
of eight may fail and the task still succeeds.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_jobs.operators import KubernetesJobOperator

TRY_SETTING = """
echo "setting $JOB_INDEX of $JOB_COUNT, attempt $JOB_ATTEMPT"
if [ "$JOB_INDEX" = 3 ]; then
    echo "setting 3 cannot work" >&2
    exit 42
fi
if [ "$JOB_INDEX" = 5 ] && [ "$JOB_ATTEMPT" = 0 ]; then
    echo "setting 5 stumbles once"
    exit 1
fi
echo "setting $JOB_INDEX is done"
echo "::airflow::{\\"outputs\\": {\\"error\\": $(( (JOB_INDEX - 6) * (JOB_INDEX - 6) ))}}"
"""


@dag(schedule=None, catchup=False, tags=["kubernetes", "array"], doc_md=__doc__)
def kubernetes_sweep() -> None:
    try_settings = KubernetesJobOperator(
        task_id="try_settings",
        namespace="default",
        image="docker.io/library/busybox:1.37",
        script=TRY_SETTING,
        array_size=8,
        parallelism=4,
        cpu=0.1,
        memory="64Mi",
        max_run_seconds=120,
        backoff_limit_per_index=1,
        pod_failure_policy={
            "rules": [
                {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [42]}},
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
            ]
        },
        ttl_seconds_after_finished=3600,
        fail_when=0.25,
    )
    KubernetesJobOperator(
        task_id="report",
        namespace="default",
        template_file="kubernetes_report.yaml",
        input=try_settings.output,
        max_run_seconds=120,
    )


kubernetes_sweep()
