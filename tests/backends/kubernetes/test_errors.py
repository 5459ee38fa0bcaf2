"""Every reason of the API server, and every way in which a connection ends, becomes an error of ours."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException, ApiValueError
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Retry

from airflow_provider_jobs.backends.kubernetes.errors import REASONS, ResourceVersionExpired, to_error
from airflow_provider_jobs.core.errors import (
    AccessDenied,
    AlreadyExists,
    AmbiguousError,
    BackendError,
    CredentialsExpired,
    InvalidRequest,
    NoCapacity,
    NotFound,
    PermanentError,
    ThrottledError,
    TransientError,
    UnavailableError,
)

# Every StatusReason of k8s.io/apimachinery/pkg/apis/meta/v1/types.go with the code that comes with it, and
# what it is to a call that reads and to one that changes something.
STATUS_REASONS: list[tuple[str, int, type[BackendError], type[BackendError]]] = [
    ("Unauthorized", 401, CredentialsExpired, CredentialsExpired),
    ("Forbidden", 403, AccessDenied, AccessDenied),
    ("NotFound", 404, NotFound, NotFound),
    ("AlreadyExists", 409, AlreadyExists, AlreadyExists),
    ("Conflict", 409, TransientError, TransientError),
    ("Gone", 410, ResourceVersionExpired, ResourceVersionExpired),
    ("Invalid", 422, InvalidRequest, InvalidRequest),
    ("ServerTimeout", 500, UnavailableError, AmbiguousError),
    ("StoreReadError", 500, UnavailableError, UnavailableError),
    ("Timeout", 504, UnavailableError, AmbiguousError),
    ("TooManyRequests", 429, ThrottledError, ThrottledError),
    ("BadRequest", 400, InvalidRequest, InvalidRequest),
    ("MethodNotAllowed", 405, InvalidRequest, InvalidRequest),
    ("NotAcceptable", 406, InvalidRequest, InvalidRequest),
    ("RequestEntityTooLarge", 413, InvalidRequest, InvalidRequest),
    ("UnsupportedMediaType", 415, InvalidRequest, InvalidRequest),
    ("InternalError", 500, UnavailableError, AmbiguousError),
    ("Expired", 410, ResourceVersionExpired, ResourceVersionExpired),
    ("ServiceUnavailable", 503, UnavailableError, AmbiguousError),
]


def refused(status: int, reason: str = "", message: str = "no", **details: Any) -> ApiException:
    """Return the client's exception for a Status of the API server."""
    error = ApiException(status=status, reason="the status line")
    error.body = json.dumps(
        {"kind": "Status", "status": "Failure", "message": message, "reason": reason, "details": details}
    )
    return error


class TestReasons:
    @pytest.mark.parametrize(("reason", "status", "reading", "changing"), STATUS_REASONS)
    def test_a_reason_has_its_error_for_reads_and_for_changes(
        self, reason: str, status: int, reading: type[BackendError], changing: type[BackendError]
    ) -> None:
        for call, kind in (("get_job_json", reading), ("create_job_json", changing), ("patch_job", changing)):
            error = to_error(refused(status, reason, "what it says"), call=call)
            assert type(error) is kind
            assert (error.message, error.native_code, error.call) == ("what it says", reason, call)
            assert error.advice

    def test_there_is_a_row_for_every_reason_and_none_beyond(self) -> None:
        assert set(REASONS) == {reason for reason, *_ in STATUS_REASONS}

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, InvalidRequest),
            (401, CredentialsExpired),
            (403, AccessDenied),
            (404, NotFound),
            (408, UnavailableError),
            (409, TransientError),
            (410, ResourceVersionExpired),
            (413, InvalidRequest),
            (418, InvalidRequest),
            (422, InvalidRequest),
            (429, ThrottledError),
            (500, UnavailableError),
            (502, UnavailableError),
            (503, UnavailableError),
            (504, UnavailableError),
        ],
    )
    @pytest.mark.parametrize("body", [None, "", "<html>secret page</html>", "[]", '{"a": 1}'])
    def test_an_answer_of_something_in_between_is_told_by_its_code_alone(
        self, status: int, kind: type[BackendError], body: str | None
    ) -> None:
        error = ApiException(status=status, reason="Some Reason")
        error.body = body
        told = to_error(error, call="get_job_json")
        assert type(told) is kind
        assert told.message == "Some Reason"

    def test_a_word_of_a_later_service_is_told_by_its_code(self) -> None:
        assert type(to_error(refused(429, "Overwhelmed"), call="get_job")) is ThrottledError

    def test_the_service_may_ask_to_be_left_alone(self) -> None:
        by_body = to_error(refused(429, "TooManyRequests", retryAfterSeconds=7), call="get_job")
        answer = refused(503, "ServiceUnavailable")
        answer.headers = {"Retry-After": "9"}
        by_header = to_error(answer, call="get_job")
        dated = refused(503, "ServiceUnavailable")
        dated.headers = {"Retry-After": "Fri, 31 Dec 2030 23:59:59 GMT"}
        errors = (by_body, by_header, to_error(dated, call="get_job"))
        assert [error.retry_after_seconds for error in errors if isinstance(error, TransientError)] == [
            7,
            9,
            None,
        ]

    def test_a_message_without_end_is_cut(self) -> None:
        assert len(to_error(refused(422, "Invalid", "x" * 100_000), call="create_job").message) == 1000

    def test_what_the_client_itself_refuses_is_an_invalid_request(self) -> None:
        assert type(to_error(ApiValueError("no"), call="create_job")) is InvalidRequest


