"""One call and its answer, apart from HTTP; bodies read, conditions checked, lists paged.

It exists so that the services below it handle values. It must not know a route.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

import pendulum
from pydantic import ValidationError

from airflow_provider_jobs.backends.azure_batch.emulator import odata
from airflow_provider_jobs.backends.azure_batch.emulator.catalogue import Term
from airflow_provider_jobs.backends.azure_batch.emulator.errors import (
    invalid_parameter,
    invalid_property,
    refusal,
)
from airflow_provider_jobs.backends.azure_batch.emulator.properties import Body
from airflow_provider_jobs.backends.azure_batch.emulator.resources import Resource
from airflow_provider_jobs.backends.azure_batch.emulator.wire import http_date
from airflow_provider_jobs.emulator.calls import StatusError

_LARGEST_PAGE = 1000
BodyT = TypeVar("BodyT", bound=Body)


class Numbered(Protocol):
    """Something that is listed in the order of its number."""

    @property
    def number(self) -> int: ...


NumberedT = TypeVar("NumberedT", bound=Numbered)


@dataclass(frozen=True)
class Call:
    """A request: header names in lower case, parameters decoded, ``endpoint`` as the caller wrote it."""

    method: str
    endpoint: str
    path: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    def __getitem__(self, name: str) -> str:
        return self.parameters[name]

    def body(self, model: type[BodyT]) -> BodyT:
        """The checked body. Raises StatusError."""
        return checked(model, self.json())

    def json(self) -> dict[str, Any]:
        """The body as it came; an empty one is an empty object. Raises StatusError."""
        try:
            values = json.loads(self.content or b"{}")
        except ValueError:
            raise refusal("InvalidRequestBody", Reason="The body is no JSON.") from None
        if not isinstance(values, dict):
            raise refusal("InvalidRequestBody", Reason="A JSON object is expected.")
        return values


@dataclass(frozen=True)
class Answer:
    """What goes back: a JSON value or bytes, with headers."""

    status: int = 200
    body: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: str = ""


def checked(model: type[BodyT], values: dict[str, Any]) -> BodyT:
    """The values as this body. Raises StatusError as the service would."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _refusal_of(error) from None


def _refusal_of(error: ValidationError) -> StatusError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return refusal("MissingRequiredProperty", PropertyName=name)
    if first["type"] == "extra_forbidden":
        reason = (
            f"The property '{first['loc'][-1]}' does not exist on type "
            f"'Microsoft.Azure.Batch.Protocol.Entities.{error.title}'. Make sure to only use property names "
            "that are defined by the type."
        )
        return refusal("InvalidRequestBody", Reason=reason)
    if first["type"].endswith("_type"):
        return refusal("InvalidRequestBody", Reason=f"{name}: {first['msg']}")
    value = first["input"] if isinstance(first["input"], str | int | float) else ""
    shown = "" if "environmentSettings" in name else value
    return invalid_property(name, shown, first["msg"])


def changed(resource: Resource, call: Call, *, status: int = 200, data_id: str = "") -> Answer:
    """The answer after a change: no body, the new version, and where the thing is."""
    return Answer(status, headers={**version_headers(resource), "DataServiceId": data_id or here(call)})


def version_headers(resource: Resource) -> dict[str, str]:
    return {"ETag": resource.etag, "Last-Modified": http_date(resource.modified_at)}


def here(call: Call) -> str:
    return f"{call.endpoint}{call.path}"


def check_conditions(call: Call, resource: Resource) -> None:
    """Raise 412, or 304 for a read, when a conditional header does not hold."""
    tags = {f'"{resource.etag}"', resource.etag, "*"}
    wanted, unwanted = call.headers.get("if-match"), call.headers.get("if-none-match")
    modified = resource.modified_at.replace(microsecond=0)
    since = _time(call, "if-modified-since")
    before = _time(call, "if-unmodified-since")
    if (wanted is not None and wanted not in tags) or (before is not None and modified > before):
        raise refusal("ConditionNotMet")
    if (unwanted is not None and unwanted in tags) or (since is not None and modified <= since):
        if call.method in ("GET", "HEAD"):
            raise StatusError(304, "The condition specified in the conditional header(s) was not met.")
        raise refusal("ConditionNotMet")


def _time(call: Call, name: str) -> pendulum.DateTime | None:
    if name not in call.headers:
        return None
    try:
        return pendulum.instance(parsedate_to_datetime(call.headers[name]))
    except (TypeError, ValueError):
        raise refusal("InvalidHeaderValue", HeaderName=name, HeaderValue=call.headers[name]) from None


Wire = Callable[[NumberedT, "frozenset[str] | None"], dict[str, Any]]


#: Finds things that may meet one of the terms (None: all) and have a higher number, by number.
Find = Callable[["frozenset[Term] | None", int], Iterable[NumberedT]]


def among(things: Iterable[NumberedT]) -> Find[NumberedT]:
    """Finds what there is by looking at everything: for lists that are short."""
    return lambda _terms, after: (thing for thing in things if thing.number > after)


def listing(call: Call, find: Find[NumberedT], wire: Wire[NumberedT], *, metadata: str) -> Answer:
    """One page of things, filtered and cut to what was asked for, with a link to the next page.

    ``wire`` is told which properties somebody looks at, and may leave out others; None for all.
    """
    size = _page_size(call)
    asked = odata.compile_filter(call.query["$filter"]) if call.query.get("$filter") else None
    select = call.query.get("$select")
    names = odata.selected(select) if select else None
    found: list[dict[str, Any]] = []
    last = 0
    answer: dict[str, Any] = {"value": found}
    for thing in find(asked.terms if asked else None, _position(call)):
        if asked is not None and not asked.holds(wire(thing, asked.names)):
            continue
        if len(found) == size:
            answer["odata.nextLink"] = _next_link(call, last)
            break
        told = wire(thing, names)
        found.append(odata.select(told, select) if select else told)
        last = thing.number
    return Answer(body=answer, metadata=metadata)


def _page_size(call: Call) -> int:
    text = call.query.get("maxresults", str(_LARGEST_PAGE))
    if not text.isdecimal():
        raise invalid_parameter("maxresults", text, "not a number")
    if not 1 <= int(text) <= _LARGEST_PAGE:
        raise refusal(
            "OutOfRangeQueryParameterValue",
            QueryParameterName="maxresults",
            QueryParameterValue=text,
            MinimumAllowed="1",
            MaximumAllowed=str(_LARGEST_PAGE),
        )
    return int(text)


def _position(call: Call) -> int:
    token = call.query.get("$skiptoken")
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error):
        raise invalid_parameter("$skiptoken", token, "not a token of this list") from None


def _next_link(call: Call, last: int) -> str:
    token = base64.urlsafe_b64encode(str(last).encode()).decode()
    query = urlencode({**call.query, "$skiptoken": token}, quote_via=quote, safe="$")
    return f"{here(call)}?{query}"
