"""Filter patterns of CloudWatch Logs, as far as they are about words of a message.

It exists because readers of logs filter by terms. Patterns over JSON and over columns are refused. It must
not know events. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable

from airflow_provider_jobs.backends.aws_batch.emulator.errors import invalid_parameter

_TERM = re.compile(r'\s*(?P<sign>[?-]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))')

Match = Callable[[str], bool]


def compile_pattern(pattern: str) -> Match:
    """What tells whether a message matches. Raises StatusError for a pattern that cannot be read.

    All plain terms must be there, no ``-term`` may be, and of ``?terms`` one is enough; case matters.
    """
    text = pattern.strip()
    if not text:
        return lambda _: True
    if text[0] in "{[":
        raise invalid_parameter("The local cloud reads filter patterns made of terms only")
    if len(text) > 2 and text[0] == text[-1] == "%":
        return _expression(text[1:-1])
    wanted, unwanted, optional = _terms(text)
    # "If you combine ? with other terms, it is ignored", says the user guide.
    if optional and not wanted and not unwanted:
        return lambda message: any(term in message for term in optional)
    return lambda message: (
        all(term in message for term in wanted) and not any(term in message for term in unwanted)
    )


def _expression(text: str) -> Match:
    try:
        expression = re.compile(text)
    except re.error:
        raise invalid_parameter("Invalid filter pattern") from None
    return lambda message: expression.search(message) is not None


def _terms(text: str) -> tuple[list[str], list[str], list[str]]:
    wanted: list[str] = []
    unwanted: list[str] = []
    optional: list[str] = []
    place = 0
    while place < len(text):
        match = _TERM.match(text, place)
        if match is None:
            raise invalid_parameter("Invalid filter pattern")
        quoted = match["quoted"]
        term = match["word"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        {"": wanted, "-": unwanted, "?": optional}[match["sign"]].append(term)
        place = match.end()
    return wanted, unwanted, optional
