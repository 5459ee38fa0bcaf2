"""The pods of many jobs in few calls: small jobs together, large ones a page at a time.

Our label stands on every pod, so one selector names the pods of many jobs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_jobs.backends.kubernetes.connection import PAGE_SIZE, all_items
from airflow_provider_jobs.backends.kubernetes.errors import ResourceVersionExpired
from airflow_provider_jobs.backends.kubernetes.hook import KubernetesJobHook
from airflow_provider_jobs.backends.kubernetes.pods import of_latest_owner
from airflow_provider_jobs.backends.kubernetes.request import KEY_LABEL, digest_of
from airflow_provider_jobs.core.models import JobHandle

T = TypeVar("T")
Json = dict[str, Any]

# Some proxies take no address beyond 8 KiB, and a digest takes 19 bytes of it.
MAX_SELECTED = 200
RUNNING = "status.phase=Running"
NOT_PENDING = "status.phase!=Pending"
FAILED = "status.phase=Failed"


@dataclass(frozen=True)
class Listed:
    """Pods of one job.

    :param is_whole: whether these are all of them
    :param next_token: where to go on, empty where the list was gone through
    """

    pods: list[Json]
    is_whole: bool = True
    next_token: str = ""


def selector(handles: Iterable[JobHandle]) -> str:
    """Return the selector of the Jobs, and of the pods, of these handles."""
    return f"{KEY_LABEL} in ({','.join(sorted(digest_of(handle.name) for handle in handles))})"


class PodLists:
    """Lists pods. Holds no state of its own."""

    def __init__(self, hook: KubernetesJobHook) -> None:
        self._hook = hook

    def of_jobs(self, wanted: Sequence[tuple[T, JobHandle, str]]) -> Iterator[tuple[T, Listed]]:
        """Yield the pods of every job.

        :param wanted: whose pods, the job, and the token to go on from
        """
        small: list[tuple[T, JobHandle]] = []
        for who, handle, token in wanted:
            if handle.size > PAGE_SIZE:
                yield who, self._of_large(handle, token)
            else:
                small.append((who, handle))
        for group in _groups(small):
            found = self._by_digest([handle for _, handle in group])
            for who, handle in group:
                yield who, Listed(of_latest_owner(found.get(digest_of(handle.name), [])))

    def some(self, handles: Sequence[JobHandle], phase: str) -> dict[str, Listed]:
        """Return pods of these jobs by their native id, in one call; where there are many, not all.

        :param phase: a selector of the pods' phase
        """
        page = self._hook.list_pods_page(label_selector=selector(handles), field_selector=phase)
        found = _by_label(page.items)
        is_whole = not page.next_token
        return {
            handle.native_id: Listed(of_latest_owner(found.get(digest_of(handle.name), [])), is_whole)
            for handle in handles
        }

    def _by_digest(self, handles: Sequence[JobHandle]) -> dict[str, list[Json]]:
        return _by_label(all_items(self._hook.list_pods_page, label_selector=selector(handles)))

    def _of_large(self, handle: JobHandle, token: str) -> Listed:
        """Return the pods that run, and one page of all, so that none is missed for long."""
        label = selector([handle])
        read = self._hook.list_pods_page
        try:
            page = read(label_selector=label, page_size=PAGE_SIZE, page_token=token)
        except ResourceVersionExpired:
            page = read(label_selector=label, page_size=PAGE_SIZE)
            token = ""
        is_whole = not token and not page.next_token
        pods = {pod["metadata"]["name"]: pod for pod in page.items}
        if not is_whole:
            running = read(label_selector=label, field_selector=RUNNING)
            pods = {**{pod["metadata"]["name"]: pod for pod in running.items}, **pods}
        return Listed(list(pods.values()), is_whole=is_whole, next_token=page.next_token)


def _by_label(pods: Iterable[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for pod in pods:
        found[pod["metadata"].get("labels", {}).get(KEY_LABEL, "")].append(pod)
    return found


def _groups(wanted: Sequence[tuple[T, JobHandle]]) -> Iterator[list[tuple[T, JobHandle]]]:
    """Yield groups whose pods fit one page, where every index has one."""
    group: list[tuple[T, JobHandle]] = []
    room = PAGE_SIZE
    for who, handle in wanted:
        if group and (handle.size > room or len(group) >= MAX_SELECTED):
            yield group
            group, room = [], PAGE_SIZE
        group.append((who, handle))
        room -= handle.size
    if group:
        yield group
