"""GetCallerIdentity and AssumeRole of STS.

It exists because clients ask who they are to find out whether a connection works, and take on a role before
they begin. It must not refuse anybody. https://docs.aws.amazon.com/STS/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pendulum

from airflow_provider_jobs.backends.aws_batch.emulator.names import digest
from airflow_provider_jobs.backends.aws_batch.emulator.signature import Caller
from airflow_provider_jobs.backends.aws_batch.emulator.wire import Parameters
from airflow_provider_jobs.emulator.calls import StatusError

_ROLE = re.compile(r"arn:(?P<partition>[\w-]+):iam::(?P<account>\d{12}):role/(?P<name>.+)")
_HOUR = 3600


async def get_caller_identity(caller: Caller, _: Parameters) -> Mapping[str, Any]:
    arn = f"arn:{caller.partition}:iam::{caller.account}:user/local"
    return {"Arn": arn, "UserId": "AIDALOCALCLOUD0000000", "Account": caller.account}


async def assume_role(_: Caller, asked: Parameters) -> Mapping[str, Any]:
    """Credentials of the account that the role belongs to: its number is the key."""
    match = _ROLE.fullmatch(asked["RoleArn"])
    if match is None:
        raise StatusError("ValidationError", f"{asked['RoleArn']} is invalid")
    session = asked["RoleSessionName"]
    arn = f"arn:{match['partition']}:sts::{match['account']}:assumed-role/{match['name']}/{session}"
    expires = pendulum.now("UTC").add(seconds=int(asked.get("DurationSeconds", _HOUR)))
    return {
        "AssumedRoleUser": {"AssumedRoleId": f"AROALOCALCLOUD0000000:{session}", "Arn": arn},
        "Credentials": {
            "AccessKeyId": match["account"],
            "SecretAccessKey": "local",
            "SessionToken": digest(arn),
            "Expiration": expires.format("YYYY-MM-DDTHH:mm:ss[Z]"),
        },
    }
