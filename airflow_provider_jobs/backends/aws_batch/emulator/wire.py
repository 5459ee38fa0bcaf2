"""Requests of three AWS protocols into calls of operations, and their results into answers.

It exists so that an operation sees checked parameters and gives back plain data, whatever the protocol:
REST with JSON (Batch), JSON 1.1 (CloudWatch Logs), form-encoded with XML (STS). It must not know what an
operation does. https://smithy.io/2.0/aws/protocols/index.html
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from fastapi import Request, Response

from airflow_provider_jobs.backends.aws_batch.emulator import errors, shapes
from airflow_provider_jobs.backends.aws_batch.emulator.paging import WrongToken
from airflow_provider_jobs.backends.aws_batch.emulator.signature import Caller, caller_of
from airflow_provider_jobs.emulator.calls import Calls, StatusError

Parameters = dict[str, Any]
Operation = Callable[[Caller, Parameters], Awaitable[Mapping[str, Any]]]
_JSON_TYPES = {"rest-json": "application/json", "json": "application/x-amz-json-1.1"}


@dataclass(frozen=True)
class Route:
    """An operation that a request asks for, and the parameters that its address holds."""

    name: str
    address: Parameters


class AwsService:
    """One service: its published model, what is served of it, and how its protocol is read and written."""

    def __init__(self, name: str, operations: Mapping[str, Operation], *, label: str) -> None:
        self.name = name
        self.label = label
        self._operations = operations
        self._model = ServiceModel(Loader().load_service_model(name, "service-2"))
        self._protocol = self._model.metadata["protocol"]
        addresses = {each: self._model.operation_model(each).http for each in self._model.operation_names}
        self._addresses = [
            (http["method"], _address(http["requestUri"]), each) for each, http in addresses.items()
        ]

    def route(self, request: Request, body: bytes) -> Route | None:
        """The operation of this service that the request asks for, or None."""
        if self._protocol == "rest-json":
            return self._route_by_path(request)
        if request.url.path != "/" or request.method != "POST":
            return None
        if self._protocol == "json":
            prefix, _, name = request.headers.get("x-amz-target", "").partition(".")
            return Route(name, {}) if prefix == self._model.metadata["targetPrefix"] else None
        form = dict(parse_qsl(body.decode(errors="replace")))
        if form.get("Version") != self._model.api_version or "Action" not in form:
            return None
        return Route(form["Action"], self._typed(form))

    def _typed(self, form: Mapping[str, str]) -> Parameters:
        """A form's plain values; what is a number in the model is text on the wire."""
        name = form["Action"]
        shape = self._model.operation_model(name).input_shape if self._knows(name) else None
        found: Parameters = {key: form[key] for key in form if key not in ("Action", "Version")}
        for member, model in shape.members.items() if shape else ():
            if model.type_name == "integer" and found.get(member, "").isdecimal():
                found[member] = int(found[member])
        return found

    def _knows(self, name: str) -> bool:
        return name in self._model.operation_names

    def _route_by_path(self, request: Request) -> Route | None:
        path = request.scope.get("raw_path", request.url.path.encode()).decode().partition("?")[0]
        for method, address, name in self._addresses:
            match = address.fullmatch(path) if method == request.method else None
            if match:
                found: Parameters = {key: unquote(value) for key, value in match.groupdict().items()}
                return Route(name, found | self._query(name, request))
        return None

    def _query(self, name: str, request: Request) -> Parameters:
        """Parameters that an operation takes from the query, lists of them included."""
        shape = self._model.operation_model(name).input_shape
        found: Parameters = {}
        for member, model in shape.members.items() if shape else ():
            key = model.serialization.get("name", member)
            if model.serialization.get("location") == "querystring" and key in request.query_params:
                values = request.query_params.getlist(key)
                found[member] = values if model.type_name == "list" else values[0]
        return found

    async def serve(self, caller: Caller, route: Route, body: bytes) -> Mapping[str, Any]:
        """Check the request and do what it asks. Raises StatusError."""
        operation = self._operations.get(route.name)
        if operation is None:
            raise self._unknown(route.name)
        model = self._model.operation_model(route.name)
        parameters = self._accepted(self._parsed(body) | route.address, model)
        try:
            return await operation(caller, parameters)
        except WrongToken:
            raise self._invalid("The specified nextToken is invalid.") from None

    def _unknown(self, name: str) -> StatusError:
        if self._knows(name):
            return StatusError(
                "ClientException" if self.name == "batch" else "UnknownOperationException",
                f"the local cloud does not serve {self.label} {name}",
            )
        return StatusError("UnknownOperationException", "")

    def _parsed(self, body: bytes) -> Parameters:
        if self._protocol == "query" or not body.strip():
            return {}
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise StatusError("SerializationException", "The request body is not a JSON object.")
        return parsed

    def _accepted(self, parameters: Parameters, model: OperationModel) -> Parameters:
        if model.input_shape is None:
            return {}
        try:
            return shapes.accept(parameters, model.input_shape)
        except shapes.WrongType as error:
            raise StatusError("SerializationException", f"Unexpected type of value at '{error}'.") from None
        except shapes.Violations as error:
            raise self._invalid(str(error)) from None

    def _invalid(self, text: str) -> StatusError:
        return errors.refused(text) if self.name == "batch" else errors.invalid_parameter(text)

    def answer(self, route: Route, result: Mapping[str, Any], request_id: str) -> Response:
        """A result as this protocol writes it."""
        if self._protocol != "query":
            return self._json(_without_nulls(result), 200, {"x-amzn-RequestId": request_id})
        inner = _xml(result)
        name, namespace = route.name, self._model.metadata["xmlNamespace"]
        text = (
            f'<{name}Response xmlns="{namespace}"><{name}Result>{inner}</{name}Result>'
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
        )
        return Response(text, media_type="text/xml", headers={"x-amzn-RequestId": request_id})

    def error(self, failure: StatusError, request_id: str) -> Response:
        """An error as this protocol writes it."""
        word, status = errors.word_and_status(failure.code)
        headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": word}
        if self._protocol == "rest-json":
            return self._json({"message": failure.message}, status, headers)
        if self._protocol == "json":
            return self._json({"__type": word, "message": failure.message}, status, headers)
        kind = "Sender" if status < 500 else "Receiver"
        text = (
            f"<ErrorResponse><Error><Type>{kind}</Type><Code>{word}</Code>"
            f"<Message>{escape(failure.message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return Response(text, status_code=status, media_type="text/xml", headers=headers)

    def _json(self, body: Any, status: int, headers: Mapping[str, str]) -> Response:
        content = json.dumps(body, separators=(",", ":")).encode()
        return Response(
            content, status_code=status, media_type=_JSON_TYPES[self._protocol], headers=dict(headers)
        )


class AwsTransport:
    """A handler of the HTTP port for several services; declines what is none of theirs."""

    def __init__(self, services: Sequence[AwsService], calls: Calls) -> None:
        self._services = services
        self._calls = calls

    async def __call__(self, request: Request) -> Response | None:
        caller = caller_of(request.headers)
        body = await request.body() if caller else b""
        for service in self._services:
            route = service.route(request, body)
            if route is not None:
                return await self._serve(service, caller, route, body)
        return None

    async def _serve(self, service: AwsService, caller: Caller | None, route: Route, body: bytes) -> Response:
        request_id = str(uuid.uuid4())
        errors.request_id.set(request_id)

        async def work() -> Mapping[str, Any]:
            if caller is None:
                raise StatusError("MissingAuthenticationTokenException", "Missing Authentication Token")
            return await service.serve(caller, route, body)

        try:
            result = await self._calls.serve(f"{service.label}/{route.name}", work)
        except StatusError as failure:
            return service.error(failure, request_id)
        return service.answer(route, result, request_id)


def _address(template: str) -> re.Pattern[str]:
    """What matches the paths of an address such as ``/v1/tags/{resourceArn}``."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(template)))


def _xml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(f"<{key}>{_xml(item)}</{key}>" for key, item in value.items())
    return escape(str(value))


def _without_nulls(value: Any) -> Any:
    """The value without the members that are None; the protocols have no null."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_nulls(item) for item in value]
    return value
