"""What a job was given, from what was asked for and what the service says."""

from __future__ import annotations

from tests.engine.clockwork import new_fake
from tests.engine.test_waiting import follow


def test_what_the_job_was_to_be_given_stands_in_the_summary_and_what_the_service_says_before_it() -> None:
    outcome = follow(new_fake(), vcpus=2, memory_mib=512, parallelism=4)
    assert (outcome.vcpus, outcome.memory_mib, outcome.parallelism) == (2, 512, 4)
    fake = new_fake()
    fake.gives = {"vcpus": 0.5, "memory_mib": 256.0}
    outcome = follow(fake, vcpus=2, memory_mib=512)
    assert (outcome.vcpus, outcome.memory_mib) == (0.5, 256.0)
