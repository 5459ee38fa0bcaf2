from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from airflow_provider_jobs.emulator.process import LocalCloud

PROGRAM = Path(__file__).with_name("asyncio_client.py")


def test_the_asyncio_client_creates_watches_reads_and_deletes(cloud: LocalCloud, tmp_path: Path):
    config = tmp_path / "kubeconfig"
    config.write_text(json.dumps(cloud.admin.call("GET", "/kubernetes/kubeconfig")))
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(config)], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"first": "ADDED", "logs": ["index 0\n", "index 1\n"]}
