"""How a line of a job comes into the log of a task, through what Airflow itself writes logs with."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import io, sys
import pendulum
from airflow.sdk.log import configure_logging, mask_secret
from airflow.sdk._shared.secrets_masker import _secrets_masker
from airflow_provider_jobs.core.models import LogLine
from airflow_provider_jobs.triggers.task_log import TaskLog

out = io.BytesIO()
configure_logging(json_output=True, output=out, log_level="INFO")
_secrets_masker().add_mask("hunter2-hunter2", None)
line = LogLine(
    timestamp=pendulum.datetime(2030, 1, 2, 3, 4, 5),
    message="password is hunter2-hunter2",
    stream="stderr",
    level="warning",
    index=3,
)
TaskLog().line(line)
sys.stdout.write(out.getvalue().decode())
"""


def test_a_line_has_the_jobs_time_index_and_stream_and_no_secret_that_airflow_knows() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True
    )
    record = json.loads(answer.stdout.splitlines()[-1])
    assert record["timestamp"].startswith("2030-01-02T03:04:05")
    assert (record["index"], record["stream"], record["level"]) == (3, "stderr", "warning")
    assert record["event"] == "password is ***"
