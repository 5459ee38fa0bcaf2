"""What jobs may write, on every service of the local cloud: nothing of it is lost, nothing comes twice.

Read by two processes in turn, as when one triggerer goes and another takes over where it was: each opens a
backend of its own, and the cursor crosses as text.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, LogCursor
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import local_cloud

_GOOGLE = {"project_id": "local-project", "region": "europe-west1"}
REFS = {
    "gcp_batch": BackendRef(backend="gcp_batch", conn_id="google_cloud_default", scope=_GOOGLE),
    "cloud_run": BackendRef(backend="cloud_run", conn_id="google_cloud_default", scope=_GOOGLE),
    "aws_batch": BackendRef(backend="aws_batch", conn_id="aws_default", scope={"job_queue": "default"}),
    "azure_batch": BackendRef(backend="azure_batch", conn_id="azure_batch_default"),
    "kubernetes": BackendRef(
        backend="kubernetes", conn_id="kubernetes_default", scope={"namespace": "default"}
    ),
}
OPTIONS: dict[str, dict[str, Any]] = {"azure_batch": {"pool_id": "default"}}


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with local_cloud() as started:
        yield started


@pytest.fixture(params=REFS)
def ref(request: pytest.FixtureRequest, cloud: LocalCloud) -> BackendRef:
    return REFS[request.param]


def submit(ref: BackendRef, script: str, **values: Any) -> JobHandle:
    spec = JobSpec(image="busybox:1", script=script, options=OPTIONS.get(ref.backend, {}), **values)
    return open_backend(ref).submit(spec, JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t"))


def read_by_two(ref: BackendRef, handle: JobHandle, *, last: str) -> dict[int | None, list[str]]:
    """Read until every index has said its last line; return the messages by index, in their order."""
    backends = [open_backend(ref), open_backend(ref)]
    cursor, found = LogCursor(handle=handle), defaultdict[int | None, list[str]](list)
    ended: set[int | None] = set()
    while len(ended) < handle.size:
        backends.reverse()
        (page,) = backends[0].read_logs([cursor])
        for line in page.lines:
            found[line.index].append(line.message)
            if line.message == last:
                ended.add(line.index)
        cursor = LogCursor.from_json(LogCursor(handle=handle, position=page.position).to_json())
    (page,) = backends[0].read_logs([cursor])
    assert page.lines == ()
    return found


def test_ten_thousand_lines_at_once_come_once_and_in_order(ref: BackendRef) -> None:
    script = "awk 'BEGIN { for (n = 0; n < 10000; n++) print n }'; echo last"
    found = read_by_two(ref, submit(ref, script), last="last")
    assert found == {0: [*map(str, range(10_000)), "last"]}


def test_characters_of_several_bytes_are_whole_however_long_the_line(ref: BackendRef) -> None:
    octal = "".join(f"\\{byte:o}" for byte in "ä€😀".encode())
    script = f'awk \'BEGIN {{ for (n = 0; n < 60000; n++) printf "a{octal}"; print "" }}\'; echo last'
    found = read_by_two(ref, submit(ref, script), last="last")
    # A service that takes no line so long divides it, between characters.
    assert "".join(found[0][:-1]) == "aä€😀" * 60_000
    assert found[0][-1] == "last"


def test_bytes_that_are_no_text_hide_nothing_around_them(ref: BackendRef) -> None:
    script = "echo before; head -c 3000 /dev/zero | tr '\\0' '\\377'; echo; printf 'a\\000b\\n'; echo last"
    found = read_by_two(ref, submit(ref, script), last="last")
    first, binary, nul, last = found[0]
    assert (first, last) == ("before", "last")
    assert set(binary) == {"\N{REPLACEMENT CHARACTER}"}
    assert nul.replace("\0", "") == "ab"


def test_an_index_that_begins_late_is_read_from_its_beginning(ref: BackendRef) -> None:
    script = '[ "$JOB_INDEX" = 1 ] && sleep 3; for n in 1 2 3; do echo $n; done; echo last'
    found = read_by_two(ref, submit(ref, script, array_size=2), last="last")
    assert found == {index: ["1", "2", "3", "last"] for index in (0, 1)}
