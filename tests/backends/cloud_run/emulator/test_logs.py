from __future__ import annotations

from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.logging.type.log_severity_pb2 import LogSeverity

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.cloud_run.emulator.conftest import Clients, entries, job, lines

LABEL = "run.googleapis.com"


def test_an_entry_carries_what_is_needed_to_find_its_task(run: Clients, logging: LoggingServiceV2Client):
    script = "echo out; sleep 0.05; echo err >&2; [ $CLOUD_RUN_TASK_ATTEMPT = 1 ]"
    own = {**job(script, execution={"labels": {"run": "x"}}, max_retries=1), "labels": {"team": "a"}}
    execution = run.execute(own)
    out, err, system = entries(logging, execution, f'labels."{LABEL}/task_attempt"="1"')
    assert (out.text_payload, err.text_payload) == ("out", "err")
    assert [entry.severity for entry in (out, err, system)] == [0, 0, LogSeverity.INFO]
    assert [entry.log_name for entry in (out, err, system)] == [
        f"projects/p/logs/run.googleapis.com%2F{stream}" for stream in ("stdout", "stderr", "varlog%2Fsystem")
    ]
    labels = dict(out.labels)
    assert labels.pop("instanceId") == err.labels["instanceId"]
    assert labels == {
        "run": "x",
        "team": "a",
        f"{LABEL}/execution_name": execution.name.rpartition("/")[2],
        f"{LABEL}/task_index": "0",
        f"{LABEL}/task_attempt": "1",
    }
    assert out.resource.type == "cloud_run_job"
    assert dict(out.resource.labels) == {"project_id": "p", "location": "us-central1", "job_name": "job-1"}


def test_the_system_says_how_a_container_ended(run: Clients, logging: LoggingServiceV2Client):
    cases = {
        "true": ("Container called exit(0).", LogSeverity.INFO),
        "exit 3": ("Container called exit(3).", LogSeverity.WARNING),
        "kill -KILL $$": ("Container terminated on signal 9.", LogSeverity.WARNING),
    }
    for number, (script, expected) in enumerate(cases.items()):
        run.create(job(script), f"job-{number}")
        execution = run.end(run.start(f"job-{number}"))
        (entry,) = entries(logging, execution, 'log_id("run.googleapis.com/varlog/system")')
        assert (entry.text_payload, entry.severity) == expected


def test_the_system_says_that_the_time_was_over(run: Clients, logging: LoggingServiceV2Client):
    execution = run.execute(job("sleep 60", timeout="1s"))
    (text,) = lines(logging, execution, "varlog/system")
    assert text.startswith("Terminating task because it has reached the maximum timeout of 1 seconds.")


def test_the_system_says_that_memory_was_exceeded(
    cloud: LocalCloud, run: Clients, logging: LoggingServiceV2Client
):
    run.create(job("sleep 60"))
    execution = run.running(run.start())
    cloud.admin.interrupt(execution.uid, 0, reason="out_of_memory")
    run.end(execution)
    exceeded, killed = lines(logging, execution, "varlog/system")
    assert exceeded.startswith("Memory limit of 512 MiB exceeded with ")
    assert killed == "Container terminated on signal 9."


def test_lines_are_read_while_the_job_runs_and_after_it_was_deleted(
    run: Clients, logging: LoggingServiceV2Client
):
    run.create(job("echo live; sleep 60"))
    execution = run.running(run.start())
    while not lines(logging, execution):
        pass
    run.executions.delete_execution(name=execution.name).result(timeout=20)
    assert lines(logging, execution) == ["live"]


def test_severity_and_message_of_a_structured_line_become_the_entry_s(
    run: Clients, logging: LoggingServiceV2Client
):
    script = """
echo '{"severity": "warning", "message": "careful", "n": 1}'
echo '{"severity": "ERROR", "message": "only text"}'
echo '{"severity": "loud"}'
"""
    first, second, third = entries(logging, run.execute(job(script)), f'log_id("{LABEL}/stdout")')
    assert (first.severity, dict(first.json_payload)) == (LogSeverity.WARNING, {"message": "careful", "n": 1})
    assert (second.severity, second.text_payload) == (LogSeverity.ERROR, "only text")
    assert dict(third.json_payload) == {"severity": "loud"}


def test_entries_are_found_by_job_and_by_severity(run: Clients, logging: LoggingServiceV2Client):
    run.create(job("echo one; exit 1"), "one")
    run.create(job("echo two"), "two")
    for name in ("one", "two"):
        run.end(run.start(name))
    asked = {"resource_names": ["projects/p"], "filter": 'resource.labels.job_name="one" severity>=WARNING'}
    assert [entry.text_payload for entry in logging.list_log_entries(asked)] == ["Container called exit(1)."]


def test_entries_are_found_by_a_label_of_their_job(run: Clients, logging: LoggingServiceV2Client):
    for team in ("red", "blue"):
        run.create({**job(f"echo {team}"), "labels": {"team": team}}, team)
        run.end(run.start(team))
    for query in ('labels.team="red"', 'labels."team"="RED"', "labels.team=(red OR green)"):
        asked = {"resource_names": ["projects/p"], "filter": f'{query} log_id("{LABEL}/stdout")'}
        assert [entry.text_payload for entry in logging.list_log_entries(asked)] == ["red"]


def test_logs_of_many_executions_are_read_in_one_query(run: Clients, logging: LoggingServiceV2Client):
    run.create(job("echo $CLOUD_RUN_EXECUTION"))
    names = [run.end(run.start()).name.rpartition("/")[2] for _ in range(3)]
    wanted = " OR ".join(f'"{name}"' for name in names[:2])
    query = f'labels."{LABEL}/execution_name"=({wanted}) log_id("{LABEL}/stdout")'
    found = logging.list_log_entries({"resource_names": ["projects/p"], "filter": query})
    assert [entry.text_payload for entry in found] == names[:2]
