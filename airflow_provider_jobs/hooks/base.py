"""What the hooks of all services share: a connection's endpoint, and how a vendor's exceptions become ours.

It knows no vendor. Each hook brings its own table of exceptions; here is only where it is applied.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_jobs.core.errors import InvalidArgument, JobsError

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True)
class Endpoint:
    """Where a service is reached instead of its public address.

    :param secure: ``True`` for TLS with the connection's credentials, ``False`` for plain text without any
    :param address: ``host:port``
    """

    secure: bool
    address: str

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.address}"


def read_endpoint(value: object, *, conn_id: str) -> Endpoint | None:
    """Return the endpoint that a connection's extra names, or ``None`` where it names none.

    :raises InvalidArgument: it is not a URL of a scheme and a host; credentials in it are refused too
    """
    if value is None or value == "":
        return None
    try:
        url = urlsplit(str(value))
        port = url.port
    except ValueError:
        url, port = urlsplit(""), None
    if (
        url.scheme not in ("http", "https")
        or not url.hostname
        or "@" in url.netloc
        or url.path not in ("", "/")
    ):
        raise InvalidArgument(
            "endpoint",
            f"the extra of connection {conn_id!r} holds no address of a service",
            remedy="Write http://host:port for plain text, or https://host with the connection's credentials",
        )
    secure = url.scheme == "https"
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return Endpoint(secure=secure, address=f"{host}:{port or (443 if secure else 80)}")


@contextmanager
def known_connection(conn_id: str, *, argument: str) -> Iterator[None]:
    """Turn Airflow's "not found" into one line that names the connection.

    :param argument: the argument that names it
    :raises InvalidArgument: there is no such connection
    """
    try:
        yield
    except AirflowNotFoundException:
        raise InvalidArgument(
            argument,
            f"there is no connection {conn_id!r}",
            remedy="Create it under Admin > Connections or with: airflow connections add",
        ) from None


class Translates(Protocol):
    """A hook with a table of its vendor's exceptions."""

    def translate(self, error: Exception, *, call: str) -> JobsError:
        """Return the error that is raised in place of a vendor's exception."""


def translated(*catching: type[Exception]) -> Callable[[FunctionT], FunctionT]:
    """Decorate a hook's method: a vendor's exceptions leave it as errors of ours, with theirs as the cause.

    :param catching: the roots of the vendor's exceptions; all others pass unchanged
    """

    def decorate(method: FunctionT) -> FunctionT:
        @functools.wraps(method)
        def call(self: Translates, *args: Any, **kwargs: Any) -> Any:
            try:
                return method(self, *args, **kwargs)
            except JobsError:
                raise
            except catching as error:
                raise self.translate(error, call=method.__name__.strip("_")) from error

        return cast("FunctionT", call)

    return decorate
