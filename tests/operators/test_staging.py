"""Where a task's files lie, when they are brought again, and what is refused before anything is submitted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.io import attach
from upath import UPath

from airflow_provider_jobs.core.errors import InputTooLarge, InvalidArgument
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import ArrayCounts
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.operators import (
    AwsBatchJobOperator,
    CloudRunJobOperator,
    ContainerJobOperator,
    GcpBatchJobOperator,
    KubernetesJobOperator,
)
from airflow_provider_jobs.operators.collecting import OutputMissing, collect
from airflow_provider_jobs.operators.ending import arguments_need_worker
from airflow_provider_jobs.operators.staging import Staged, at_place, stage
from airflow_provider_jobs.operators.starting import why_from_worker
from tests.contract.fake import FakeBackend
from tests.operators.fake_service import FakeJobOperator, Task, TaskInstance, fake_service

OPTION = "AIRFLOW__AIRFLOW_PROVIDER_JOBS__"
TI = SimpleNamespace(dag_id="d", run_id="manual__2030-01-01T00:00:00+00:00", task_id="t", map_index=None)


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "storage"
    monkeypatch.setenv(f"{OPTION}STORAGE_PATH", f"file://{folder}")
    return folder


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A storage that is no directory of this machine."""
    memory = UPath("memory://bucket").fs
    attach(protocol="memory", fs=memory)
    monkeypatch.setenv(f"{OPTION}STORAGE_PATH", "memory://bucket/jobs")
    yield memory
    memory.rm("/", recursive=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "words.txt"
    file.write_text("one two")
    return file


def job(kind: Any = KubernetesJobOperator, **arguments: Any) -> Any:
    places = {
        AwsBatchJobOperator: {"job_queue": "q"},
        CloudRunJobOperator: {"region": "europe-west1"},
        GcpBatchJobOperator: {"region": "europe-west1"},
        KubernetesJobOperator: {},
    }
    return kind(**{"task_id": "t", "image": "busybox", "script": "true", **places[kind], **arguments})


def staged(task: Any, *, generation: int = 0) -> Staged:
    return stage(task, TI, task.resolve_targets(), generation=generation)


def spec_of(task: Any) -> Any:
    (target,) = staged(task).targets
    return target.spec


class TestPlaces:
    def test_the_place_follows_from_the_task_instance_and_what_is_asked_for(
        self, storage: Path, source: Path
    ) -> None:
        place = staged(job(input_files={"a/b.txt": str(source)})).place
        directory = storage / "d" / TI.run_id / "t" / "-1" / place
        assert (directory / "in/a/b.txt").read_text() == "one two"
        assert spec_of(job(input_files={"a/b.txt": str(source)})).files.directory == str(directory)

    def test_a_retry_brings_nothing_again_so_that_a_job_under_way_is_not_disturbed(
        self, storage: Path, source: Path
    ) -> None:
        task = job(input_files={"b.txt": str(source)})
        before = staged(task)
        (brought,) = storage.rglob("b.txt")
        brought.write_text("as the job sees it")
        assert staged(task) == before
        assert brought.read_text() == "as the job sees it"

    def test_what_was_brought_in_part_is_brought_again(self, storage: Path, source: Path) -> None:
        task = job(input_files={"b.txt": str(source)})
        staged(task)
        (complete,), (brought,) = storage.rglob("complete"), storage.rglob("b.txt")
        complete.unlink()
        brought.write_text("on")
        staged(task)
        assert brought.read_text() == "one two"

    @pytest.mark.parametrize("change", ["content", "arguments", "cleared"])
    def test_what_has_changed_begins_with_an_empty_directory_and_is_another_job(
        self, storage: Path, source: Path, change: str
    ) -> None:
        before = staged(job(input_files={"b.txt": str(source)}))
        if change == "content":
            source.write_text("one too")
        arguments = {"cpu": 2} if change == "arguments" else {}
        after = staged(
            job(input_files={"b.txt": str(source)}, **arguments), generation=int(change == "cleared")
        )
        assert before.place != after.place
        assert before.targets[0].spec.fingerprint != after.targets[0].spec.fingerprint

    def test_another_worker_finds_what_the_first_has_brought_without_the_source(
        self, storage: Path, source: Path
    ) -> None:
        task = job(input_files={"b.txt": str(source)})
        before = staged(task)
        source.unlink()
        assert at_place(task, TI, task.resolve_targets(), before.place) == before.targets

    def test_files_come_from_any_storage(self, far: Any, storage: Path) -> None:
        far.pipe("/elsewhere/x", b"far")
        staged(job(input_files={"x": "memory://elsewhere/x"}))
        assert [file.read_text() for file in storage.rglob("x")] == ["far"]

    def test_nothing_is_asked_of_the_storage_for_an_input_that_the_service_takes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"{OPTION}STORAGE_PATH", "nosuchscheme://bucket")
        assert spec_of(job(input=[1])).input == [1]


