"""When the next sentence about a job that waits is another reason."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.core.explanations import explanation, is_same_reason


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3 nodes are starting", "2 nodes are starting"),
        ("0/12 nodes are available: 12 Insufficient cpu", "0/9 nodes are available: 9 Insufficient cpu"),
        ("Quota CPUS: 20 of 24.0 are in use.", "Quota CPUS: 24 of 24.0 are in use."),
        (
            explanation("A quota is short. Wait", "error 4 of vm-x"),
            explanation("A quota is short. Wait", "vm-y"),
        ),
        (explanation("A quota is short. Wait"), explanation("A quota is short. Wait", "vm-y", of="Ready")),
        (None, None),
    ],
)
def test_other_numbers_and_other_words_of_the_service_are_no_other_reason(
    one: str | None, other: str | None
) -> None:
    assert is_same_reason(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3 nodes are starting", "3 nodes are unusable"),
        ("no c5.large to give", "no c6.large to give"),
        ("Pool pool-1 is empty", "Pool pool-2 is empty"),
        ('claim "data-1" is not there', 'claim "data-2" is not there'),
        (explanation("A quota is short", "x"), explanation("The image is missing", "x")),
        (None, "A quota is short"),
    ],
)
def test_other_words_and_other_names_are_another_reason(one: str | None, other: str) -> None:
    assert not is_same_reason(one, other)


def test_what_the_service_says_stands_last_with_what_it_says_it_of() -> None:
    assert explanation("Wait", "no room", of="Ready") == "Wait. The service says of Ready: no room"
    assert explanation("Wait", None) == "Wait"
