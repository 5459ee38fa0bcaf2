"""What the hook's calls are made of: the connection, the client, and how a request is sent once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import pendulum
from airflow.providers.microsoft.azure.hooks.batch import AzureBatchHook as OfficialAzureBatchHook
from azure.batch import BatchClient
from azure.core.pipeline import PipelineResponse
from azure.core.polling import LROPoller
from azure.core.rest import HttpRequest

from airflow_provider_jobs.backends.azure_batch.clients import API_VERSION, Account
from airflow_provider_jobs.backends.azure_batch.errors import VENDOR_EXCEPTIONS, to_error
from airflow_provider_jobs.core.errors import JobsError, TransientError
from airflow_provider_jobs.core.moments import in_utc
from airflow_provider_jobs.hooks.base import known_connection

TIMEOUT_SECONDS = 30.0
MAX_PAGE = 1000


class BatchCalls(OfficialAzureBatchHook):
    """Reads the connection and sends requests."""

    conn_name_attr = "azure_batch_conn_id"
    default_conn_name = "azure_batch_default"

    def __init__(
        self,
        azure_batch_conn_id: str = default_conn_name,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(azure_batch_conn_id)
        with known_connection(azure_batch_conn_id, argument="azure_batch_conn_id"):
            connection = self.get_connection(azure_batch_conn_id)
        extra = connection.extra_dejson
        self.account = Account(
            azure_batch_conn_id,
            connection.login,
            connection.password,
            lambda name: self._get_field(extra, name),
        )
        self.account_url = self.account.url
        self.timeout_seconds = timeout_seconds
        self._client: BatchClient | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(azure_batch_conn_id={self.conn_id!r})"

    def get_conn(self) -> BatchClient:
        """Return the vendor's client, made at the first use and shared by all threads."""
        with self._lock:
            if self._client is None:
                self._client = self.account.client(timeout_seconds=self.timeout_seconds)
            return self._client

    @property
    def connection(self) -> BatchClient:
        """The vendor's client."""
        return self.get_conn()

    def translate(self, error: Exception, *, call: str) -> JobsError:
        """Return our error for an exception of Azure's clients."""
        return to_error(error, call=call, account_url=self.account_url)

    def _pages(self, call: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yield what a listing call of the client brings; each page is one request."""
        try:
            yield from getattr(self.connection, call)(*args, **kwargs)
        except VENDOR_EXCEPTIONS as error:
            raise self.translate(error, call=call) from error

    def _lists(self, call: str, *args: Any, **kwargs: Any) -> Iterator[list[Any]]:
        """Yield the pages of a listing call of the client, each asked for when it is needed."""
        try:
            for page in getattr(self.connection, call)(*args, **kwargs).by_page():
                yield list(page)
        except VENDOR_EXCEPTIONS as error:
            raise self.translate(error, call=call) from error

    def _send(
        self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Send a request through the client's own pipeline, which signs it and raises its errors.

        The answer is asked for as a stream and then read as a whole: otherwise the client would decode it by
        its type, and a file can be of any.
        """
        headers = {"Accept": "application/json", **(headers or {})}
        if json is not None:
            headers["Content-Type"] = "application/json; odata=minimalmetadata"
        request = HttpRequest(
            method,
            f"{self.account_url}{path}",
            params={"api-version": API_VERSION},
            json=json,
            headers=headers,
        )
        return self.connection.send_request(request, stream=True, raw_response_hook=_read_whole)


def _read_whole(response: PipelineResponse[Any, Any]) -> None:
    response.http_response.read()


def as_model(kind: type[Any], value: Any) -> Any:
    """Return the vendor's model of a value that may be the service's JSON."""
    return value if isinstance(value, kind) else kind(dict(value))


def listed(select: Sequence[str] | None) -> list[str] | None:
    """Return the fields to ask for as the client takes them."""
    return None if select is None else list(select)


def segment(text: str) -> str:
    """Return one segment of an address; the path of a file is one too."""
    return quote(text, safe="")


def moment(text: str | None) -> pendulum.DateTime | None:
    """Return the time in a header."""
    stamp: datetime | None = parsedate_to_datetime(text) if text else None
    return in_utc(stamp) if stamp else None


def finish(poller: LROPoller[Any], what: str, *, timeout_seconds: float) -> None:
    """Wait until the service is done.

    :raises TransientError: it is not after that time, or did not answer
    """
    poller.wait(timeout_seconds)
    if not poller.done():
        raise TransientError(f"{what} after {timeout_seconds:g} seconds")
    if poller.status() != "Succeeded":
        raise TransientError(f"{what}, and the service did not answer how far that is")
