"""Jobs that are watched: lists, all the ways in which watches end, and what is known meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pendulum
import pytest
from urllib3.response import BaseHTTPResponse, HTTPResponse

from airflow_provider_jobs.backends.kubernetes import informer as informer_module
from airflow_provider_jobs.backends.kubernetes.errors import ResourceVersionExpired
from airflow_provider_jobs.backends.kubernetes.hook import KubernetesJobHook
from airflow_provider_jobs.backends.kubernetes.informer import JobInformer
from airflow_provider_jobs.core.errors import AccessDenied, ThrottledError, UnavailableError
from tests.backends.kubernetes.api import NAME, condition, handle, job
from tests.backends.kubernetes.scripted_api import (
    Refused,
    ScriptedApi,
    Watched,
    bookmark,
    event,
    scripted_api,
    status,
)

Json = dict[str, Any]
Open = Callable[..., tuple[JobInformer, ScriptedApi]]

ID = f"ml/{NAME}"
FORGOTTEN = event("ERROR", status(410, "Expired"))


def at(version: int, *conditions: Json, name: str = NAME, **values: Any) -> Json:
    """Return a Job in a state and of a version."""
    made = job(*conditions, **values)
    made["metadata"] |= {"name": name, "resourceVersion": str(version), "uid": f"uid-{name}"}
    return made


WAITS = at(1)
RUNS = at(103, active=1, ready=1)
ENDED = at(104, condition("Complete"), succeeded=1)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Yield what makes an informer on an API server with a script."""
    entered = []

    def open_(
        lists: Sequence[list[Json] | Refused],
        watches: Sequence[Watched | Refused],
        *,
        tls_in: Path | None = None,
        deadline_seconds: float = 30,
        **values: Any,
    ) -> tuple[JobInformer, ScriptedApi]:
        entered.append(context := scripted_api(lists=lists, watches=watches, tls_in=tls_in))
        script = context.__enter__()
        extra = {"kube_config": script.config, "namespace": "ml"}
        monkeypatch.setenv("AIRFLOW_CONN_SCRIPTED", json.dumps({"conn_type": "kubernetes", "extra": extra}))
        hook = KubernetesJobHook("scripted", deadline_seconds=deadline_seconds)
        hooks.append(hook)
        return JobInformer(hook, **values), script

    hooks: list[KubernetesJobHook] = []
    yield open_
    for hook in hooks:
        hook.api_client.rest_client.pool_manager.clear()
    for context in entered:
        context.__exit__(None, None, None)


def native_ids(watch: Iterator[list[str]]) -> list[str]:
    """Return all that a watch yields until it ends."""
    return [native_id for bunch in watch for native_id in bunch]


