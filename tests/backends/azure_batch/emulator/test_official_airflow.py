from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from airflow_provider_jobs.emulator.process import LocalCloud

PROGRAM = Path(__file__).with_name("official_airflow.py")


def test_the_official_operator_trigger_and_hook_work_unchanged(cloud: LocalCloud, tmp_path: Path):
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_AZURE_BATCH_DEFAULT": json.dumps(cloud.connections["azure_batch_default"]),
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "connection": True,
        "good": {"status": "success"},
        "bad": {
            "status": "error",
            "raised": "Azure Batch job bad failed. Failed tasks: ['only']",
        },
        "good again": "done",
        "bad again": "Job fail",
        "nodes": [],
        "agent": "batch.node.ubuntu 22.04",
        "failed": ["only"],
        "stdout": "hello\n",
    }
