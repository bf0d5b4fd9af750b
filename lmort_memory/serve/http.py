"""Requests in, replies out: bodies decoded and bounded, errors in OpenAI's form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from lmort_memory.errors import LmortError, RecordNotFoundError
from lmort_memory.serve.schemas import FORMS
from lmort_memory.text import escaped_controls, whole_json

__all__ = [
    "ApiError",
    "Handler",
    "decode",
    "failure",
    "from_json",
    "guarded",
    "in_words",
    "json_reply",
    "place_of",
    "query_of",
    "to_json",
]

T = TypeVar("T")
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

_encoder = msgspec.json.Encoder(enc_hook=lambda value: _other(value))


class ApiError(Exception):
    """An error that a client is told, with its status.

    Attributes:
        status: HTTP status.
        kind: OpenAI's `type`.
        code: OpenAI's `code`, for programs.
        param: The field at fault.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param


def to_json(value: object) -> bytes:
    """Encode one of our values; no stored character can move a terminal's cursor.

    Somebody may read an answer with curl.
    """
    written = _encoder.encode(value)
    return escaped_controls(written.decode()).encode()


def json_reply(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a value as a JSON response."""
    return Response(to_json(value), status, headers, media_type="application/json")


def failure(error: ApiError) -> Response:
    """Return an error as a response."""
    body = {
        "message": str(error),
        "type": error.kind,
        "param": error.param,
        "code": error.code,
    }
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return json_reply({"error": body}, error.status, headers)


def guarded(handler: Handler) -> Handler:
    """Turn the errors of a handler into replies."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except ApiError as error:
            return failure(error)
        except RecordNotFoundError as error:
            return failure(ApiError(404, str(error), code="record_not_found"))
        except ValueError as error:
            return failure(ApiError(400, str(error)))
        except LmortError as error:
            return failure(ApiError(500, str(error), kind="server_error"))

    return handle


async def decode(request: Request, kind: type[T]) -> T:
    """Read a JSON body.

    Raises:
        ApiError: it is not JSON, or not of this kind.
    """
    media = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if media not in ("application/json", ""):
        raise ApiError(415, f"send application/json; found {media!r}")
    try:
        return from_json(await request.body(), kind)
    except msgspec.ValidationError as error:
        raise ApiError(422, in_words(error), param=place_of(str(error))) from error


def from_json(body: bytes, kind: type[T]) -> T:
    """Read JSON; half an emoji, as clients send when they cut a text, becomes U+FFFD.

    Raises:
        ApiError: it is not JSON.
        msgspec.ValidationError: it is not of this kind.
    """
    try:
        return msgspec.json.decode(whole_json(body), type=kind)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, f"the body is not valid JSON: {error}") from error


def query_of(request: Request, kind: type[T]) -> T:
    """Read the parameters of a query.

    Raises:
        ApiError: an unknown one, one given twice, or a value out of its range.
    """
    fields: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in fields:
            raise ApiError(422, f"the parameter {name!r} is given twice", param=name)
        fields[name] = value
    if "where" in fields:
        try:
            fields["where"] = msgspec.json.decode(fields["where"].encode("utf-8", "surrogatepass"))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ApiError(422, f"where is not valid JSON: {error}", param="where") from error
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ApiError(422, in_words(error), param=place_of(str(error))) from error


def in_words(error: msgspec.ValidationError) -> str:
    """Return what is wrong with a request; a form is named by what it is, not by its regex."""
    message = str(error)
    for pattern, words in FORMS.items():
        message = message.replace(f"`str` matching regex {pattern!r}", words)
    return message


def place_of(message: str) -> str | None:
    """Return the field that msgspec names: "… - at `$.top_k`"."""
    _, found, place = message.rpartition("at `$.")
    return place.rstrip("`") if found else None


def _other(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "item"):  # a NumPy number
        return value.item()
    raise NotImplementedError(f"no JSON for a {type(value).__name__}")
