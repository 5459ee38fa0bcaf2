"""serviceusage.googleapis.com, as far as ``gcloud`` asks it before it deploys: every API is enabled.

https://docs.cloud.google.com/service-usage/docs/reference/rest/v1/services/get
"""

from __future__ import annotations

import re

from fastapi import Request, Response

from airflow_provider_jobs.emulator.calls import Calls, StatusError
from airflow_provider_jobs.emulator.protobuf_rpc.rest_transport import error_response, json_response
from airflow_provider_jobs.google_cloud.emulator.names import Projects

_PATH = re.compile(r"/v1/projects/([^/]+)/services/([a-z]+\.googleapis\.com)")
_METHOD = "google.api.serviceusage.v1.ServiceUsage/GetService"


class ServiceUsage:
    """Answers the HTTP requests for the state of an API."""

    def __init__(self, projects: Projects, calls: Calls) -> None:
        self._projects = projects
        self._calls = calls

    async def __call__(self, request: Request) -> Response | None:
        """The answer, or None when the request is meant for someone else. Raises AnswerDropped."""
        match = _PATH.fullmatch(request.url.path)
        if match is None or request.method != "GET":
            return None
        parent = f"projects/{self._projects.number(match[1])}"

        async def work() -> dict[str, str]:
            return {"name": f"{parent}/services/{match[2]}", "parent": parent, "state": "ENABLED"}

        try:
            return json_response(await self._calls.serve(_METHOD, work))
        except StatusError as error:
            return error_response(error)
