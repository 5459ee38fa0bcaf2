"""What only AWS Batch has: the service itself repeats an index, and an array waits for another by index.

Six boats sound a harbour. Boat 4 loses its echo the first time (exit code 75), which ``retry_strategy`` lets
the service repeat; any other failure would end the index at once. The charts are drawn by a second array:
each of its indexes waits for the same index of the first.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_jobs.operators import AwsBatchJobOperator

BOATS = 6
SOUND = """
echo "boat $JOB_INDEX sounds the harbour, attempt $JOB_ATTEMPT"
if [ "$JOB_INDEX" = 4 ] && [ "$JOB_ATTEMPT" = 0 ]; then
    echo "boat 4 lost its echo"
    exit 75
fi
echo "::airflow::{\\"outputs\\": {\\"metres\\": $((7 + JOB_INDEX))}}"
"""
DRAW = 'echo "chart $JOB_INDEX of $JOB_COUNT is drawn in $COLOUR"'


@dag(schedule=None, catchup=False, tags=["aws_batch", "array", "retry"], doc_md=__doc__)
def aws_batch_soundings() -> None:
    sound = AwsBatchJobOperator(
        task_id="sound",
        region_name="us-east-1",
        job_queue="spot",
        image="public.ecr.aws/docker/library/busybox:1.37",
        script=SOUND,
        array_size=BOATS,
        cpu=1,
        memory="512Mi",
        max_run_seconds=120,
        retry_strategy={
            "attempts": 3,
            "evaluateOnExit": [
                {"onStatusReason": "Host EC2*", "action": "RETRY"},
                {"onExitCode": "75", "action": "RETRY"},
                {"onExitCode": "*", "action": "EXIT"},
            ],
        },
        tags={"harbour": "north"},
    )
    draw = AwsBatchJobOperator(
        task_id="draw",
        region_name="us-east-1",
        job_queue="fargate",
        image="public.ecr.aws/docker/library/busybox:1.37",
        script=DRAW,
        env={"COLOUR": "blue"},
        array_size=BOATS,
        depends_on=[{"jobId": "{{ ti.xcom_pull('sound', key='job')['native_id'] }}", "type": "N_TO_N"}],
        platform="FARGATE",
        execution_role="arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
        cpu=0.25,
        memory="512Mi",
        max_run_seconds=120,
    )
    sound >> draw


aws_batch_soundings()
