"""Submissions of one connection share a client, which is made anew from time to time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.engine.clients import SHARED_SECONDS, SharedBackends
from tests.contract.fake import FakeBackend

ONE = BackendRef(backend="fake", conn_id="one")
OTHER = BackendRef(backend="fake", conn_id="other")


class World:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.opened: list[BackendRef] = []
        self.shared = SharedBackends(self.open, clock=lambda: self.seconds)

    def open(self, ref: BackendRef) -> FakeBackend:
        self.opened.append(ref)
        return FakeBackend(ref)


def test_who_asks_for_the_same_reference_gets_the_same_backend() -> None:
    world = World()
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(world.shared.open, [ONE] * 50))
    assert len({id(backend) for backend in got}) == 1
    assert world.shared.open(OTHER) is not got[0]
    assert world.opened == [ONE, OTHER]


def test_expired_credentials_are_read_anew_for_all() -> None:
    world = World()
    first = world.shared.open(ONE)
    renewed = world.shared.reopen(ONE)
    assert renewed is not first
    assert world.shared.open(ONE) is renewed


def test_a_connection_that_was_changed_is_read_again_after_a_while_and_nothing_old_is_kept() -> None:
    world = World()
    world.shared.open(ONE)
    world.shared.open(OTHER)
    world.seconds = SHARED_SECONDS
    world.shared.open(ONE)
    assert world.opened == [ONE, OTHER, ONE]
    assert list(world.shared._opened) == [ONE]
