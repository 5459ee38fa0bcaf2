"""What the hooks of Google's services share: Airflow's connection, the vendor's clients, and the logs.

Every call has a deadline and is sent once: repeating is the engine's business, or the caller's.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowException
from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
from google.api_core.future.polling import DEFAULT_POLLING
from google.api_core.operation import Operation
from google.api_core.retry import Retry
from google.auth.credentials import Credentials
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.types import ListLogEntriesRequest, LogEntry

from airflow_provider_jobs.core.errors import AccessDenied, InvalidArgument, JobsError, TransientError
from airflow_provider_jobs.google_cloud.clients import KEEPALIVE_SECONDS, Clients
from airflow_provider_jobs.google_cloud.errors import VENDOR_EXCEPTIONS, Service, to_error
from airflow_provider_jobs.google_cloud.paging import Page, all_pages
from airflow_provider_jobs.hooks.base import Endpoint, known_connection, read_endpoint, translated

DEADLINE_SECONDS = 30.0
MAX_PAGE = 1000
_POLLING = DEFAULT_POLLING.with_delay(initial=0.2, maximum=5.0)


class GoogleCloudHook(GoogleBaseHook):
    """Talks to a service of Google Cloud and to Cloud Logging with one of Airflow's Google connections.

    Credentials are Airflow's own for Google: default credentials, a key file, a key as JSON, and an
    impersonation chain. Two fields of the connection's extra are added: ``endpoint`` is where the service
    and Cloud Logging are reached instead of their public addresses, ``http://`` for plain text without
    credentials; ``logging_endpoint`` is that of Cloud Logging alone, where it differs.

    Every method raises errors of :mod:`airflow_provider_jobs.core.errors`. May be used from several threads.

    :cvar service: what the advice in errors must know
    :param gcp_conn_id: the connection
    :param impersonation_chain: the service account to act as, or the chain that leads to it
    :param deadline_seconds: how long one call may last
    """

    service: ClassVar[Service]

    conn_name_attr = "gcp_conn_id"
    default_conn_name = "google_cloud_default"

    def __init__(
        self,
        gcp_conn_id: str = default_conn_name,
        impersonation_chain: str | Sequence[str] | None = None,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        **kwargs: Any,
    ) -> None:
        with known_connection(gcp_conn_id, argument="gcp_conn_id"):
            super().__init__(gcp_conn_id=gcp_conn_id, impersonation_chain=impersonation_chain, **kwargs)
        self.deadline_seconds = deadline_seconds
        self.endpoint = read_endpoint(self._get_field("endpoint"), conn_id=gcp_conn_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(gcp_conn_id={self.gcp_conn_id!r})"

    @cached_property
    def clients(self) -> Clients:
        """The vendor's clients."""
        logging = read_endpoint(self._get_field("logging_endpoint"), conn_id=self.gcp_conn_id)
        return Clients(
            self._checked_credentials,
            self.endpoint,
            exceptions={LoggingServiceV2Client: logging or self.endpoint},
            deadline_seconds=self.deadline_seconds,
            keepalive_seconds=min(KEEPALIVE_SECONDS, self.deadline_seconds),
        )

    @property
    def project_id(self) -> str:
        """The connection's project, or that of its credentials.

        :raises InvalidArgument: neither names one
        """
        project = self._get_field("project")
        if not project and not _is_plain(self.endpoint):
            self._checked_credentials()
            project = self._cached_project_id
        if not project:
            raise InvalidArgument(
                "project_id",
                f"neither the task nor connection {self.gcp_conn_id!r} names a project",
                remedy="Give project_id, or set the project in the connection",
            )
        return str(project)

    def parent(self, project_id: str | None, region: str) -> str:
        """Return the name of what holds the jobs of a region."""
        return f"projects/{project_id or self.project_id}/locations/{region}"

    def translate(self, error: Exception, *, call: str) -> JobsError:
        """Return our error for an exception of Google's clients."""
        endpoint = str(self.endpoint) if self.endpoint else None
        return to_error(error, call=call, service=self.service, endpoint=endpoint)

    @translated(*VENDOR_EXCEPTIONS)
    def list_log_entries(
        self, project_id: str, query: str, *, page_size: int = MAX_PAGE, page_token: str = ""
    ) -> Page[LogEntry]:
        """Return one page of log entries, oldest first, in one call.

        The service allows 60 of these calls per minute and project:
        https://cloud.google.com/logging/quotas#api-limits
        """
        request = ListLogEntriesRequest(
            resource_names=[f"projects/{project_id}"],
            filter=query,
            order_by="timestamp asc",
            page_size=page_size,
            page_token=page_token,
        )
        client = self.clients.of(LoggingServiceV2Client)
        pager = client.list_log_entries(request, retry=None, timeout=self.deadline_seconds)
        answer = next(pager.pages)
        return Page(answer.entries, answer.next_page_token)

    def log_entries(self, project_id: str, query: str) -> Iterator[LogEntry]:
        """Yield all log entries of a query, oldest first, page after page as they are asked for."""
        return all_pages(lambda token: self.list_log_entries(project_id, query, page_token=token))

    def _checked_credentials(self) -> Credentials:
        """Return the credentials; whatever is wrong with them is said without a word of what they hold."""
        try:
            return self.get_credentials()
        except VENDOR_EXCEPTIONS as error:
            raise self.translate(error, call="credentials") from error
        except (AirflowException, ValueError, OSError) as error:
            raise AccessDenied(
                f"the credentials of connection {self.gcp_conn_id!r} cannot be read ({type(error).__name__})",
                advice="Check its key path, keyfile JSON and impersonation chain",
            ) from error


def field_mask(fields: str | None) -> tuple[tuple[str, str], ...]:
    """Return the header that asks for some fields: https://cloud.google.com/apis/docs/system-parameters"""
    return (("x-goog-fieldmask", fields),) if fields else ()


def finish(operation: Operation, what: str, *, timeout_seconds: float) -> Any:
    """Return the result of a long-running operation once there is one.

    :param what: says what is going on where it takes too long
    :raises TransientError: it is still going on after that time
    """
    # The vendor's own patience with a service in trouble would be ten minutes for each look.
    patience = Retry(initial=0.2, maximum=5.0, timeout=timeout_seconds)
    try:
        return operation.result(timeout=timeout_seconds, retry=patience, polling=_POLLING)
    except concurrent.futures.TimeoutError:
        raise TransientError(f"{what} after {timeout_seconds:g} seconds") from None


def _is_plain(endpoint: Endpoint | None) -> bool:
    return endpoint is not None and not endpoint.secure