class TestInputs:
    def test_each_index_has_a_file_of_its_own(self, storage: Path) -> None:
        values = ["x" * 9_000, "y", {"z": "\n"}]
        spec = spec_of(job(AwsBatchJobOperator, inputs=values, array_size=3))
        assert (spec.inputs, spec.files.input, spec.files.input_fits) == (None, "each", True)
        files = sorted(Path(spec.files.directory, "inputs").iterdir())
        assert [file.name for file in files] == ["0.json", "1.json", "2.json"]
        assert [json.loads(file.read_text()) for file in files] == values
        assert [file.read_text().count("\n") for file in files] == [1, 1, 1]

    @pytest.mark.parametrize(("size", "fits"), [(20_000, True), (131_053, True), (131_054, False)])
    def test_only_what_a_variable_can_hold_becomes_one_in_the_job(
        self, storage: Path, size: int, fits: bool
    ) -> None:
        assert spec_of(job(AwsBatchJobOperator, input="x" * size)).files.input_fits is fits

    @pytest.mark.parametrize(
        ("kind", "size", "limit"),
        [
            (AwsBatchJobOperator, 9_000, "AWS Batch takes 8,192"),
            (KubernetesJobOperator, 140_000, "a container takes 131,055"),
        ],
    )
    def test_without_a_storage_it_is_refused_at_dag_parse_with_the_limit_and_the_option(
        self, kind: Any, size: int, limit: str
    ) -> None:
        with pytest.raises(
            InputTooLarge, match=rf"^input: .*{limit}.*\[airflow_provider_jobs\] storage_path"
        ):
            job(kind, input="x" * size)

    @pytest.mark.parametrize(
        ("kind", "size", "limit"),
        [
            (CloudRunJobOperator, 40_000, "the service takes 32,768"),
            (GcpBatchJobOperator, 140_000, "a container takes 131,055"),
        ],
    )
    def test_or_before_it_is_submitted_where_a_vendors_package_knows(
        self, kind: Any, size: int, limit: str
    ) -> None:
        task = job(kind, input="x" * size)
        with pytest.raises(
            InputTooLarge, match=rf"^input: .*{limit}.*\[airflow_provider_jobs\] storage_path"
        ):
            kind.check_request(spec_of(task))

    def test_each_of_several_services_gets_the_input_as_it_takes_it(self, storage: Path) -> None:
        task = ContainerJobOperator(
            task_id="t",
            backend=["aws_batch", "kubernetes"],
            targets={"aws_batch": {"job_queue": "q"}},
            image="busybox",
            script="true",
            input="x" * 9_000,
        )
        aws, kubernetes = staged(task).targets
        assert aws.spec.files is not None
        assert (aws.spec.input, kubernetes.spec.input) == (None, "x" * 9_000)


