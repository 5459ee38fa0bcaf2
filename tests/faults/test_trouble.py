"""Trouble of a service is not taken for trouble of a job: every kind, on every call, of every backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_jobs.core.errors import (
    AmbiguousError,
    BackendError,
    CredentialsExpired,
    PermanentError,
    TransientError,
    UnavailableError,
    is_trouble,
)
from airflow_provider_jobs.core.models import JobHandle, JobReport, LogCursor
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import local_cloud
from tests.faults import sockets
from tests.faults.sockets import Cutter
from tests.faults.troubled import (
    OPERATIONS,
    SUBJECTS,
    Subject,
    error_of,
    new_key,
    submit_as_the_engine,
    until,
)

IMPATIENT_SECONDS = 0.3
#: Far below what any of the vendors' clients would wait by itself, and enough for a busy machine.
SOON_SECONDS = 10.0
#: No operation of a backend makes more calls of its service than this.
MOST_CALLS = 12


@dataclass(frozen=True)
class Bench:
    """A backend, used by all tests as a triggerer uses it for many jobs, and a job that has written lines."""

    cloud: LocalCloud
    subject: Subject
    backend: Any
    handle: JobHandle

    def error_of(self, operation: str, backend: Any = None) -> BackendError | None:
        """Return the error of an operation, by the backend of the bench or by another."""
        chosen = self.backend if backend is None else backend
        return error_of(lambda: OPERATIONS[operation](chosen, self.subject, self.handle))

    def elsewhere(self, address: str, patience_seconds: float) -> AbstractContextManager[Any]:
        """Yield a backend that finds its service at another address."""
        return self.subject.at(self.cloud, address, patience_seconds=patience_seconds)


@pytest.fixture(scope="module")
def benches() -> Iterator[dict[str, Bench]]:
    with local_cloud() as cloud:
        made = {}
        for subject in SUBJECTS:
            backend = subject.open()
            handle = backend.submit(subject.write_spec(), new_key())
            made[subject.name] = Bench(cloud, subject, backend, handle)
        for bench in made.values():
            cursor = LogCursor(handle=bench.handle)
            until(lambda bench=bench, cursor=cursor: bench.backend.read_logs([cursor])[0].lines)
        yield made


@pytest.fixture(params=SUBJECTS, ids=str)
def bench(request: pytest.FixtureRequest, benches: dict[str, Bench]) -> Iterator[Bench]:
    """Yield the bench of one backend, on a local cloud without faults; its jobs stay."""
    found = benches[request.param.name]
    yield found
    found.cloud.admin.clear_faults()


class TestAnswers:
    """The service answers every call with an error."""

    @pytest.mark.parametrize("operation", OPERATIONS)
    @pytest.mark.parametrize("code", ["503", "500", "429"])
    def test_an_error_of_the_service_is_trouble(self, bench: Bench, operation: str, code: str) -> None:
        bench.cloud.admin.add_fault(error={"code": bench.subject.errors[code]})
        error = bench.error_of(operation)
        assert error is not None
        assert is_trouble(error), error

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_expired_credentials_are_trouble_that_says_so(self, bench: Bench, operation: str) -> None:
        bench.cloud.admin.add_fault(error={"code": bench.subject.errors["expired"]})
        assert type(bench.error_of(operation)) is CredentialsExpired

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_a_denied_permission_is_no_trouble(self, bench: Bench, operation: str) -> None:
        bench.cloud.admin.add_fault(error={"code": bench.subject.errors["denied"]})
        assert isinstance(bench.error_of(operation), PermanentError)

    def test_the_same_backend_gets_its_answers_once_the_service_is_well(self, bench: Bench) -> None:
        for code in ("503", "expired", "429"):
            bench.cloud.admin.add_fault(error={"code": bench.subject.errors[code]})
            assert bench.error_of("describe") is not None
            bench.cloud.admin.clear_faults()
            (report,) = bench.backend.describe([bench.handle])
            assert report.state is JobState.RUNNING


#: An address at which something is wrong, and what.
WAYS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "nobody listens": sockets.closed,
    "nobody answers": sockets.mute,
    "the name does not resolve": sockets.nowhere,
}


class TestConnections:
    """No call reaches the service."""

    @pytest.mark.parametrize("way", WAYS)
    def test_no_operation_takes_it_for_an_answer_and_none_waits_for_long(
        self, bench: Bench, way: str
    ) -> None:
        with WAYS[way]() as address, bench.elsewhere(address, IMPATIENT_SECONDS) as ailing:
            for operation in OPERATIONS:
                began = time.monotonic()
                error = bench.error_of(operation, ailing)
                assert error is not None
                assert is_trouble(error), f"{operation}: {error}"
                assert time.monotonic() - began < SOON_SECONDS

    @pytest.mark.parametrize("way", ["nobody listens", "the name does not resolve"])
    def test_a_submission_that_was_never_sent_need_not_be_looked_for(self, bench: Bench, way: str) -> None:
        with WAYS[way]() as address, bench.elsewhere(address, SOON_SECONDS) as ailing:
            assert type(bench.error_of("submit", ailing)) is UnavailableError

    def test_nobody_waits_longer_than_a_minute_for_an_answer(self, bench: Bench) -> None:
        assert 0 < bench.subject.patience_seconds(bench.backend) <= 60

    def test_a_connection_that_died_without_a_word_is_replaced(self, bench: Bench) -> None:
        with (
            sockets.freezing(bench.subject.address(bench.cloud)) as proxy,
            bench.elsewhere(proxy.address, 1.0) as ailing,
        ):
            assert bench.error_of("describe", ailing) is None
            proxy.freeze()
            error = bench.error_of("describe", ailing)
            assert isinstance(error, UnavailableError)
            until(lambda: bench.error_of("describe", ailing) is None, within_seconds=SOON_SECONDS)


class TestBrokenOff:
    """Answers end in the middle, with a reset."""

    @pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in ("submit", "cancel")])
    def test_it_is_trouble_with_whichever_answer_it_happens(self, bench: Bench, operation: str) -> None:
        with cutting(bench) as (strike, ailing):
            for number in range(MOST_CALLS):
                with strike(number) as has_struck:
                    error = bench.error_of(operation, ailing)
                    was_struck = has_struck()
                if not was_struck:
                    # That the connection before was cut may only be noticed now.
                    assert error is None or is_trouble(error)
                    assert error is None or bench.error_of(operation, ailing) is None
                    return
                assert isinstance(error, UnavailableError), f"call {number}: {error}"
        raise AssertionError(f"more than {MOST_CALLS} calls")

    def test_a_submission_becomes_one_job(self, bench: Bench) -> None:
        with cutting(bench) as (strike, ailing):
            check_submissions(bench, strike, ailing)

    def test_a_cancel_gets_through(self, bench: Bench) -> None:
        with cutting(bench) as (strike, ailing):
            check_cancels(bench, strike, ailing)


@pytest.mark.parametrize("how", ["500", "503", "no answer"])
class TestAfterTheWork:
    """The service does what it is asked for, and then answers with an error, or not at all."""

    def test_a_submission_becomes_one_job(self, bench: Bench, how: str) -> None:
        check_submissions(bench, striking(bench, how), bench.backend)

    def test_a_cancel_gets_through(self, bench: Bench, how: str) -> None:
        check_cancels(bench, striking(bench, how), bench.backend)


@pytest.mark.parametrize("how", ["500", "503", "no answer"])
def test_a_submission_that_may_have_been_done_is_looked_for(bench: Bench, how: str) -> None:
    bench.cloud.admin.add_fault(method=bench.subject.submits_with, **after_work(bench, how))
    error = bench.error_of("submit")
    if bench.subject.resends and how != "no answer":
        assert isinstance(error, TransientError)
    else:
        assert type(error) is AmbiguousError


# Striking one call of an operation: the number of the call to a context whose value tells whether it was met.
Strike = Callable[[int], AbstractContextManager[Callable[[], bool]]]


@contextmanager
def cutting(bench: Bench) -> Iterator[tuple[Strike, Any]]:
    """Yield what breaks off one answer, and the backend that gets it."""
    cutter = Cutter()
    proxy = sockets.cutting_grpc if bench.subject.speaks_grpc else sockets.cutting_http

    @contextmanager
    def strike(number: int) -> Iterator[Callable[[], bool]]:
        cutter.cut_after(number)
        yield lambda: cutter.has_cut
        cutter.cut_none()

    upstream = bench.subject.address(bench.cloud)
    with proxy(upstream, cutter) as address, bench.elsewhere(address, SOON_SECONDS) as ailing:
        yield strike, ailing


def striking(bench: Bench, how: str) -> Strike:
    """Return what spoils one answer after the work was done."""

    @contextmanager
    def strike(number: int) -> Iterator[Callable[[], bool]]:
        bench.cloud.admin.add_fault(skip=number, times=1, **after_work(bench, how))
        yield lambda: bench.cloud.admin.call("GET", "/faults")[0]["struck"] == 1
        bench.cloud.admin.clear_faults()

    return strike


def after_work(bench: Bench, how: str) -> dict[str, Any]:
    """Return the fields of a fault that spoils an answer."""
    if how not in bench.subject.errors:
        return {"drop_answer": "reset"}
    return {"error": {"code": bench.subject.errors[how]}, "after_work": True}


def check_submissions(bench: Bench, strike: Strike, backend: Any) -> None:
    """Submit once for every call that a submission makes, with its answer spoiled: each becomes one job."""
    for number in range(MOST_CALLS):
        key = new_key()
        with strike(number) as has_struck:
            handle = submit_as_the_engine(backend, bench.subject.write_spec(), key)
            was_struck = has_struck()
        assert bench.subject.jobs(bench.cloud, key) == 1, f"call {number}"
        assert backend.find(key).native_id == handle.native_id
        assert next(iter(backend.describe([handle]))).found
        backend.cancel(handle, "it was seen")
        if not was_struck:
            return
    raise AssertionError(f"more than {MOST_CALLS} calls")


def check_cancels(bench: Bench, strike: Strike, backend: Any) -> None:
    """Cancel a job for every call that this takes, with its answer spoiled: asking again is enough."""
    for number in range(MOST_CALLS):
        handle = backend.submit(bench.subject.write_spec(), new_key())
        with strike(number) as has_struck:
            error = error_of(lambda handle=handle: backend.cancel(handle, "enough"))
            was_struck = has_struck()
        assert is_trouble(error) if error else not was_struck, f"call {number}: {error}"
        backend.cancel(handle, "enough")
        ended = until(lambda handle=handle: _ended(backend, handle))
        assert ended.state is JobState.CANCELLED
        if not was_struck:
            return
    raise AssertionError(f"more than {MOST_CALLS} calls")


def _ended(backend: Any, handle: JobHandle) -> JobReport | None:
    (report,) = backend.describe([handle])
    return report if report.state and report.state.is_terminal else None
