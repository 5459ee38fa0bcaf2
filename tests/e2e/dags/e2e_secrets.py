"""Jobs that print what Airflow keeps secret, and fail, once followed from a worker and once without one."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_jobs.operators import ContainerJobOperator


@dag(schedule=None, catchup=False)
def e2e_secrets() -> None:
    for submit_from in ("worker", "triggerer"):
        ContainerJobOperator(
            task_id=f"tells_from_{submit_from}",
            backend="kubernetes",
            targets={"kubernetes": {"namespace": "default"}},
            image="docker.io/library/busybox:1.37",
            script='echo "the password is $PASSWORD"; echo "the key is $KEY"; exit 3',
            # Each has its own: what the triggerer has read for one it would hide for the other too.
            env={
                "PASSWORD": f"{{{{ conn.e2e_secret_{submit_from}.password }}}}",
                "KEY": f"{{{{ var.value.e2e_api_key_{submit_from} }}}}",
            },
            max_run_seconds=60,
            submit_from=submit_from,
        )


e2e_secrets()
