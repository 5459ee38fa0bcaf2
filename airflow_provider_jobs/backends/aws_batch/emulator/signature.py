"""Who calls which service in which region: what Signature Version 4 says in the clear.

It exists because one port serves every region and account: only the signature tells them apart. It must not
verify a signature, for any key is welcome here.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: The account of every access key that is not itself the number of an account.
DEFAULT_ACCOUNT = "123456789012"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
)


@dataclass(frozen=True)
class Caller:
    """Who asks, where. ``service`` is the name that the request was signed for."""

    access_key: str
    region: str
    service: str

    @property
    def account(self) -> str:
        """Twelve digits: the access key if it is a number of an account, else the one account of all keys."""
        return self.access_key if re.fullmatch(r"\d{12}", self.access_key) else DEFAULT_ACCOUNT

    @property
    def partition(self) -> str:
        """The part of the cloud that the region belongs to, as names of resources spell it."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"


def caller_of(headers: Mapping[str, str]) -> Caller | None:
    """The caller, or None when the request is not signed this way."""
    match = _AUTHORIZATION.match(headers.get("authorization", ""))
    return Caller(match["key"], match["region"], match["service"]) if match else None
