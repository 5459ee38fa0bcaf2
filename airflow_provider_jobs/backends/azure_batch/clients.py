"""The account that a connection names, and the vendor's client for it.

It decides how the service is reached and as whom, and makes no call itself.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
from azure.core.pipeline.policies import RetryPolicy, SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from requests.adapters import HTTPAdapter

from airflow_provider_jobs import __version__
from airflow_provider_jobs.core.errors import InvalidArgument

API_VERSION = "2025-06-01"
# How often the vendor's own waiting for a pool or a job asks.
POLLING_SECONDS = 1
MAX_CONNECTIONS = 32


@dataclass(frozen=True)
class AzureCloud:
    """One of Microsoft's clouds.

    :param suffix: how the addresses of its Batch accounts end
    :param scope: what a token must be for
    """

    suffix: str
    scope: str
    portal: str
    authority: str


# https://learn.microsoft.com/azure/batch/batch-aad-auth and the endpoints of the sovereign clouds.
PUBLIC_CLOUD = AzureCloud(
    ".batch.azure.com",
    "https://batch.core.windows.net//.default",
    "https://portal.azure.com",
    "login.microsoftonline.com",
)
_CLOUDS = (
    PUBLIC_CLOUD,
    AzureCloud(
        ".batch.chinacloudapi.cn",
        "https://batch.chinacloudapi.cn/.default",
        "https://portal.azure.cn",
        "login.chinacloudapi.cn",
    ),
    AzureCloud(
        ".batch.usgovcloudapi.net",
        "https://batch.core.usgovcloudapi.net/.default",
        "https://portal.azure.us",
        "login.microsoftonline.us",
    ),
)


@dataclass(frozen=True)
class Account:
    """A Batch account as a connection names it.

    :param conn_id: the connection, for messages
    :param field: reads a field of its extra
    """

    conn_id: str
    login: str | None
    password: str | None
    field: Callable[[str], Any]

    @property
    def url(self) -> str:
        """Where the account is reached, without a slash at its end.

        :raises InvalidArgument: it is not given, no address, or plain text on a network
        """
        text = str(self.field("account_url") or "").rstrip("/")
        if not text:
            raise self._refused("account_url", "the extra names no account", _URL_REMEDY)
        try:
            url = urlsplit(text)
            _ = url.port
        except ValueError:
            url = urlsplit("")
        if (
            url.scheme not in ("http", "https")
            or not url.hostname
            or "@" in url.netloc
            or url.path
            or url.query
        ):
            raise self._refused("account_url", "the extra holds no address of an account", _URL_REMEDY)
        if url.scheme == "http" and not _is_loopback(url.hostname):
            raise self._refused(
                "account_url",
                f"plain text to {url.hostname} shows all that jobs hold to the network",
                "Write https://; http:// is for addresses of this machine alone",
            )
        return text

    @property
    def cloud(self) -> AzureCloud:
        """Which of Microsoft's clouds it is in."""
        host = urlsplit(self.url).hostname or ""
        return next((cloud for cloud in _CLOUDS if host.endswith(cloud.suffix)), PUBLIC_CLOUD)

    @property
    def portal_url(self) -> str | None:
        """The account's page, where the extra names ``subscription_id`` and ``resource_group``."""
        subscription, group = self.field("subscription_id"), self.field("resource_group")
        if not subscription or not group:
            return None
        host = urlsplit(self.url).hostname or ""
        parts = [str(subscription), "resourceGroups", str(group), "providers", "Microsoft.Batch"]
        parts += ["batchAccounts", host.partition(".")[0], "overview"]
        path = "/".join(quote(part, safe="") for part in parts)
        return f"{self.cloud.portal}/#resource/subscriptions/{path}"

    def client(self, *, timeout_seconds: float) -> BatchClient:
        """Return a client that sends every request once.

        :param timeout_seconds: how long connecting, and each wait for data, may last
        :raises InvalidArgument: the key is none, or there is none and the address is plain text
        """
        return BatchClient(
            self.url,
            self._credential(timeout_seconds),
            api_version=API_VERSION,
            credential_scopes=[self.cloud.scope],
            retry_policy=RetryPolicy.no_retries(),
            transport=_transport(timeout_seconds, knows_proxies=not self.url.startswith("http:")),
            # The vendor's would write every request into the task's log.
            http_logging_policy=SansIOHTTPPolicy(),
            user_agent=f"airflow-provider-jobs/{__version__}",
        )

    def _credential(self, timeout_seconds: float) -> AzureNamedKeyCredential | TokenCredential:
        """Return the account's key, a client's secret, or what the machine offers, in this order."""
        tenant = self.field("tenant_id") or self.field("tenantId")
        if not tenant and self.login and self.password:
            return AzureNamedKeyCredential(self.login, self._checked_key(self.password))
        if self.url.startswith("http:"):
            raise self._refused(
                "login",
                "no token is sent over plain text",
                "Give account name and key as login and password",
            )
        # Without them a request for a token waits for minutes, and is sent again and again.
        patience: dict[str, Any] = {
            "connection_timeout": timeout_seconds,
            "read_timeout": timeout_seconds,
            "retry_total": 1,
        }
        if tenant and self.login and self.password:
            return ClientSecretCredential(
                str(tenant), self.login, self.password, authority=self.cloud.authority, **patience
            )
        return DefaultAzureCredential(**self._identity(), **patience)

    def _identity(self) -> dict[str, Any]:
        """Return which managed identity is meant, as Airflow's own hooks for Azure read it."""
        client_id = self.field("managed_identity_client_id")
        tenant_id = self.field("workload_identity_tenant_id")
        if not client_id or not tenant_id:
            return {}
        return {
            "managed_identity_client_id": client_id,
            "workload_identity_tenant_id": tenant_id,
            "additionally_allowed_tenants": [tenant_id],
        }

    def _checked_key(self, key: str) -> str:
        try:
            base64.b64decode(key, validate=True)
        except binascii.Error:
            raise self._refused(
                "password",
                "it is no key of a Batch account",
                "Give a key of the account, which is base64; a client's secret needs tenant_id beside it",
            ) from None
        return key

    def _refused(self, name: str, problem: str, remedy: str) -> InvalidArgument:
        return InvalidArgument(f"connection {self.conn_id!r}, {name}", problem, remedy=remedy)


_URL_REMEDY = "Write https://<account>.<region>.batch.azure.com"


def _transport(timeout_seconds: float, *, knows_proxies: bool) -> RequestsTransport:
    """Return a transport for as many threads as a poll group has.

    :param knows_proxies: whether the environment's proxies are used; what is on this machine is behind none
    """
    session = requests.Session()
    session.trust_env = knows_proxies
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=MAX_CONNECTIONS))
    return RequestsTransport(
        session=session,
        session_owner=False,
        connection_timeout=timeout_seconds,
        read_timeout=timeout_seconds,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
