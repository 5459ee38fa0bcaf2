"""Lists, their pages, and watches.

It exists so that a list, its pages and the watch that follows tell one story by resource versions. It must
not change anything. https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from airflow_provider_jobs.backends.kubernetes.emulator import answers, selection, statuses
from airflow_provider_jobs.backends.kubernetes.emulator.requests import Call
from airflow_provider_jobs.backends.kubernetes.emulator.resources import EVENTS, NEW_EVENTS, ResourceType
from airflow_provider_jobs.backends.kubernetes.emulator.selection import Matcher
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import ApiError
from airflow_provider_jobs.backends.kubernetes.emulator.store import Change, Object, Store

#: A quiet watch that allows it gets a bookmark so often, and one before its time is over.
_BOOKMARK_SECONDS, _BEFORE_END_SECONDS = 60.0, 2.0
#: How long a watch lasts that names no time: between once and twice this.
_MIN_WATCH_SECONDS = 1800
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You must start a new "
    "list without the continue parameter."
)

Convert = Callable[[Object], Object]


class Lists:
    """Answers list and watch."""

    def __init__(self, store: Store, *, as_new_event: Convert) -> None:
        self._store = store
        self._as_new_event = as_new_event

    def select(self, call: Call) -> list[Object]:
        """The objects that a call's selectors leave, in order."""
        stored, convert = self._stored(call.kind)
        name = selection.named(call.query.get("fieldSelector", ""))
        matches = _matcher(call)
        if name is not None and (call.namespace or not call.kind.namespaced):
            found = self._store.get(stored, (call.namespace, name))
            listed = [found] if found is not None else []
        else:
            listed = self._candidates(call, stored)
        shown: Iterable[Object] = map(convert, listed) if convert else listed
        return [each for each in shown if matches is None or matches(each)]

    def _candidates(self, call: Call, stored: ResourceType) -> list[Object]:
        """The fewest objects that are easily found and among which all are that are selected."""
        query = call.query
        sets = selection.marks(query.get("labelSelector", ""), query.get("fieldSelector", ""), call.kind)
        if not sets:
            return self._store.all(stored, call.namespace)
        fewest = min(sets, key=lambda marks: self._store.count(stored, marks))
        return self._store.marked(stored, fewest, call.namespace)

    def list(self, call: Call) -> Response:
        """One page of a list. Raises ApiError (400, 410)."""
        limit = call.number("limit") or 0
        token = call.query.get("continue", "")
        if token:
            version, start = _opened(token)
            listed = self._store.snapshot(version)
            if listed is None:
                raise statuses.expired(_TOO_OLD)
        else:
            version, start = self._store.version, 0
            listed = self.select(call)
        self._check_version(call)
        meta: dict[str, Any] = {"resourceVersion": str(version)}
        page: Sequence[Object] = listed[start:]
        if limit and len(page) > limit:
            page = page[:limit]
            kept = version if token else self._store.keep_snapshot(listed)
            meta["continue"] = _closed(kept, start + limit)
            if not _matcher(call):
                meta["remainingItemCount"] = len(listed) - start - limit
        return answers.many(call, page, meta=meta)

    def _check_version(self, call: Call) -> None:
        wanted = _check_form(call)
        if wanted and int(wanted) > self._store.version:
            raise ApiError(
                "Timeout",
                f"Too large resource version: {wanted}, current: {self._store.version}",
                details={"causes": [
                    {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
                ], "retryAfterSeconds": 1},
            )  # fmt: skip

    def _stored(self, kind: ResourceType) -> tuple[ResourceType, Convert | None]:
        return (EVENTS, self._as_new_event) if kind is NEW_EVENTS else (kind, None)

    def watch(self, call: Call) -> Response:
        """A stream of changes. Raises ApiError (400) before it begins; later errors are events.

        A version of the future is waited for, unlike with a list:
        https://kubernetes.io/docs/reference/using-api/api-concepts/#unavailable-resource-versions
        """
        _matcher(call)
        _check_form(call)
        seconds = call.number("timeoutSeconds")
        if not seconds:
            seconds = int(_MIN_WATCH_SECONDS * (1 + random.random()))  # noqa: S311 - spreads reconnects
        lines = self._lines(call, seconds=seconds)
        return StreamingResponse(lines, 200, answers.headers(), "application/json")

    async def _lines(self, call: Call, *, seconds: int) -> AsyncIterator[bytes]:
        """The lines of a watch until its time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        wanted = call.query.get("resourceVersion", "")
        initial = call.flag("sendInitialEvents")
        if initial or wanted in ("", "0"):
            position, present = self._store.version, self.select(call)
            began = [
                answers.watch_event(call, "ADDED", found=each, first=not number)
                for number, each in enumerate(present)
            ]
            if initial and call.flag("allowWatchBookmarks"):
                began.append(answers.bookmark(call, position, initial=True))
            yield b"".join(began)
        else:
            position, present = int(wanted), []
        stored, convert = self._stored(call.kind)
        told = _Told(call, stored, convert=convert, headed=bool(present))
        marks = _marks(loop.time(), end) if call.flag("allowWatchBookmarks") else []
        while (now := loop.time()) < end:
            try:
                changes = self._store.since(position)
            except ApiError as error:
                yield answers.watch_error(error)
                return
            if changes:
                position = changes[-1].version
                if text := told.lines(changes):
                    yield text
                continue
            if marks and marks[0] <= now:
                marks.pop(0)
                yield answers.bookmark(call, position)
                continue
            await _wait(self._store, position, until=min([end, *marks[:1]]) - now)


class _Told:
    """Changes as they look through the selectors of one watch."""

    def __init__(self, call: Call, stored: ResourceType, *, convert: Convert | None, headed: bool) -> None:
        self._call = call
        self._stored = stored
        self._convert = convert
        self._matches = _matcher(call)
        self._headed = headed

    def lines(self, changes: Sequence[Change]) -> bytes:
        return b"".join(map(self._line, changes))

    def _line(self, change: Change) -> bytes:
        call, matches, convert = self._call, self._matches, self._convert
        if change.kind is not self._stored or call.namespace not in ("", change.after.namespace):
            return b""
        after = convert(change.after) if convert else change.after
        before = convert(change.before) if convert and change.before else change.before
        now = change.type != "DELETED" and (matches is None or matches(after))
        then = before is not None and (matches is None or matches(before))
        if not now and not then:
            return b""
        type_ = "DELETED" if not now else "MODIFIED" if then else "ADDED"
        if before is not None and not now:
            # What left the selection is told as it was in it, with the version at which it left:
            # staging/src/k8s.io/apiserver/pkg/storage/cacher/cache_watcher.go
            after = before.with_meta(resourceVersion=after.meta["resourceVersion"])
        first, self._headed = not self._headed, True
        return answers.watch_event(call, type_, found=after, first=first)


def _matcher(call: Call) -> Matcher | None:
    return selection.matcher(
        call.kind,
        label_text=call.query.get("labelSelector", ""),
        field_text=call.query.get("fieldSelector", ""),
    )


def _check_form(call: Call) -> str:
    """The version that a call names. Raises ApiError (400)."""
    wanted = call.query.get("resourceVersion", "")
    if wanted and not wanted.isdigit():
        raise statuses.bad_request(f"Invalid value: {json.dumps(wanted)}: strconv.ParseUint: invalid syntax")
    return wanted


def _marks(now: float, end: float) -> list[float]:
    """When bookmarks are due."""
    count = int((end - now) // _BOOKMARK_SECONDS)
    regular = [now + _BOOKMARK_SECONDS * (n + 1) for n in range(count)]
    return [*regular, max(now, end - _BEFORE_END_SECONDS)]


async def _wait(store: Store, position: int, *, until: float) -> None:
    """Wait for a change after a version, or until so many seconds are over."""
    changed = asyncio.ensure_future(store.changed(position))
    try:
        await asyncio.wait({changed}, timeout=max(0.0, until))
    finally:
        changed.cancel()


def _closed(version: int, start: int) -> str:
    """A continue token: the version of the list and where the next page begins."""
    content = {"v": "meta.k8s.io/v1", "rv": version, "start": start}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _opened(token: str) -> tuple[int, int]:
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(content["rv"]), int(content["start"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise statuses.bad_request("continue key is not valid: illegal base64 data") from None
