"""Jobs with files: a retry of one index, a large input of a triggerer, and files that need a worker."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_jobs.operators import AwsBatchJobOperator, AzureBatchTaskOperator, GcpBatchJobOperator

SOURCE = {"words.txt": "{{ dag_run.conf['source'] }}"}
COPY = 'cp "$JOB_INPUT_DIR/words.txt" "$JOB_OUTPUT_DIR/copy.txt"'
FAIL_ONCE = (
    '[ "$JOB_INDEX" != 1 ] || [ -e "$JOB_OUTPUT_DIR/begun" ] || { : > "$JOB_OUTPUT_DIR/begun"; exit 3; }'
)

with DAG("e2e_files", schedule=None, params={}):
    GcpBatchJobOperator(
        task_id="retried",
        project_id="local-project",
        region="europe-west1",
        image="busybox",
        script=f'echo "index $JOB_INDEX runs"\n{FAIL_ONCE}\n{COPY}',
        array_size=3,
        input_files=SOURCE,
        output_files=["*.txt"],
        retries=1,
        retry_delay=timedelta(0),
    )
    AwsBatchJobOperator(
        task_id="large_from_triggerer",
        region_name="eu-west-1",
        job_queue="default",
        image="busybox",
        script='n=$(printf %s "$JOB_INPUT" | wc -c); echo "::airflow::{\\"outputs\\": {\\"bytes\\": $n}}"',
        input="x" * 20_000,
        submit_from="triggerer",
    )
    AzureBatchTaskOperator(
        task_id="files_from_triggerer",
        pool_id="default",
        image="busybox",
        script=COPY,
        input_files=SOURCE,
        output_files={"copy.txt": "{{ dag_run.conf['destination'] }}"},
        submit_from="triggerer",
    )
