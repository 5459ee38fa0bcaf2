"""Batch's REST over HTTP: which requests are the service's, who sent them, how an answer is written.

It exists so that the services see calls and answers. It must not know what a method does.
https://learn.microsoft.com/rest/api/batchservice/#common-operations
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

import pendulum
from fastapi import Request, Response

from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.errors import (
    error_body,
    invalid_parameter,
    refusal,
    status_and_code,
)
from airflow_provider_jobs.backends.azure_batch.emulator.messages import Answer, Call
from airflow_provider_jobs.backends.azure_batch.emulator.routes import Route
from airflow_provider_jobs.backends.azure_batch.emulator.shared_key import Signed, authenticate
from airflow_provider_jobs.backends.azure_batch.emulator.wire import timestamp
from airflow_provider_jobs.emulator.calls import StatusError

_SERVICE = "AzureBatch"
_ROOTS = frozenset(
    {"pools", "jobs", "jobschedules", "applications", "supportedimages", "nodecounts", "poolusagemetrics"}
)
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.\d+\.\d+)?")
_ERRORS = "Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"
_JSON = "application/json; odata=minimalmetadata"
_ALWAYS = {
    "DataServiceVersion": "3.0",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


class Transport:
    """An HTTP handler of the local cloud; declines what no client of Batch would send."""

    def __init__(self, routes: Sequence[Route], account: Account) -> None:
        self._routes = routes
        self._account = account

    async def __call__(self, request: Request) -> Response | None:
        path = request.scope["raw_path"].decode("latin-1")
        query = request.scope["query_string"].decode("latin-1")
        parts = path.strip("/").split("/")
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not _is_for_batch(parts[0].lower(), query, headers):
            return None
        headers["request-id"] = str(uuid.uuid4())
        endpoint = f"http://{headers.get('host', '')}"
        try:
            answer = await self._answer(request, path=path, query=query, headers=headers)
        except StatusError as error:
            return _error(error, endpoint=endpoint, headers=headers)
        return _response(answer, endpoint=endpoint, headers=headers)

    async def _answer(self, request: Request, *, path: str, query: str, headers: dict[str, str]) -> Answer:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        route, parameters = self._route(request.method, parts)
        call = Call(
            method=request.method,
            endpoint=f"http://{headers.get('host', '')}",
            path=path,
            parameters=parameters,
            query=dict(parse_qsl(query)),
            headers=headers,
            content=await request.body(),
        )

        async def work() -> Answer:
            _check_version(call)
            authenticate(Signed(request.method, path, query, headers), account=self._account.name)
            return await route.work(call)

        return await self._account.cloud.calls.serve(f"{_SERVICE}/{route.name}", work)

    def _route(self, verb: str, parts: list[str]) -> tuple[Route, dict[str, str]]:
        matching = [(route, route.match(parts)) for route in self._routes]
        found = [(route, parameters) for route, parameters in matching if parameters is not None]
        for route, parameters in found:
            if route.verb == verb:
                return route, parameters
        raise refusal("UnsupportedHttpVerb" if found else "InvalidUri")


def _is_for_batch(root: str, query: str, headers: dict[str, str]) -> bool:
    """Whether a client of Batch sent this: five services share the port."""
    if headers.get("authorization", "").lower().startswith("sharedkey "):
        return True
    signs = ("ocp-date", "client-request-id", "return-client-request-id", "ocp-range")
    asks = "api-version=" in query or any(name in headers for name in signs)
    return root in _ROOTS and asks


def _check_version(call: Call) -> None:
    version = call.query.get("api-version")
    if version is None:
        raise refusal("MissingRequiredQueryParameter", QueryParameterName="api-version")
    if _API_VERSION.fullmatch(version) is None:
        raise invalid_parameter("api-version", version, "not a version of the service")


def _response(answer: Answer, *, endpoint: str, headers: dict[str, str]) -> Response:
    sent = {**_common(headers), **answer.headers}
    if answer.body is not None:
        body = {"odata.metadata": f"{endpoint}/$metadata#{answer.metadata}", **answer.body}
        return _json(answer.status, body, sent)
    return Response(answer.content or b"", answer.status, headers=sent)


def _error(error: StatusError, *, endpoint: str, headers: dict[str, str]) -> Response:
    status, _ = status_and_code(error)
    sent = _common(headers)
    if status == 304:
        return Response(status_code=304, headers=sent)
    if status == 401:
        sent["WWW-Authenticate"] = 'Bearer authorization_uri="https://login.microsoftonline.com/common"'
    time = timestamp(pendulum.now("UTC"))
    told = error_body(error, request_id=headers["request-id"], time=time)
    return _json(status, {"odata.metadata": f"{endpoint}/$metadata#{_ERRORS}", **told}, sent)


def _common(headers: dict[str, str]) -> dict[str, str]:
    sent = {**_ALWAYS, "request-id": headers["request-id"]}
    if headers.get("return-client-request-id", "").lower() == "true" and "client-request-id" in headers:
        sent["client-request-id"] = headers["client-request-id"]
    return sent


def _json(status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(json.dumps(body), status, headers={**headers, "Content-Type": _JSON})
