"""Every bad value is refused with the argument's name, the value, and what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.core.arguments import build_model, check_argument, memory_mib
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.spec import JobSpec


@pytest.mark.parametrize(
    ("argument", "value", "shown", "remedy"),
    [
        ("image", "has spaces:1", "'has spaces:1'", "without spaces"),
        ("image", "Upper/Case", "'Upper/Case'", "lower case"),
        ("image", "", "''", "[registry/]name"),
        ("image", "a" * 2000, "aaa", "[registry/]name"),
        ("memory", "4 potatoes", "'4 potatoes'", '"4Gi"'),
        ("memory", "0Gi", "'0Gi'", '"4Gi"'),
        ("memory", 4, "4", '"4Gi"'),
        ("array_size", 0, "0", "greater than or equal to 1"),
        ("array_size", "many", "'many'", "valid integer"),
        ("parallelism", -1, "-1", "greater than or equal to 1"),
        ("cpu", 0, "0", "greater than 0"),
        ("gpu", {"count": 0}, "0", "greater than or equal to 1"),
        ("max_run_seconds", 0, "0", "greater than or equal to 1"),
        ("command", "python run.py", "'python run.py'", "script="),
        ("command", [], "[]", "list of words"),
        ("command", ["a", 1], "1", "text"),
        ("env", {"A": 1}, "A is of type int", "str()"),
        ("env", {"A B": "x"}, "'A B'", "letters, digits and underscores"),
        ("env", {"JOB_INDEX": "1"}, "JOB_INDEX", "another name"),
        ("env", ["A=1"], "list", "dict"),
        ("secrets", {"KEY": None}, "KEY is of type NoneType", "str()"),
        ("labels", {"team": 7}, "7", "str()"),
        ("native", "text", "", "valid dictionary"),
    ],
)
def test_a_bad_value_names_the_argument_the_value_and_the_remedy(
    argument: str, value: Any, shown: str, remedy: str
) -> None:
    with pytest.raises(InvalidArgument) as raised:
        check_argument(JobSpec, argument, value)
    text = str(raised.value)
    assert text.startswith(argument)
    assert shown in text
    assert remedy in text


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("env", {"PASSWORD": ["hunter2"]}),
        ("secrets", {"PASSWORD": ["hunter2"]}),
        ("inputs", 7),
    ],
)
def test_values_that_may_be_secret_are_never_shown(argument: str, value: Any) -> None:
    with pytest.raises(InvalidArgument) as raised:
        build_model(JobSpec, {argument: value})
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"script": "a", "command": ["b"]}, ("script", "command")),
        ({"input": 1, "inputs": [1]}, ("input", "inputs")),
        ({"inputs": [1, 2], "array_size": 3}, ("inputs", "array_size")),
        ({"env": {"A": "1"}, "secrets": {"A": "ref"}}, ("A", "env", "secrets")),
        ({"imag": "busybox"}, ("imag",)),
    ],
)
def test_arguments_that_do_not_go_together_are_named(values: dict[str, Any], names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgument) as raised:
        build_model(JobSpec, values)
    assert all(name in str(raised.value) for name in names)


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "python:3.12",
        "europe-docker.pkg.dev/p/r/resize:3",
        "localhost:5000/a/b_c/d.e--f:V1.0_x",
        "ubuntu@sha256:" + "0" * 64,
    ],
)
def test_image_names_as_registries_take_them_are_taken(image: str) -> None:
    assert check_argument(JobSpec, "image", image) == image


@pytest.mark.parametrize(
    ("text", "mib"),
    [("512Mi", 512), ("4Gi", 4096), ("1.5Gi", 1536), ("1Ti", 1024**2), ("1M", 1), ("2G", 1908)],
)
def test_sizes_become_mebibytes_rounded_up(text: str, mib: int) -> None:
    assert memory_mib(text) == mib


@given(st.integers(min_value=1, max_value=10**6))
def test_a_size_in_mebibytes_is_itself(mib: int) -> None:
    assert memory_mib(f"{mib}Mi") == mib
