"""Quantities such as ``500m``, ``1Gi`` or ``2``: their value, and how the server writes them.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

_PATTERN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE]?))")
_BINARY = {f"{letter}i": 1024 ** (power + 1) for power, letter in enumerate("KMGTPE")}
_DECIMAL = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1),
    "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9), "T": Fraction(10**12),
    "P": Fraction(10**15), "E": Fraction(10**18),
}  # fmt: skip


def parse(text: Any) -> Fraction:
    """The value. Raises ValueError with the server's words."""
    match = _PATTERN.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, exponent, suffix = match.groups()
    value = Fraction(number)
    if exponent:
        return value * Fraction(10) ** int(exponent[1:])
    return value * (_BINARY.get(suffix) or _DECIMAL[suffix])


def canonical(text: Any) -> str:
    """The same quantity as the server would write it: the largest suffix without a fraction."""
    value = parse(text)
    if not value:
        return "0"
    if str(text).strip().endswith("i") and value.denominator == 1:
        return _largest(value, {"": 1, **_BINARY})
    return _largest(value, _DECIMAL)


def _largest(value: Fraction, suffixes: Any) -> str:
    for suffix, size in sorted(suffixes.items(), key=lambda pair: pair[1], reverse=True):
        if (value / size).denominator == 1:
            return f"{value / size}{suffix}"
    return f"{-(-value // Fraction(1, 10**9))}n"


def ceiling(value: Fraction) -> int:
    """The next whole number, as the server rounds where it needs one."""
    return -(-value.numerator // value.denominator)
