"""The endpoint of a connection, and how a vendor's exceptions leave a hook."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_jobs.core.errors import (
    BackendError,
    InvalidArgument,
    JobsError,
    NotFound,
    UnavailableError,
)
from airflow_provider_jobs.hooks.base import Endpoint, known_connection, read_endpoint, translated


@pytest.mark.parametrize(
    ("value", "endpoint"),
    [
        (None, None),
        ("", None),
        ("http://127.0.0.1:8080", Endpoint(secure=False, address="127.0.0.1:8080")),
        ("http://localhost", Endpoint(secure=False, address="localhost:80")),
        ("https://batch.example", Endpoint(secure=True, address="batch.example:443")),
        ("https://batch.example/", Endpoint(secure=True, address="batch.example:443")),
        ("http://[::1]:9", Endpoint(secure=False, address="[::1]:9")),
    ],
)
def test_an_endpoint_is_a_scheme_and_an_address(value: str | None, endpoint: Endpoint | None) -> None:
    assert read_endpoint(value, conn_id="c") == endpoint


@pytest.mark.parametrize(
    "value",
    [
        "127.0.0.1:8080",
        "localhost",
        "ftp://x",
        "http://",
        "http://x:port",
        "http://x:99999",
        "http://user:geheim@x",
        "http://x/path",
        3,
    ],
)
def test_anything_else_is_refused_with_the_connections_name(value: object) -> None:
    with pytest.raises(InvalidArgument, match=r"^endpoint: the extra of connection 'c'") as caught:
        read_endpoint(value, conn_id="c")
    assert "geheim" not in str(caught.value)


def test_an_endpoint_reads_as_its_url() -> None:
    assert str(read_endpoint("http://[::1]:9", conn_id="c")) == "http://[::1]:9"
    assert str(read_endpoint("https://x", conn_id="c")) == "https://x:443"


def test_a_connection_that_is_not_there_is_named_with_its_argument() -> None:
    with (
        pytest.raises(InvalidArgument, match=r"^aws_conn_id: there is no connection 'c'"),
        known_connection("c", argument="aws_conn_id"),
    ):
        raise AirflowNotFoundException("The conn_id `c` isn't defined")


class VendorError(Exception):
    """An exception of a vendor."""


class Hook:
    """A hook with a table of one row."""

    def translate(self, error: Exception, *, call: str) -> BackendError:
        return UnavailableError(str(error), call=call)

    @translated(VendorError)
    def get(self, error: Exception | None = None) -> str:
        """Raise what is given."""
        if error:
            raise error
        return "answer"


def test_a_vendors_exception_becomes_the_tables_error_with_its_cause_and_call() -> None:
    cause = VendorError("down")
    with pytest.raises(UnavailableError) as caught:
        Hook().get(cause)
    assert caught.value.__cause__ is cause
    assert caught.value.call == "get"


@pytest.mark.parametrize("error", [NotFound("gone"), JobsError("ours"), KeyError("a defect")])
def test_every_other_exception_passes_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        Hook().get(error)
    assert caught.value is error


def test_an_answer_passes_and_the_method_keeps_its_name() -> None:
    assert Hook().get() == "answer"
    assert Hook.get.__doc__ == "Raise what is given."