class TestMounts:
    @pytest.mark.parametrize("kind", [GcpBatchJobOperator, CloudRunJobOperator])
    def test_a_bucket_is_mounted_by_the_google_services_themselves(
        self, monkeypatch: pytest.MonkeyPatch, kind: Any
    ) -> None:
        monkeypatch.setenv(f"{OPTION}STORAGE_PATH", "gs://my_conn@bucket/jobs")
        task = job(kind, output_files=["a"])
        (target,) = at_place(task, TI, task.resolve_targets(), "0123")
        files = target.spec.files
        assert files is not None
        assert files.bucket == "bucket"
        assert files.directory == f"/mnt/disks/airflow-jobs/jobs/d/{TI.run_id}/t/-1/0123"

    @pytest.mark.parametrize("kind", [AwsBatchJobOperator, KubernetesJobOperator])
    def test_where_nobody_mounts_the_storage_the_option_is_named(self, far: Any, kind: Any) -> None:
        with pytest.raises(InvalidArgument, match=r"storage_mount: it is not set, and .* memory://"):
            staged(job(kind, output_files=["a"]))

    def test_the_directory_that_is_named_is_where_the_job_looks(
        self, far: Any, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"{OPTION}STORAGE_MOUNT", "/mnt/shared/")
        spec = spec_of(job(input_files={"b.txt": str(source)}))
        inside = spec.files.directory.removeprefix("/mnt/shared")
        assert spec.files.bucket == ""
        assert far.cat(f"/bucket/jobs{inside}/in/b.txt") == b"one two"

    def test_a_job_of_cloud_run_that_exists_cannot_be_given_a_bucket(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"{OPTION}STORAGE_PATH", "gs://bucket")
        task = job(CloudRunJobOperator, image=None, script=None, job_name="there", output_files=["a"])
        with pytest.raises(InvalidArgument, match="storage_mount"):
            at_place(task, TI, task.resolve_targets(), "0123")


