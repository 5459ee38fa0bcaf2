"""Who am I, and may I: the reviews behind ``kubectl auth``.

It exists because clients ask before they act. Everything is allowed that no fault rule answers with 403.
"""

from __future__ import annotations

from typing import Any

from fastapi import Response

from airflow_provider_jobs.backends.kubernetes.emulator import answers
from airflow_provider_jobs.backends.kubernetes.emulator.requests import Call
from airflow_provider_jobs.backends.kubernetes.emulator.resources import ACCESS_REVIEWS, SELF_REVIEWS
from airflow_provider_jobs.backends.kubernetes.emulator.times import timestamp
from airflow_provider_jobs.emulator.faults import Faults

_DENIALS = ("403", "Forbidden")


class Reviews:
    """Answers the reviews of oneself."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def answer(self, call: Call, body: Any) -> Response:
        """The review that was sent, with its status filled in."""
        spec = body.get("spec", {}) if isinstance(body, dict) else {}
        if call.kind is ACCESS_REVIEWS:
            status: dict[str, Any] = self._access(spec.get("resourceAttributes", {}))
        elif call.kind is SELF_REVIEWS:
            groups = ["system:authenticated"]
            status = {"userInfo": {"username": call.user, "groups": groups}}
        else:
            everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            paths = {"verbs": ["*"], "nonResourceURLs": ["*"]}
            status = {"resourceRules": [everything], "nonResourceRules": [paths], "incomplete": False}
        made = {
            "kind": call.kind.kind,
            "apiVersion": call.kind.api_version,
            "metadata": {"creationTimestamp": timestamp() if call.kind is SELF_REVIEWS else None},
            "spec": spec,
            "status": status,
        }
        return answers.plain(made, status=201)

    def _access(self, wanted: dict[str, str]) -> dict[str, Any]:
        resource = wanted.get("resource", "")
        if wanted.get("subresource"):
            resource += f"/{wanted['subresource']}"
        method = f"kubernetes/{wanted.get('verb', '')} {resource}"
        denied = any(
            rule.error is not None and str(rule.error.code) in _DENIALS and rule.matches(method)
            for rule in self._faults.rules
        )
        return {"allowed": False} if denied else {"allowed": True, "reason": "everything is allowed here"}
