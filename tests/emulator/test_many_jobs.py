"""Thousands of simulated jobs: what they cost while they sleep, when they end, and when they are listed."""

from __future__ import annotations

import asyncio
import threading

import psutil
import pytest

from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import Job, JobState, TaskState
from airflow_provider_jobs.emulator.progress import ProgressRule, Stage
from tests.emulator.engine import counted, job, run, script, until


async def submitted(cloud: Cloud, count: int, text: str, **options: object) -> list[Job]:
    """Jobs that all run by now."""
    jobs = [cloud.submit(job(script(text), **options)) for _ in range(count)]
    await until(lambda: all(each.state is JobState.RUNNING for each in jobs))
    return jobs


def test_jobs_that_sleep_need_neither_threads_nor_processes():
    # Told apart, not counted: what earlier tests began in this process may end at any time.
    others = set(psutil.Process().children())

    def of_jobs() -> set[psutil.Process]:
        return {each for warden in set(psutil.Process().children()) - others for each in warden.children()}

    async def work(cloud: Cloud) -> None:
        threads = set(threading.enumerate())
        await submitted(cloud, 1000, "sleep 600")
        assert set(threading.enumerate()) <= threads
        assert of_jobs() == set()
        cloud.submit(job(script("cat /dev/zero > /dev/null")))
        await until(lambda: len(of_jobs()) == 1)

    run(work, simulate_sleep=True)


def test_jobs_that_sleep_cost_nothing_until_one_of_them_ends():
    async def work(cloud: Cloud) -> None:
        await submitted(cloud, 1000, "sleep 600")
        with counted() as calls:
            await asyncio.sleep(0.2)
        assert calls.count == 0

    run(work, simulate_sleep=True)


def test_jobs_that_wait_for_a_rule_cost_nothing_either():
    async def work(cloud: Cloud) -> None:
        cloud.progress.rules.add(ProgressRule(stage=Stage.ASSIGNED))
        jobs = [cloud.submit(job(script("true"))) for _ in range(1000)]
        await until(lambda: all(each.state is JobState.SCHEDULED for each in jobs))
        with counted() as calls:
            await asyncio.sleep(0.2)
        assert calls.count == 0

    run(work, simulate_sleep=True)


def calls_of_ends(count: int) -> int:
    """How many functions are called when so many jobs end at once, beside as many that go on."""

    async def work(cloud: Cloud) -> int:
        await submitted(cloud, count, "sleep 600")
        jobs = await submitted(cloud, count, "sleep 1")
        ended = asyncio.Event()
        with counted() as calls:
            while not ended.is_set():
                await asyncio.sleep(0.2)
                if all(each.ended for each in jobs):
                    ended.set()
        return calls.count

    return run(work, simulate_sleep=True)


def test_twice_as_many_ends_cost_twice_as_much_and_not_more():
    assert calls_of_ends(400) < 2.5 * calls_of_ends(200)


def test_a_simulated_job_ends_when_it_is_due_and_says_so():
    async def work(cloud: Cloud) -> None:
        (one,) = await submitted(cloud, 1, "sleep 0.3")
        await until(lambda: one.ended)
        began = next(each.at for each in one.tasks[0].events if each.after is TaskState.RUNNING)
        ended = one.tasks[0].events[-1].at
        assert (ended - began).total_seconds() >= 0.3
        # What a list or a look answers after this moment, and what is written down, are one and the same.
        assert ended <= one.events[-1].at == one.updated_at == one.run_ended_at

    run(work, simulate_sleep=True)


class TestListed:
    def test_jobs_are_found_by_what_they_are_listed_under_in_the_order_of_their_creation(self):
        async def work(cloud: Cloud) -> None:
            made = [cloud.submit(job(script("true"), listed_under=(name, "all"))) for name in ("a", "b", "a")]
            assert list(cloud.jobs.listed("test", "a")) == [made[0], made[2]]
            assert list(cloud.jobs.listed("test", "all")) == made
            assert list(cloud.jobs.listed("other", "all")) == []

        run(work)

    def test_a_job_that_is_listed_elsewhere_keeps_its_place_in_the_order(self):
        async def work(cloud: Cloud) -> None:
            first, second = (cloud.submit(job(script("true"), listed_under=("a",))) for _ in range(2))
            cloud.jobs.relist(second, ("b",))
            cloud.jobs.relist(first, ("b",))
            assert list(cloud.jobs.listed("test", "a")) == []
            assert list(cloud.jobs.listed("test", "b")) == [first, second]

        run(work)

    def test_a_job_that_was_removed_is_listed_nowhere_and_does_not_come_back(self):
        async def work(cloud: Cloud) -> None:
            made = cloud.submit(job(script("true"), listed_under=("a",)))
            await cloud.remove(made)
            cloud.jobs.relist(made, ("a",))
            assert list(cloud.jobs.listed("test", "a")) == []

        run(work)

    @pytest.mark.parametrize("count", [10, 1000])
    def test_a_page_costs_what_is_in_it_however_many_jobs_there_are(self, count: int):
        async def work(cloud: Cloud) -> None:
            for _ in range(count):
                cloud.submit(job(script("sleep 600"), listed_under=("a",)))
            with counted() as calls:
                page = cloud.listings.latest_first(cloud.jobs.listed("test", "a"))[3:7]
            assert len(page) == 4
            assert calls.count < 20

        run(work, simulate_sleep=True)
