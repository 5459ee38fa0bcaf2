"""The methods over HTTP with JSON, transcoded as google.api.http says.

It must not know a method's meaning. Unknown fields are errors, as on the real services.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request, Response
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from airflow_provider_jobs.emulator.calls import AnswerDropped, Calls, StatusError
from airflow_provider_jobs.emulator.protobuf_rpc import masks
from airflow_provider_jobs.emulator.protobuf_rpc.methods import HttpRule, RpcMethod
from airflow_provider_jobs.emulator.protobuf_rpc.status import HTTP_STATUS, canonical_code, status_message

#: Query parameters that every service understands and that are no fields of a message.
#: https://docs.cloud.google.com/apis/docs/system-parameters
_SYSTEM_PARAMETERS = frozenset(
    {"alt", "key", "fields", "callback", "access_token", "oauth_token", "prettyPrint", "pp", "quotaUser"}
    | {"userIp", "uploadType", "upload_protocol", "xgafv", "userProject", "apiVersion"}
)
_UNKNOWN_FIELD = re.compile(r'has no field named "([^"]*)" at "([^"]*)"')


class RestTransport:
    """Answers the HTTP requests that belong to its methods."""

    def __init__(self, methods: Iterable[RpcMethod], calls: Calls) -> None:
        self._routes = [(rule, method) for method in methods for rule in method.http]
        self._calls = calls

    async def __call__(self, request: Request) -> Response | None:
        """The answer, or None when the request is meant for someone else. Raises AnswerDropped."""
        for rule, method in self._routes:
            variables = rule.match(request.method, request.url.path)
            if variables is not None:
                return await self._serve(request, rule=rule, method=method, variables=variables)
        return None

    async def _serve(
        self, request: Request, *, rule: HttpRule, method: RpcMethod, variables: Mapping[str, str]
    ) -> Response:
        body = await request.body()

        async def work() -> Message:
            message = method.request()
            _fill(
                message, rule=rule, body=body, query=request.query_params.multi_items(), variables=variables
            )
            return await method.masked(message)

        try:
            with masks.asked_for(request.headers.get(masks.HEADER, "")):
                answer = await self._calls.serve(method.full_name, work)
        except AnswerDropped:
            raise
        except StatusError as error:
            return error_response(error)
        alternative = request.query_params.get("$alt", "")
        return json_response(
            json_format.MessageToDict(answer, use_integers_for_enums="enum-encoding=int" in alternative)
        )


def _fill(
    message: Message,
    *,
    rule: HttpRule,
    body: bytes,
    query: Iterable[tuple[str, str]],
    variables: Mapping[str, str],
) -> None:
    """Put body, query and path into the request message, in this order."""
    if rule.body and body.strip():
        target = message if rule.body == "*" else getattr(message, rule.body)
        if target is not message:
            target.SetInParent()
        _parse(json_value(body), target, place="" if target is message else rule.body)
    parameters: dict[str, Any] = {}
    for key, value in query:
        name = key.removeprefix("$").lstrip(".")
        if name in _SYSTEM_PARAMETERS:
            continue
        if _is_repeated(message, name):
            parameters.setdefault(name, []).append(value)
        else:
            parameters[name] = value
    _parse({key: _typed(message, key, value) for key, value in parameters.items()}, message, place="")
    for path, value in variables.items():
        _parse(_nested(path, value), message, place="")


def _nested(path: str, value: str) -> dict[str, Any]:
    """The JSON in which the field of this path has the value."""
    first, _, rest = path.partition(".")
    return {first: _nested(rest, value) if rest else value}


def json_value(body: bytes) -> Any:
    """The JSON of a request body. Raises StatusError when it is none."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise StatusError("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from None


def _parse(value: Any, message: Message, *, place: str) -> None:
    try:
        json_format.ParseDict(value, message)
    except json_format.ParseError as error:
        raise StatusError("INVALID_ARGUMENT", _complaint(str(error), place)) from None


def _complaint(error: str, place: str) -> str:
    """The parser's error in the words that Google services use."""
    unknown = _UNKNOWN_FIELD.search(error)
    if unknown is None:
        return f"Invalid JSON payload received. {error.splitlines()[0]}"
    inner = unknown[2].partition(".")[2]
    where = ".".join(part for part in (place, inner) if part)
    return f"""Invalid JSON payload received. Unknown name "{unknown[1]}" at '{where}': Cannot find field."""


def _field(message: Message, name: str) -> Any:
    by_name = message.DESCRIPTOR.fields_by_name.get(name)
    return by_name or message.DESCRIPTOR.fields_by_camelcase_name.get(name)


def _is_repeated(message: Message, name: str) -> bool:
    field = _field(message, name)
    return field is not None and field.is_repeated


def _typed(message: Message, name: str, value: Any) -> Any:
    """Booleans arrive as text in a query; every other scalar may stay text in proto JSON."""
    field = _field(message, name)
    if field is not None and field.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False, "1": True, "0": False}.get(str(value).lower(), value)
    return value


def error_response(error: StatusError) -> Response:
    """The error in the JSON form of Google services."""
    code = canonical_code(error.code)
    http_status = error.code if isinstance(error.code, int) else HTTP_STATUS[code]
    status = json_format.MessageToDict(status_message(error))
    body = {"code": http_status, "message": error.message, "status": code}
    if "details" in status:
        body["details"] = status["details"]
    return json_response({"error": body}, status=int(http_status))


def json_response(value: Any, *, status: int = 200) -> Response:
    """The value as Google services write JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return Response(text, status_code=status, media_type="application/json; charset=UTF-8")
