"""Who may call: the account's key, or a token.

It exists to verify what a client signed, byte for byte as it was sent.
https://learn.microsoft.com/rest/api/batchservice/authenticate-requests-to-the-azure-batch-service. It must
not know a method of the service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator.errors import refusal

_SIGNED_HEADERS = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip
_TOLERATED_SECONDS = 15 * 60


@dataclass(frozen=True)
class Signed:
    """What of a request goes into its signature. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


def account_key(account: str) -> str:
    """The key of an account of the local cloud: known to whoever knows the name, as loopback is trusted."""
    return base64.b64encode(hashlib.sha512(f"local cloud: {account}".encode()).digest()).decode()


def authenticate(request: Signed, *, account: str) -> None:
    """Raise StatusError when the caller may not go on: 401 without a credential, 403 with a wrong one."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credential:
        return
    name, _, signature = credential.partition(":")
    if scheme.lower() != "sharedkey" or not signature:
        raise refusal("InvalidAuthenticationInfo")
    _check_time(request.headers)
    # The document asks for parameter names in lower case; the vendor's Python client signs them as it sends
    # them, and it sends "timeOut".
    texts = [_text_to_sign(request, account=account, lower=lower) for lower in (True, False)]
    matches = [hmac.compare_digest(_sign(text, account=account), signature) for text in texts]
    if name != account or not any(matches):
        text = texts[0]
        detail = (
            f"The MAC signature found in the HTTP request '{signature}' is not the same as any computed "
            f"signature. Server used following string to sign: '{text}'."
        )
        raise refusal("AuthenticationFailed", AuthenticationErrorDetail=detail)


def _sign(text: str, *, account: str) -> str:
    computed = hmac.new(base64.b64decode(account_key(account)), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(computed).decode()


def _text_to_sign(request: Signed, *, account: str, lower: bool) -> str:
    headers = dict(request.headers)
    if request.method not in ("GET", "HEAD"):
        headers.setdefault("content-length", "0")
    lines = [request.method, *(headers.get(name, "") for name in _SIGNED_HEADERS)]
    lines += _sorted(item for item in headers.items() if item[0].startswith("ocp-"))
    lines.append(f"/{account}{request.path}")
    parameters = parse_qs(request.query).items()
    lines += _sorted((name.lower() if lower else name, values[0]) for name, values in parameters)
    return "\n".join(lines)


def _sorted(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name}:{value}" for name, value in sorted(pairs)]


def _check_time(headers: Mapping[str, str]) -> None:
    """Raise when the request was made too long ago, or does not say when."""
    written = headers.get("ocp-date") or headers.get("date", "")
    try:
        at = parsedate_to_datetime(written)
    except (TypeError, ValueError):
        raise refusal(
            "AuthenticationFailed",
            AuthenticationErrorDetail=f"The Date header in the request is incorrect: '{written}'.",
        ) from None
    if abs((pendulum.now("UTC") - pendulum.instance(at)).total_seconds()) > _TOLERATED_SECONDS:
        raise refusal(
            "AuthenticationFailed", AuthenticationErrorDetail="Request date header too old: " + written
        )