class TestAWatch:
    def test_it_tells_what_was_there_before_and_then_what_changes(self, opened: Open) -> None:
        lines = [event("MODIFIED", RUNS), event("ADDED", at(105, name="d-t-new")), event("MODIFIED", ENDED)]
        informer, script = opened([[WAITS]], [Watched(lines, then="break")])
        watch = informer.watch()
        told = filter(None, watch)
        assert [next(told) for _ in range(4)] == [[ID], [ID], ["ml/d-t-new"], [ID]]
        assert [query["labelSelector"] for query in script.asked] == ["airflow-job-key"] * 2
        assert (script.asked[0]["limit"], script.asked[1]["allowWatchBookmarks"]) == ("500", "True")
        watch.close()

    def test_a_change_that_no_report_shows_is_not_told(self, opened: Open) -> None:
        relabelled = at(102)
        relabelled["metadata"]["labels"] = {"a": "b"}
        relabelled["status"]["conditions"] = [condition("Suspended", status="False")]
        informer, _ = opened([[WAITS]], [Watched([event("MODIFIED", relabelled)]), Watched()])
        assert native_ids(informer.watch()) == [ID]

    def test_one_that_ends_in_time_is_followed_by_another_from_where_it_was(self, opened: Open) -> None:
        informer, script = opened(
            [[WAITS]], [Watched([event("MODIFIED", RUNS)]), Watched([bookmark(177)]), Watched()]
        )
        assert native_ids(informer.watch()) == [ID, ID]
        assert script.watched_from == ["100", "103", "177"]
        assert script.listed == 1

    def test_whoever_reads_it_can_look_whether_it_is_still_wanted(self, opened: Open) -> None:
        informer, script = opened([[]], [Watched(then="silence")])
        watch = informer.watch()
        assert next(watch) == []
        watch.close()
        assert script.watched_from == ["100"]

    def test_a_server_that_ends_all_watches_at_once_is_left_alone(self, opened: Open) -> None:
        informer, script = opened([[]], [Watched(), Watched()])
        assert native_ids(informer.watch()) == []
        assert native_ids(informer.watch()) == []
        assert script.watched_from == ["100", "100"]

    @pytest.mark.parametrize("forgotten", [Watched([FORGOTTEN]), Refused(410, "Gone")])
    def test_a_version_that_is_forgotten_is_followed_by_a_list(
        self, opened: Open, forgotten: Watched | Refused
    ) -> None:
        informer, script = opened(
            [[WAITS, at(2, name="d-t-gone")], [ENDED]],
            [Watched([bookmark(150)]), forgotten, Watched(then="break")],
        )
        watch = informer.watch()
        told = filter(None, watch)
        assert [next(told), next(told), next(told)] == [[ID, "ml/d-t-gone"], [ID], ["ml/d-t-gone"]]
        with pytest.raises(UnavailableError):
            next(told)
        assert script.watched_from == ["100", "150", "200"]

    def test_a_server_that_forgets_at_once_is_not_asked_over_and_over(self, opened: Open) -> None:
        informer, script = opened([[], []], [Watched([FORGOTTEN])] * 2)
        for _ in range(2):
            with pytest.raises(ResourceVersionExpired):
                native_ids(informer.watch())
        assert script.listed == 2

    def test_what_was_missed_is_found_by_the_list_that_is_made_every_now_and_then(self, opened: Open) -> None:
        informer, script = opened(
            [[WAITS, at(2, name="d-t-gone")], [ENDED], Refused(503, "ServiceUnavailable")],
            [Watched(), Watched()],
            resync_seconds=0,
        )
        watch = informer.watch()
        told = filter(None, watch)
        assert [next(told), next(told), next(told)] == [[ID, "ml/d-t-gone"], [ID], ["ml/d-t-gone"]]
        with pytest.raises(UnavailableError):
            next(told)
        assert script.watched_from == ["100", "200"]

    def test_further_pages_of_the_list_are_asked_for(self, opened: Open) -> None:
        informer, script = opened([[WAITS], [RUNS]], [Watched()])
        pages = iter(["more", ""])
        read = informer._hook.list_jobs_page

        def in_pages(**options: Any) -> Any:
            page = read(**options)
            return type(page)(page.items, next(pages), page.resource_version)

        informer._hook.list_jobs_page = in_pages  # type: ignore[method-assign]
        assert native_ids(informer.watch()) == [ID, ID]
        assert script.asked[1]["continue"] == "more"


class TestTrouble:
    def test_a_connection_that_breaks_off_is_told_and_the_next_watch_goes_on_there(
        self, opened: Open
    ) -> None:
        informer, script = opened(
            [[WAITS]], [Watched([event("MODIFIED", RUNS)], then="break"), Watched([event("MODIFIED", ENDED)])]
        )
        script.watches.append(Watched())
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
            native_ids(informer.watch())
        assert informer.known([handle()]) == {}
        assert native_ids(informer.watch()) == [ID]
        assert script.watched_from == ["100", "103", "104"]
        assert script.listed == 1

    def test_a_connection_that_is_silent_beyond_the_time_of_the_watch_is_given_up(self, opened: Open) -> None:
        informer, _ = opened([[WAITS]], [Watched(then="silence")], watch_seconds=1, deadline_seconds=0.2)
        with pytest.raises(UnavailableError, match="Read timed out"):
            native_ids(informer.watch())

    def test_a_server_that_was_away_is_asked_for_all_jobs_once_more(self, opened: Open) -> None:
        informer, script = opened(
            [[WAITS], []], [Watched([bookmark(900)]), Refused(503, "ServiceUnavailable"), Watched()]
        )
        with pytest.raises(UnavailableError):
            native_ids(informer.watch())
        assert native_ids(informer.watch()) == [ID]
        assert script.watched_from == ["100", "900", "200"]

    @pytest.mark.parametrize(
        ("answer", "error", "message"),
        [
            (Watched([event("ERROR", status(500, "InternalError"))]), UnavailableError, "InternalError!"),
            (Watched([event("ERROR", status(429, "TooManyRequests"))]), ThrottledError, "TooManyRequests!"),
            (Refused(429, "TooManyRequests"), ThrottledError, "TooManyRequests!"),
            (Watched(["<html>"]), UnavailableError, "the answer to a watch is none"),
            (Watched(['{"type": "ADDED"}']), UnavailableError, "the answer to a watch is none"),
        ],
    )
    def test_the_service_says_what_is_wrong(
        self, opened: Open, answer: Watched | Refused, error: type[Exception], message: str
    ) -> None:
        informer, _ = opened([[]], [answer])
        with pytest.raises(error, match=message):
            native_ids(informer.watch())

    @pytest.mark.parametrize(
        ("lists", "watches"),
        [([[WAITS]], [Refused(403, "Forbidden")]), ([Refused(403, "Forbidden")], [])],
    )
    def test_without_the_right_to_it_nothing_is_known(
        self, opened: Open, lists: list[Any], watches: list[Any]
    ) -> None:
        informer, _ = opened(lists, watches)
        with pytest.raises(AccessDenied):
            native_ids(informer.watch())
        assert informer.known([handle()]) == {}
        assert len(informer.cache) == 0


