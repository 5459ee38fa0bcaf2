"""What the lines of a job say beside being shown: markers, events, and where the rest of them is."""

from __future__ import annotations

from airflow_provider_jobs.core.states import JobState
from tests.engine.clockwork import Heard, new_fake
from tests.engine.test_waiting import fake_spec, follow

RUNNING, SUCCEEDED, QUEUED = JobState.RUNNING, JobState.SUCCEEDED, JobState.QUEUED


def test_a_malformed_marker_is_told_with_its_line_and_loses_nothing() -> None:
    heard = Heard()
    lines = ['::airflow::{"outputs": }', "::airflow:: is no marker", '::airflow::{"outputs": {"a": 1}}']
    outcome = follow(new_fake(), heard, spec=fake_spec(lines=lines))
    assert outcome.result() == {"a": 1}
    assert len(heard.warnings) == 1
    assert '::airflow::{"outputs": }' in heard.warnings[0]
    assert len(heard.lines) == 3


def test_a_log_over_the_cap_ends_with_a_line_that_says_where_the_rest_is() -> None:
    heard = Heard()
    lines = [f"line {n}" for n in range(10)]
    outcome = follow(
        new_fake(),
        heard,
        spec=fake_spec(lines=[*lines, '::airflow::{"outputs": {"a": 1}}']),
        log_max_bytes=20,
    )
    assert [line.message for line in heard.lines] == ["line 0", "line 1", "line 2"]
    (told,) = heard.warnings
    assert "log_max_bytes" in told
    assert "https://console" in told
    assert outcome.result() == {"a": 1}


def test_events_are_heard_as_they_come_and_kept_within_a_bound() -> None:
    heard = Heard()
    many = 300
    text = "x" * 1_000
    lines = ['::airflow::{"event": "' + text + '"}'] * many
    outcome = follow(new_fake(), heard, spec=fake_spec(lines=lines))
    assert len(heard.events) == many
    assert 200 < len(outcome.events) < many
    assert len([told for told in heard.warnings if "events" in told]) == 1
