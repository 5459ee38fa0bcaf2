"""The spec: what is merged, what the prelude makes of it inside the job, and when it counts as changed."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.core.merge import deep_merge
from airflow_provider_jobs.core.prelude import input_variables, wrap
from airflow_provider_jobs.core.ranges import format_indexes, parse_indexes
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import TERMINAL, JobState

SHOW = 'echo "$JOB_INDEX|$JOB_COUNT|$JOB_ATTEMPT|$JOB_INPUT"'


def inside(spec: JobSpec, *, task: int, attempt: int = 0) -> str:
    """Run a spec's command as task number ``task`` and return what it prints."""
    argv = wrap(spec, index_variable="TASK", attempt_variable="TRY")
    assert argv
    env = {"TASK": str(task), "TRY": str(attempt), "PATH": "/usr/bin:/bin", **input_variables(spec)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("values", "task", "shown"),
    [
        ({}, 0, "0|1|0|"),
        ({"array_size": 8}, 5, "5|8|0|"),
        ({"input": {"a": [1, "x y"]}}, 0, '0|1|0|{"a": [1, "x y"]}'),
        ({"inputs": ["first", "$HOME `id` 'q'"], "array_size": 2}, 1, "1|2|0|\"$HOME `id` 'q'\""),
        ({"array_size": 8, "indexes": [3, 7]}, 0, "3|8|0|"),
        ({"array_size": 8, "indexes": [3, 7]}, 1, "7|8|0|"),
        ({"array_size": 3, "inputs": [10, 11, 12], "indexes": [2]}, 0, "2|3|0|12"),
    ],
)
def test_the_prelude_gives_every_index_its_number_and_its_input(
    values: dict[str, Any], task: int, shown: str
) -> None:
    assert inside(JobSpec(image="busybox", script=SHOW, **values), task=task) == shown


def test_the_prelude_leaves_the_words_of_a_command_alone() -> None:
    words = ["printf", "%s|", "a b", "$HOME", "", "it's"]
    assert inside(JobSpec(image="busybox", command=tuple(words)), task=0) == "a b|$HOME||it's|"


def test_the_attempt_of_the_service_is_told() -> None:
    assert inside(JobSpec(image="busybox", script=SHOW), task=0, attempt=2) == "0|1|2|"


@pytest.mark.parametrize(("told", "shown"), [("1", "0"), ("3", "2"), (None, "0")])
def test_attempts_are_counted_from_zero_whatever_the_service_begins_with(
    told: str | None, shown: str
) -> None:
    spec = JobSpec(image="busybox", script="echo $JOB_ATTEMPT")
    argv = wrap(spec, index_variable="TASK", attempt_variable="TRY", first_attempt=1)
    assert argv
    env = {"PATH": "/usr/bin:/bin", **({"TRY": told} if told else {})}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=10)
    assert done.stdout.strip() == shown


def test_without_prelude_and_without_command_nothing_stands_in_front() -> None:
    assert wrap(JobSpec(image="x", command=("run",), prelude=False), index_variable="TASK") == ["run"]
    assert wrap(JobSpec(image="x"), index_variable="TASK") is None


def test_only_the_inputs_of_the_submitted_indexes_are_sent() -> None:
    spec = JobSpec(image="x", script="true", inputs=(1, 2, 3), array_size=3, indexes=(1,))
    assert input_variables(spec) == {"JOB_COUNT": "3", "JOB_INDEX_MAP": "1", "JOB_INPUT_1": "2"}


def test_the_fingerprint_changes_with_every_part_and_survives_json() -> None:
    spec = JobSpec(image="busybox", script="true", env={"A": "1"})
    assert JobSpec.from_json(json.loads(json.dumps(spec.to_json()))).fingerprint == spec.fingerprint
    for change in ({"image": "alpine"}, {"script": "false"}, {"env": {"A": "2"}}, {"native": {"x": 1}}):
        assert spec.model_copy(update=change).fingerprint != spec.fingerprint


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}}, {"a": 1, "b": {"c": 2, "d": 3}}),
        ({"a": [{"x": 1}, {"y": 2}]}, {"a": [{"z": 3}]}, {"a": [{"x": 1, "z": 3}, {"y": 2}]}),
        ({"a": [{"x": 1}]}, {"a": [{"x": 2}, {"y": 3}]}, {"a": [{"x": 2}, {"y": 3}]}),
        ({"a": ["zone-a"]}, {"a": ["zone-b"]}, {"a": ["zone-b"]}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
    ],
)
def test_native_values_are_laid_on_the_request(base: Any, over: Any, merged: Any) -> None:
    before = json.dumps(base)
    assert deep_merge(base, over) == merged
    assert json.dumps(base) == before


@given(st.sets(st.integers(0, 10_000)))
def test_ranges_say_the_same_set_shortly(indexes: set[int]) -> None:
    assert parse_indexes(format_indexes(indexes)) == sorted(indexes)


def test_ranges_are_read_as_a_person_writes_them() -> None:
    assert format_indexes([9, 3, 7, 8]) == "3,7-9"


@given(st.lists(st.sampled_from(list(JobState)), max_size=20))
def test_a_state_never_goes_back_and_the_first_end_stands(states: list[JobState]) -> None:
    order = list(JobState)
    state = JobState.SUBMITTED
    for new in states:
        after = state.advance(new)
        assert state not in TERMINAL or after is state
        assert after in TERMINAL or order.index(after) >= order.index(state)
        state = after
