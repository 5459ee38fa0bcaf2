"""The language in which Cloud Logging is asked: text to a tree, and the tree against an entry.

It exists because every client filters on the server. Facts, with the precedence NOT, OR, AND:
https://docs.cloud.google.com/logging/docs/view/logging-query-language. It must not read entries itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.google_cloud.emulator import log_values

if TYPE_CHECKING:
    from typing import TypeAlias

MAX_FILTER_CHARACTERS = 20_000
Entry = Mapping[str, Any]

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*)
      | (?P<operator>!=|>=|<=|=~|!~|=|<|>|:)
      | (?P<open>\()
      | (?P<close>\))
      | (?P<minus>-(?=[^\s\d]))
      | (?P<word>(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s=!<>:~()"',])+)
      | (?P<comma>,)""",
    re.VERBOSE,
)
_PART = re.compile(r"""(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<dot>\.)|(?P<plain>[^."']+)""")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True)
class Comparison:
    """One field against one value. An empty path is a search in every field."""

    path: tuple[str, ...]
    operator: str
    value: str
    quoted: bool = True


@dataclass(frozen=True)
class Not:
    term: Node


@dataclass(frozen=True)
class All:
    terms: tuple[Node, ...]


@dataclass(frozen=True)
class AnyOf:
    terms: tuple[Node, ...]


Node: TypeAlias = "Comparison | Not | All | AnyOf"


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text in words


def parse(text: str) -> Node:
    """The tree of a filter; an empty filter matches everything. Raises StatusError (INVALID_ARGUMENT)."""
    if len(text) > MAX_FILTER_CHARACTERS:
        raise StatusError(
            "INVALID_ARGUMENT", f"The filter is longer than {MAX_FILTER_CHARACTERS} characters."
        )
    return _Parser(text).whole()


def matches(node: Node, entry: Entry) -> bool:
    """Whether the entry, in the shape that ``log_entries.as_dict`` gives, meets the filter."""
    if isinstance(node, All):
        return all(matches(term, entry) for term in node.terms)
    if isinstance(node, AnyOf):
        return any(matches(term, entry) for term in node.terms)
    if isinstance(node, Not):
        return not matches(node.term, entry)
    return log_values.compare(entry, node.path, operator=node.operator, value=node.value, quoted=node.quoted)


def conjuncts(node: Node) -> Iterator[Node]:
    """The terms that must all hold, for whoever can use an index on some of them."""
    if isinstance(node, All):
        for term in node.terms:
            yield from conjuncts(term)
    else:
        yield node


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split(text))
        self._next = 0

    def whole(self) -> Node:
        node = self._all(until_close=False) if self._tokens else All(())
        if self._next < len(self._tokens):
            raise self._error(self._tokens[self._next])
        return node

    def _split(self, text: str) -> Iterator[_Token]:
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(_Token("unknown", text[position], position))
            assert match.lastgroup is not None
            if match.lastgroup != "space":
                yield _Token(match.lastgroup, match[0], position)
            position = match.end()

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self) -> _Token:
        token = self._peek()
        if token is None:
            raise self._error(None)
        self._next += 1
        return token

    def _all(self, *, until_close: bool) -> Node:
        terms = [self._any(self._term)]
        while (token := self._peek()) is not None and token.kind != "close":
            if token.is_word("AND"):
                self._take()
            terms.append(self._any(self._term))
        if until_close and self._take().kind != "close":
            raise self._error(None)
        return terms[0] if len(terms) == 1 else All(tuple(terms))

    def _any(self, term: Callable[[], Node]) -> Node:
        terms = [term()]
        while (token := self._peek()) is not None and token.is_word("OR"):
            self._take()
            terms.append(term())
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def _term(self) -> Node:
        token = self._take()
        if token.kind == "minus" or token.is_word("NOT"):
            return Not(self._term())
        if token.kind == "open":
            return self._all(until_close=True)
        if token.kind != "word" or token.is_word("AND", "OR"):
            raise self._error(token)
        following = self._peek()
        if following is not None and following.kind == "operator":
            return self._comparison(_path(token.text))
        if following is not None and following.kind == "open" and following.at == token.at + len(token.text):
            return self._function(token)
        return Comparison((), ":", _unquote(token.text))

    def _comparison(self, path: tuple[str, ...]) -> Node:
        operator = self._take().text
        following = self._peek()
        if following is not None and following.kind == "open":
            self._take()
            return self._values(path, operator)
        return self._value(path, operator)

    def _values(self, path: tuple[str, ...], operator: str) -> Node:
        """``field = ("a" OR "b")``: the comparison is meant for each value."""

        def one() -> Node:
            token = self._peek()
            if token is not None and (token.kind == "minus" or token.is_word("NOT")):
                self._take()
                return Not(one())
            if token is not None and token.kind == "open":
                self._take()
                return self._values(path, operator)
            return self._value(path, operator)

        terms = [self._any(one)]
        while (token := self._take()).kind != "close":
            if not token.is_word("AND"):
                self._next -= 1
            terms.append(self._any(one))
        return terms[0] if len(terms) == 1 else All(tuple(terms))

    def _value(self, path: tuple[str, ...], operator: str) -> Comparison:
        token = self._take()
        text, end = token.text, token.at + len(token.text)
        if token.kind not in ("word", "minus"):
            raise self._error(token)
        # An unquoted time or name has colons in it: take what touches.
        while (
            (more := self._peek()) is not None
            and more.at == end
            and (more.kind == "word" or more.text in (":", "=") or token.kind == "minus")
        ):
            text, end, token = text + more.text, more.at + len(more.text), self._take()
        quoted = text[:1] in "\"'"
        return Comparison(path, operator, _unquote(text), quoted)

    def _function(self, name: _Token) -> Node:
        self._take()
        argument = self._take()
        if name.text != "log_id" or argument.kind != "word" or self._take().kind != "close":
            raise StatusError("INVALID_ARGUMENT", f"Unsupported function in the filter: {name.text}")
        return Comparison(("logId",), "=", _unquote(argument.text))

    def _error(self, token: _Token | None) -> StatusError:
        if token is None:
            return StatusError("INVALID_ARGUMENT", "Unparseable filter: unexpected end of the filter")
        line = self._text.count("\n", 0, token.at) + 1
        column = token.at - (self._text.rfind("\n", 0, token.at) + 1) + 1
        found = f"syntax error at line {line}, column {column}, token '{token.text}'"
        return StatusError("INVALID_ARGUMENT", f"Unparseable filter: {found}")


def _path(text: str) -> tuple[str, ...]:
    """Field names between dots; quotes protect dots and may cover a part of a name alone."""
    parts = [""]
    for match in _PART.finditer(text):
        if match.lastgroup == "dot":
            parts.append("")
        else:
            parts[-1] += _unquote(match[0])
    return tuple(parts)


def _unquote(text: str) -> str:
    if len(text) < 2 or text[0] not in "\"'" or text[-1] != text[0]:
        return text

    def replace(match: re.Match[str]) -> str:
        escaped = match[1]
        if escaped[0] in "ux" and len(escaped) > 1:
            return chr(int(escaped[1:], 16))
        if escaped.isdigit():
            return chr(int(escaped, 8))
        return _CONTROL.get(escaped, escaped)

    return _ESCAPE.sub(replace, text[1:-1])
