"""The reading side of google.logging.v2.LoggingServiceV2 over the lines that jobs wrote.

It exists because Batch keeps its logs there and nowhere else. Entries outlive their job, as they do on the
service. https://docs.cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from airflow_provider_jobs.backends.gcp_batch.emulator import log_entries, log_filter, log_values, paging
from airflow_provider_jobs.backends.gcp_batch.emulator import messages as pb
from airflow_provider_jobs.backends.gcp_batch.emulator.job_messages import JobRecord
from airflow_provider_jobs.backends.gcp_batch.emulator.names import Projects
from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.logstore import LogLine, LogQuery

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
MAX_PAGE_BYTES = 8 * 1024 * 1024
#: After so many lines looked at in one go, others get their turn.
_LINES_PER_TURN = 2000


class LoggingService:
    """The methods a reader of job logs needs."""

    def __init__(
        self, cloud: Cloud, *, projects: Projects, dialect: str, record_of: Callable[[str], JobRecord | None]
    ) -> None:
        self._cloud = cloud
        self._projects = projects
        self._dialect = dialect
        self._record_of = record_of

    async def list_log_entries(self, request: pb.ListLogEntriesRequest) -> pb.ListLogEntriesResponse:
        projects = self._containers(request.resource_names)
        if request.page_size < 0:
            raise StatusError("INVALID_ARGUMENT", "page_size must not be negative")
        size = min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        descending = _is_descending(request.order_by)
        tree = log_filter.parse(request.filter)
        query = replace(_bounds(tree), dialects=[self._dialect], descending=descending)
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
            self._cloud.logs.read(LogQuery(dialects=[self._dialect])),
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
            record = self._record_of(line.job_uid)
            if record is None or record.place.project not in projects:
                continue
            entry = log_entries.as_dict(line, record, project=record.place.project)
            if log_filter.matches(tree, entry):
                yield line, entry

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


def _bounds(tree: log_filter.Node) -> LogQuery:
    """What the store's index can do of the filter; the filter itself still decides."""
    query = LogQuery()
    for term in log_filter.conjuncts(tree):
        if uids := _job_uids(term):
            query = replace(query, job_uids=uids)
        if not isinstance(term, log_filter.Comparison) or term.path != ("timestamp",):
            continue
        if term.operator in (">", ">=", "="):
            query = replace(query, from_ns=max(log_values.nanoseconds(term.value), query.from_ns or 0))
        if term.operator in ("<", "<=", "="):
            upper = log_values.nanoseconds(term.value)
            query = replace(query, to_ns=upper if query.to_ns is None else min(upper, query.to_ns))
    return query


def _job_uids(term: log_filter.Node) -> list[str]:
    """The uids that a term asks for by equality, alone or as alternatives; empty when it asks otherwise."""
    alternatives = term.terms if isinstance(term, log_filter.AnyOf) else (term,)
    found = []
    for alternative in alternatives:
        if not isinstance(alternative, log_filter.Comparison):
            return []
        if alternative.path != ("labels", "job_uid") or alternative.operator != "=":
            return []
        found.append(alternative.value.lower())
    return found