class TestMessages:
    @pytest.mark.parametrize(
        ("status", "reason", "message", "kind", "advice"),
        [
            (
                403,
                "Forbidden",
                'jobs.batch "j" is forbidden: exceeded quota: few, requested: count/jobs.batch=1, used: 2',
                NoCapacity,
                "ResourceQuota",
            ),
            (
                403,
                "Forbidden",
                'User "u" cannot create resource "jobs" in API group "batch" in the namespace "ml"',
                AccessDenied,
                "Grant create on jobs of API group 'batch' in namespace ml",
            ),
            (
                403,
                "Forbidden",
                'User "u" cannot list resource "pods" in API group "" at the cluster scope',
                AccessDenied,
                "Grant list on pods of API group ''",
            ),
            (
                403,
                "Forbidden",
                'jobs.batch "j" is forbidden: namespace ml because it is being terminated',
                InvalidRequest,
                "being deleted",
            ),
            (
                400,
                "BadRequest",
                'admission webhook "policy.example" denied the request: no owner label',
                InvalidRequest,
                "policy of the cluster",
            ),
            (403, "Forbidden", 'admission webhook "q" denied the request: no', InvalidRequest, "policy"),
            (404, "NotFound", 'namespaces "ml" not found', NotFound, "Check the namespace"),
            (
                500,
                "InternalError",
                "etcdserver: request is too large",
                InvalidRequest,
                "Put the input into a volume",
            ),
            (
                400,
                "BadRequest",
                'strict decoding error: unknown field "spec.paralelism"',
                InvalidRequest,
                "Correct the name",
            ),
        ],
    )
    def test_a_message_may_tell_more_than_its_reason(
        self, status: int, reason: str, message: str, kind: type[BackendError], advice: str
    ) -> None:
        error = to_error(refused(status, reason, message), call="create_job_json")
        assert type(error) is kind
        assert advice in str(error)
        assert message in str(error)


POOL = HTTPConnectionPool("k8s.example")


class TestConnections:
    @pytest.mark.parametrize(
        "cause",
        [
            NewConnectionError(POOL, "Failed to establish a new connection"),
            NameResolutionError("k8s.example", POOL, OSError("no such host")),  # type: ignore[arg-type]
            ConnectTimeoutError(POOL, "timed out"),
            ProxyError("Cannot connect to proxy", OSError("refused")),
        ],
    )
    @pytest.mark.parametrize("call", ["get_job_json", "create_job_json"])
    def test_what_was_never_sent_is_only_unavailable(self, cause: Exception, call: str) -> None:
        error = to_error(MaxRetryError(POOL, "/", cause), call=call, endpoint="https://k8s.example")
        assert type(error) is UnavailableError
        assert "https://k8s.example" in str(error)
        assert "object at 0x" not in str(error)

    @pytest.mark.parametrize(
        "cause",
        [
            ReadTimeoutError(POOL, "/", "Read timed out."),
            ProtocolError("Connection aborted.", OSError("reset")),
        ],
    )
    def test_what_was_sent_without_an_answer_is_ambiguous_where_it_changes_something(
        self, cause: Exception
    ) -> None:
        for wrapped in (cause, MaxRetryError(POOL, "/", cause)):
            assert type(to_error(wrapped, call="create_job_json")) is AmbiguousError
            assert type(to_error(wrapped, call="get_job_json")) is UnavailableError

    @pytest.mark.parametrize(
        "words",
        [
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
            "[SSL: WRONG_VERSION_NUMBER] wrong version number",
            "hostname '10.0.0.1' doesn't match 'k8s.example'",
        ],
    )
    def test_a_certificate_that_is_not_trusted_stays_so(self, words: str) -> None:
        error = to_error(MaxRetryError(POOL, "/", SSLError(words)), call="get_job")
        assert type(error) is PermanentError
        assert "certificate authority" in str(error)

    def test_a_peer_that_goes_away_within_tls_is_trouble(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as peer:

            def hang_up() -> None:
                connection, _ = peer.accept()
                with connection:
                    connection.recv(1024)

            thread = threading.Thread(target=hang_up)
            thread.start()
            pool = HTTPSConnectionPool("127.0.0.1", peer.getsockname()[1], retries=Retry(0), timeout=20)
            with pool, pytest.raises(MaxRetryError) as caught:
                pool.request("GET", "/")
            thread.join()
        assert isinstance(caught.value.reason, SSLError)
        assert type(to_error(caught.value, call="get_job_json")) is UnavailableError
        assert type(to_error(caught.value, call="create_job_json")) is AmbiguousError