class TestStopping:
    @pytest.mark.parametrize("how", ["plain", "over TLS", "urllib3 below 2.3"])
    def test_a_watch_that_hears_nothing_ends_at_once(
        self, opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
    ) -> None:
        if how == "urllib3 below 2.3":
            for each in (HTTPResponse, BaseHTTPResponse):
                monkeypatch.delattr(each, "shutdown", raising=False)
        told: list[str] = []
        informer, script = opened(
            [[WAITS]],
            [Watched([event("MODIFIED", RUNS)], then="silence")],
            tls_in=tmp_path if how == "over TLS" else None,
        )

        def listen() -> None:
            for bunch in informer.watch():
                told.extend(bunch)

        thread = threading.Thread(target=listen)
        thread.start()
        assert script.is_silent.wait(30)
        while told != [ID, ID]:
            pass
        informer.stop()
        informer.stop()
        thread.join(20)
        assert not thread.is_alive()
        assert informer.known([handle()]) == {}

    def test_one_that_was_stopped_before_it_began_asks_for_nothing(self, opened: Open) -> None:
        informer, script = opened([], [])
        watch = informer.watch()
        informer.stop()
        assert native_ids(watch) == []
        assert script.asked == []

    def test_it_can_be_begun_again(self, opened: Open) -> None:
        informer, script = opened([[WAITS]], [Watched([event("MODIFIED", RUNS)])])
        watch = informer.watch()
        told = filter(None, watch)
        next(told)
        informer.stop()
        assert native_ids(watch) == []
        assert script.watched_from == []
        watch = informer.watch()
        told = filter(None, watch)
        assert next(told) == [ID]
        assert script.watched_from == ["100"]
        watch.close()


class TestWhatIsKnown:
    def test_a_job_is_known_from_the_list_on_until_the_watch_ends(self, opened: Open) -> None:
        informer, _ = opened([[WAITS]], [Watched([event("MODIFIED", RUNS)], then="break")])
        watch = informer.watch()
        told = filter(None, watch)
        assert informer.known([handle()]) == {}
        next(told)
        next(told)
        assert informer.known([handle()])[ID]["status"]["ready"] == 1
        watch.close()
        assert informer.known([handle()]) == {}

    def test_a_deleted_job_is_not_known(self, opened: Open) -> None:
        informer, _ = opened([[WAITS]], [Watched([event("DELETED", ENDED)], then="break")])
        watch = informer.watch()
        told = filter(None, watch)
        assert [next(told), next(told)] == [[ID], [ID]]
        assert informer.known([handle()]) == {}
        watch.close()

    def test_another_job_of_the_same_name_is_not_taken_for_it(self, opened: Open) -> None:
        informer, _ = opened([[WAITS]], [Watched([event("MODIFIED", ENDED)], then="break")])
        watch = informer.watch()
        told = filter(None, watch)
        assert [next(told), next(told)] == [[ID], [ID]]
        later = handle().model_copy(update={"submitted_at": pendulum.datetime(2030, 1, 2)})
        assert informer.known([later]) == {}
        assert list(informer.known([handle()])) == [ID]
        watch.close()

    def test_nothing_is_known_any_more_when_nobody_has_read_the_watch_for_too_long(
        self, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        informer, _ = opened([[WAITS]], [Watched([event("MODIFIED", RUNS)], then="break")])
        watch = informer.watch()
        told = filter(None, watch)
        assert [next(told), next(told)] == [[ID], [ID]]
        assert informer.known([handle()])
        monkeypatch.setattr(informer_module, "_LATE_SECONDS", -informer_module.WATCH_SECONDS)
        assert informer.known([handle()]) == {}
        watch.close()
