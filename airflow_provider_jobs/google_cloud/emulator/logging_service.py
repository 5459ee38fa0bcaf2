"""The reading side of google.logging.v2.LoggingServiceV2 over the lines that jobs wrote.

It exists because Google's job services keep their logs there and nowhere else. Entries outlive their job, as
they do on the service. https://docs.cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.logstore import LogLine, LogQuery
from airflow_provider_jobs.google_cloud.emulator import log_entries, log_filter, log_values, paging
from airflow_provider_jobs.google_cloud.emulator import messages as pb
from airflow_provider_jobs.google_cloud.emulator.names import Projects

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
MAX_PAGE_BYTES = 8 * 1024 * 1024
#: After so many lines looked at in one go, others get their turn.
_LINES_PER_TURN = 2000


class EntrySource(Protocol):
    """What a dialect knows of the entries that its lines become."""

    def entry(self, line: LogLine, projects: Collection[str]) -> dict[str, Any] | None:
        """The line as ``log_entries.entry`` makes it; None when it belongs to no job of these projects."""

    def job_uids(self, path: tuple[str, ...], value: str) -> Sequence[str] | None:
        """The dialect's jobs whose entries can have this value in this field, whatever its case.

        None when it cannot tell without looking at the lines.
        """


class LoggingService:
    """The methods a reader of job logs needs, over the lines of every dialect that has registered."""

    def __init__(self, cloud: Cloud, *, projects: Projects) -> None:
        self._cloud = cloud
        self._projects = projects
        self._sources: dict[str, EntrySource] = {}

    def register(self, dialect: str, source: EntrySource) -> None:
        """From now on serve the lines of this dialect."""
        self._sources[dialect] = source

    async def list_log_entries(self, request: pb.ListLogEntriesRequest) -> pb.ListLogEntriesResponse:
        projects = self._containers(request.resource_names)
        if request.page_size < 0:
            raise StatusError("INVALID_ARGUMENT", "page_size must not be negative")
        size = min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        descending = _is_descending(request.order_by)
        tree = log_filter.parse(request.filter)
        query = replace(self._bounds(tree), descending=descending)
        context = (*sorted(projects), request.filter, request.order_by)
        if request.page_token:
            place = paging.position(request.page_token, context)
            query = _continued(query, place)
        response = pb.ListLogEntriesResponse()
        used, last = 0, 0
        lines = self._cloud.logs.read(query)
        async for line, entry in self._matching(lines, tree=tree, projects=projects):
            if len(response.entries) == size or used > MAX_PAGE_BYTES:
                response.next_page_token = paging.make_token(last, context)
                break
            response.entries.append(log_entries.message(entry))
            used += len(line.text)
            last = line.written_ns
        return response

    async def list_logs(self, request: pb.ListLogsRequest) -> pb.ListLogsResponse:
        projects = self._containers([*request.resource_names, request.parent] if request.parent else [])
        names: set[str] = set()
        async for _, entry in self._matching(
            self._cloud.logs.read(LogQuery(dialects=list(self._sources))),
            tree=log_filter.All(()),
            projects=projects,
        ):
            names.add(entry["logName"])
        found, token = paging.page(
            sorted(names), size=request.page_size, token=request.page_token, context=(request.parent,)
        )
        return pb.ListLogsResponse(log_names=found, next_page_token=token)

    async def _matching(self, lines: Iterator[LogLine], *, tree: log_filter.Node, projects: set[str]) -> Any:
        """The entries that match, with their lines. Lets others work from time to time."""
        for count, line in enumerate(lines, start=1):
            if count % _LINES_PER_TURN == 0:
                await asyncio.sleep(0)
            entry = self._sources[line.dialect].entry(line, projects)
            if entry is not None and log_filter.matches(tree, entry):
                yield line, entry

    def _bounds(self, tree: log_filter.Node) -> LogQuery:
        """What the store's index can do of the filter; the filter itself still decides."""
        query = LogQuery(dialects=list(self._sources))
        for term in log_filter.conjuncts(tree):
            uids = self._job_uids(term)
            if uids is not None:
                known = uids if query.job_uids is None else uids & set(query.job_uids)
                query = replace(query, job_uids=sorted(known))
            if isinstance(term, log_filter.Comparison) and term.path == ("timestamp",):
                query = _within(query, term)
        return query

    def _job_uids(self, term: log_filter.Node) -> set[str] | None:
        """The jobs that a term asks for by equality, alone or as alternatives; None when it may be others."""
        if isinstance(term, log_filter.All):
            asked = [uids for each in term.terms if (uids := self._job_uids(each)) is not None]
            return set.intersection(*asked) if asked else None
        if isinstance(term, log_filter.AnyOf):
            found: set[str] = set()
            for alternative in term.terms:
                uids = self._job_uids(alternative)
                if uids is None:
                    return None
                found |= uids
            return found
        if not isinstance(term, log_filter.Comparison) or term.operator != "=":
            return None
        told = [source.job_uids(term.path, term.value) for source in self._sources.values()]
        return None if None in told else {uid for uids in told for uid in uids or ()}

    def _containers(self, names: Iterable[str]) -> set[str]:
        """The projects that were asked for. Raises StatusError when there is none or a name is none."""
        found = set()
        for name in names:
            kind, _, rest = name.partition("/")
            if kind not in ("projects", "folders", "organizations", "billingAccounts") or not rest:
                raise StatusError("INVALID_ARGUMENT", f"Invalid resource name: {name}")
            if kind == "projects":
                found.add(self._projects.id(rest.partition("/")[0]))
        if not found:
            raise StatusError("INVALID_ARGUMENT", "At least one project must be given in resource_names")
        return found


def _is_descending(order_by: str) -> bool:
    order = " ".join(order_by.split())
    if order not in ("", "timestamp", "timestamp asc", "timestamp desc"):
        raise StatusError("INVALID_ARGUMENT", f"Invalid order_by: {order_by}")
    return order.endswith("desc")


def _continued(query: LogQuery, place: int) -> LogQuery:
    if query.descending:
        return replace(query, to_ns=min(place - 1, query.to_ns if query.to_ns is not None else place - 1))
    return replace(query, from_ns=max(place + 1, query.from_ns or 0))


def _within(query: LogQuery, term: log_filter.Comparison) -> LogQuery:
    """The query within the times that a comparison of the timestamp allows."""
    if term.operator in (">", ">=", "="):
        query = replace(query, from_ns=max(log_values.nanoseconds(term.value), query.from_ns or 0))
    if term.operator in ("<", "<=", "="):
        upper = log_values.nanoseconds(term.value)
        query = replace(query, to_ns=upper if query.to_ns is None else min(upper, query.to_ns))
    return query
