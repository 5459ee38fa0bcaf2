"""What a job says on stdout is heard exactly, and look-alikes are left alone."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.core.markers import MalformedMarker, Marker, parse_marker


@pytest.mark.parametrize(
    ("line", "marker"),
    [
        ('::airflow::{"outputs": {"n": 1}}', Marker(outputs={"n": 1})),
        ('  ::airflow::{"progress": 0.4, "message": "half"}  ', Marker(progress=0.4, message="half")),
        ('::airflow::{"event": {"rows": 3}}', Marker(event={"rows": 3})),
        ('::airflow::{"progress": 1}', Marker(progress=1.0)),
    ],
)
def test_a_marker_is_heard(line: str, marker: Marker) -> None:
    assert parse_marker(line) == marker


@pytest.mark.parametrize(
    "line",
    ["", "hello", "::airflow:: hello", 'see ::airflow::{"outputs": {}}', "::airflow::", "::other::{}"],
)
def test_a_look_alike_is_left_alone(line: str) -> None:
    assert parse_marker(line) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("::airflow::{", "not JSON"),
        ('::airflow::{"outputs": 1}', "outputs is of type int"),
        ('::airflow::{"progress": 2}', "from 0 to 1"),
        ('::airflow::{"progress": true}', "from 0 to 1"),
        ('::airflow::{"output": {}}', "unknown key 'output'"),
    ],
)
def test_a_malformed_marker_says_what_is_wrong(line: str, said: Any) -> None:
    with pytest.raises(MalformedMarker, match=said):
        parse_marker(line)
