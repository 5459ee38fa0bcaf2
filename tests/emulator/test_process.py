from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.emulator.process import LocalCloud, LocalCloudFailed

COMMAND = [sys.executable, "-m", "airflow_provider_jobs.emulator"]


def post(cloud: LocalCloud, path: str, body: Any) -> Any:
    request = urllib.request.Request(cloud.http + path, data=json.dumps(body).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def submit(cloud: LocalCloud, text: str) -> dict[str, Any]:
    spec = {"runnables": [{"script": {"text": text}}]}
    body = {"taskGroups": [{"taskSpec": spec}], "logsPolicy": {"destination": "CLOUD_LOGGING"}}
    return post(cloud, "/v1/projects/p/locations/us-central1/jobs?jobId=job-1", body)


def first_line(cloud: LocalCloud) -> str:
    """What the job printed first, as soon as it has."""
    asked = {"resourceNames": ["projects/p"], "filter": 'log_id("batch_task_logs")'}
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if entries := post(cloud, "/v2/entries:list", asked).get("entries"):
            return entries[0]["textPayload"]
        time.sleep(0.02)
    raise AssertionError("the job printed nothing")


def gone(pid: int) -> bool:
    """Whether the process has ended, within a few seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_the_ready_file_tells_where_it_serves_and_goes_away_with_it():
    with LocalCloud("--dialect", "gcp_batch") as cloud:
        ready = json.loads(cloud.ready_file.read_text())
        assert ready == {
            "pid": cloud.pid,
            "grpc": cloud.grpc,
            "http": cloud.http,
            "connections": {
                "google_cloud_default": {
                    "conn_type": "google_cloud_platform",
                    "extra": {"project": "local-project", "endpoint": f"http://{cloud.grpc}"},
                }
            },
        }
        assert cloud.ready_file.stat().st_mode & 0o077 == 0
        assert cloud.grpc.startswith("127.0.0.1:")
        assert cloud.http.startswith("http://127.0.0.1:")
        cloud.admin.health()
        os.kill(cloud.pid, 15)
        assert gone(cloud.pid)
        assert not cloud.ready_file.exists()


def test_it_listens_on_loopback_alone():
    with LocalCloud("--dialect", "gcp_batch") as cloud:
        listening = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{cloud.pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    address, _, port = fields[1].rpartition(":")
                    listening.add((int(port, 16), address))
        ports = {int(cloud.grpc.rpartition(":")[2]), int(cloud.http.rpartition(":")[2])}
        loopback = {"0100007F", "0000000000000000FFFF00000100007F"}
        assert {address for port, address in listening if port in ports} <= loopback


@pytest.mark.parametrize("ending", ["terminate", "kill"])
def test_no_command_outlives_the_server_however_it_ends(ending: str):
    cloud = LocalCloud("--kill-grace-seconds", "0.2").start()
    try:
        submit(cloud, "sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo $! $$; wait")
        pids = [int(pid) for pid in first_line(cloud).split()]
        assert not any(gone(pid) for pid in pids if not Path(f"/proc/{pid}").exists())
        if ending == "kill":
            cloud.kill()
        else:
            assert cloud.stop() == 0
        assert all(gone(pid) for pid in pids)
    finally:
        cloud.stop()


def test_it_ends_soon_and_quietly_though_an_answer_is_being_withheld():
    cloud = LocalCloud("--dialect", "gcp_batch").start()
    try:
        cloud.admin.add_fault(drop_answer="hang")
        with socket.create_connection(("127.0.0.1", int(cloud.http.rpartition(":")[2]))) as client:
            client.sendall(b"GET /v1/projects/p/locations HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not cloud.admin.counters():
                time.sleep(0.01)
            os.kill(cloud.pid, 15)
            began = time.monotonic()
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(100) == b""
            assert gone(cloud.pid)
            assert time.monotonic() - began < 5
        assert "Traceback" not in cloud.output()
    finally:
        cloud.stop()


def test_the_data_directory_is_emptied_of_work_and_a_temporary_one_is_removed(tmp_path: Path):
    with LocalCloud("--data-dir", str(tmp_path / "data"), env={"TMPDIR": str(tmp_path)}) as cloud:
        submit(cloud, "echo x; sleep 30")
        first_line(cloud)
        assert list((tmp_path / "data" / "work").iterdir())
    assert not (tmp_path / "data" / "work").exists()
    with LocalCloud(env={"TMPDIR": str(tmp_path)}) as cloud:
        cloud.admin.health()
        assert list(tmp_path.glob("airflow-jobs-emulator-*"))
    assert not list(tmp_path.glob("airflow-jobs-emulator-*"))


@pytest.mark.parametrize("option", ["--port-grpc", "--port-http"])
def test_a_port_that_is_taken_is_said_plainly(option: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(LocalCloudFailed, match=f"cannot listen on 127.0.0.1:{port}"):
            LocalCloud(option, port).start()


@pytest.mark.parametrize("content", [None, "not json", '{"a": 1}', "[]"])
def test_a_secrets_file_that_cannot_be_used_is_said_without_its_content(tmp_path: Path, content: str | None):
    path = tmp_path / "secrets.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LocalCloudFailed) as caught:
        LocalCloud("--secrets-file", str(path)).start()
    assert "ended with 2" in str(caught.value)
    assert str(path) in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_the_exports_point_a_shell_at_the_running_server():
    with LocalCloud("--dialect", "gcp_batch") as cloud:
        shown = subprocess.run(
            [*COMMAND, "env", "--ready-file", str(cloud.ready_file)],
            capture_output=True,
            text=True,
            check=True,
        )
        told = subprocess.run(
            ["sh", "-c", f'{shown.stdout}\nprintf %s "$AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"'],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(told.stdout) == cloud.connections["google_cloud_default"]


def test_without_a_server_there_are_no_exports(tmp_path: Path):
    stale = tmp_path / "ready.json"
    for expected in ("does not exist", "is gone"):
        shown = subprocess.run(
            [*COMMAND, "env", "--ready-file", str(stale)], capture_output=True, text=True, check=False
        )
        assert shown.returncode == 1
        assert expected in shown.stderr
        ended = subprocess.run(["true"], check=False)
        assert ended.returncode == 0
        with subprocess.Popen(["true"]) as process:
            process.wait()
        stale.write_text(json.dumps({"pid": process.pid, "connections": {}}))


def test_the_command_line_imports_nothing_heavy_before_it_serves():
    code = (
        "import sys; import airflow_provider_jobs.emulator.cli, airflow_provider_jobs.emulator.process;"
        "print(sorted({'grpc', 'google.protobuf', 'fastapi', 'airflow'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_a_dialect_without_its_libraries_does_not_stop_the_others():
    code = (
        "import sys; sys.modules['google.cloud.batch_v1'] = None;"
        "from airflow_provider_jobs.emulator import dialects\n"
        "try: dialects.load('gcp_batch', None)\n"
        "except dialects.DialectMissing as error: print(error)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'airflow-provider-jobs[emulator]'" in shown.stdout


def test_an_unknown_dialect_is_refused_with_the_known_ones():
    command = [sys.executable, "-m", "airflow_provider_jobs.emulator", "--dialect", "slurm"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "dialect slurm is not known; there is aws_batch, azure_batch, cloud_run, gcp_batch, kubernetes"
    ]