class TestOutputs:
    @pytest.fixture
    def place(self, far: Any, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv(f"{OPTION}STORAGE_MOUNT", "/mnt/shared")
        for name in ("a.csv", "b.csv", "deep/c.csv", "log"):
            for index in (0, 1):
                far.pipe(f"/bucket/jobs/d/{TI.run_id}/t/-1/p/out/{index}/{name}", f"{index}{name}".encode())
        return "p"

    def test_a_pattern_collects_from_each_index_that_has_succeeded(self, place: str) -> None:
        task = job(output_files=["**/*.csv"], array_size=3)
        array = ArrayCounts(size=3, succeeded=2, failed=1, failed_indexes=(2,))
        found = collect(task, TI, place, array)
        assert {index: list(files) for index, files in found.items()} == {
            "0": ["a.csv", "b.csv", "deep/c.csv"],
            "1": ["a.csv", "b.csv", "deep/c.csv"],
        }
        assert found["1"]["a.csv"] == f"memory://bucket/jobs/d/{TI.run_id}/t/-1/p/out/1/a.csv"

    def test_an_index_that_lacks_a_file_is_named(self, place: str) -> None:
        task = job(output_files=["*.csv", "deep/*"], array_size=4)
        with pytest.raises(OutputMissing, match=r"no '\*\.csv' in JOB_OUTPUT_DIR of index 2-3"):
            collect(task, TI, place, ArrayCounts(size=4, succeeded=4))

    def test_a_directory_is_no_file_although_a_bucket_lists_it(
        self, far: Any, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        find = far.find
        with monkeypatch.context() as patch:
            patch.setattr(far, "find", lambda path: [*find(path), f"{path}/0/", f"{path}/0/deep/"])
            found = collect(
                job(output_files=["**"], array_size=2), TI, place, ArrayCounts(size=2, succeeded=2)
            )
        assert list(found["0"]) == list(found["1"]) == ["a.csv", "b.csv", "deep/c.csv", "log"]

    def test_files_are_copied_where_they_are_wanted_as_often_as_asked(
        self, place: str, tmp_path: Path
    ) -> None:
        task = job(output_files={"*.csv": f"file://{tmp_path}/all/"}, array_size=2)
        for _ in range(2):
            found = collect(task, TI, place, ArrayCounts(size=2, succeeded=2))
        assert found["1"]["a.csv"] == f"file://{tmp_path}/all/1/a.csv"
        assert (tmp_path / "all/1/a.csv").read_text() == "1a.csv"
        assert len(list(tmp_path.rglob("*.csv"))) == 4


class TestRefused:
    def test_files_without_a_storage_are_refused_at_dag_parse_with_the_option(self) -> None:
        for argument in ({"input_files": {"a": "/tmp/a"}}, {"output_files": ["a"]}):
            with pytest.raises(InvalidArgument, match=r"\[airflow_provider_jobs\] storage_path is not set"):
                job(**argument)

    def test_a_name_that_leads_elsewhere_is_refused_at_dag_parse_and_a_template_is_not(
        self, storage: Path
    ) -> None:
        with pytest.raises(InvalidArgument, match="no relative path"):
            job(input_files={"../a": "/tmp/a"})
        task = job(input_files={"{{ ds }}": "/tmp/a"}, output_files="{{ params.files }}")
        assert {"input_files", "output_files"} <= set(type(task).template_fields)

    def test_a_source_that_is_not_there_is_refused_without_its_address(self, storage: Path) -> None:
        with pytest.raises(InvalidArgument, match=r"^input_files: the source of 'a' is not there") as caught:
            staged(job(input_files={"a": "/nowhere/geheim"}))
        assert "geheim" not in str(caught.value)
        assert not storage.exists()

    def test_a_folder_is_no_file(self, storage: Path, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgument, match="the source of 'a' is a directory"):
            staged(job(input_files={"a": str(tmp_path)}))

    def test_a_storage_with_a_password_in_its_address_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"{OPTION}STORAGE_PATH", "s3://key:geheim@bucket")
        with pytest.raises(
            InvalidArgument, match="storage_path: an address in it holds a password"
        ) as caught:
            job(output_files=["a"])
        assert "geheim" not in str(caught.value)


class TestWorkers:
    def test_output_files_need_a_worker_at_the_end_and_input_files_do_not(self, storage: Path) -> None:
        with DAG("d", schedule=None):
            assert arguments_need_worker(job(output_files=["a"])) == "output_files are given"
            assert arguments_need_worker(job(task_id="u", input_files={"a": "/tmp/a"})) is None

    @pytest.mark.parametrize("argument", [{"input_files": {"a": "/tmp/a"}}, {"output_files": ["a"]}])
    def test_a_task_with_files_does_not_begin_in_the_triggerer_and_says_why(
        self, storage: Path, argument: Any
    ) -> None:
        task = job(submit_from="triggerer", **argument)
        assert not task.start_from_trigger
        assert "a worker brings input_files" in why_from_worker(task, TI)


class TestTries:
    @pytest.fixture
    def fake(self) -> Iterator[FakeBackend]:
        with fake_service() as service:
            yield service

    def test_a_job_after_a_preemption_sees_the_same_files_although_the_source_is_gone(
        self, fake: FakeBackend, storage: Path, source: Path
    ) -> None:
        def strike(method: str) -> None:
            """Take the first job's machine away, and the worker's file with it."""
            if method == "describe" and len(fake.jobs) == 1 and source.exists():
                source.unlink()
                failure = Failure(kind=FailureKind.PREEMPTED, retryable=True, message="reclaimed")
                (first,) = fake.jobs.values()
                fake.move(first.handle, JobState.FAILED, failures=[failure])

        fake.before = strike
        Task().run(FakeJobOperator(input_files={"a": str(source)}, preemption_retries=1))
        first, second = fake.jobs.values()
        assert first.spec.files == second.spec.files is not None

    def test_a_cleared_task_finds_nothing_of_its_earlier_job(
        self, fake: FakeBackend, storage: Path, source: Path
    ) -> None:
        operator = FakeJobOperator(input_files={"a": str(source)})
        for max_tries in (0, 1):
            operator.execute({"ti": TaskInstance(max_tries=max_tries)})
        first, second = fake.jobs.values()
        assert first.spec.files
        assert second.spec.files
        assert first.spec.files.directory != second.spec.files.directory
