"""The routes of the memory API, and their description in OpenAPI 3.1, from one table."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from inspect import getdoc
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.routing import Route

from lmort_memory.serve import inputs, queries, schemas
from lmort_memory.serve.files_api import FilesAPI
from lmort_memory.serve.http import ApiError, failure, guarded
from lmort_memory.serve.memory_api import MemoryAPI

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from lmort_memory.serve.engine import Engine
    from lmort_memory.serve.http import Handler

__all__ = ["Operation", "describe", "operations", "routes"]

# All of them: a method that a path does not take would be the page's, which takes only GET.
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_REFS = "#/components/schemas/{name}"


@dataclass(frozen=True, slots=True)
class Operation:
    """A route.

    Attributes:
        method: HTTP method.
        path: With `{id}` for an id.
        handler: Answers; its docstring describes it.
        reply: What it answers; None for a file.
        status: With this status.
        body: What it takes as JSON; "file" for any bytes.
        query: Its parameters.
    """

    method: str
    path: str
    handler: Handler
    reply: type[schemas.Reply] | None
    status: int = 200
    body: type[schemas.Request] | str | None = None
    query: type[schemas.Request] | None = None


def operations(engine: Engine) -> list[Operation]:
    """Return every route of the memory API."""
    of, q, i, s, files = Operation, queries, inputs, schemas, FilesAPI(engine)
    api = MemoryAPI(engine)
    return [
        of("GET", "/api/status", api.status, s.Status),
        of("POST", "/api/records", api.add, s.Record, 201, i.AddRecord),
        of("GET", "/api/records", api.list, s.RecordPage, query=q.ListQuery),
        of("POST", "/api/records/batch", api.add_many, s.Added, 201, i.AddRecords),
        of("GET", "/api/records/count", api.count, s.Count, query=q.Chosen),
        of("GET", "/api/records/{id}", api.get, s.RecordDetail, query=q.DetailQuery),
        of("PATCH", "/api/records/{id}", api.edit, s.Record, body=i.EditRecord),
        of("DELETE", "/api/records/{id}", api.forget_one, s.Receipt),
        of("POST", "/api/records/{id}/supersede", api.supersede, s.Record, 201, i.Supersede),
        of("POST", "/api/search", api.search, s.Hits, body=i.Search),
        of("POST", "/api/forget", api.forget, s.Forgotten, body=i.Forget),
        of("GET", "/api/sessions", api.sessions, s.SessionPage, query=q.PageQuery),
        of("GET", "/api/sources", api.sources, s.SourcePage, query=q.PageQuery),
        of("GET", "/api/ledger", api.ledgers, s.LedgerList, query=q.LedgerQuery),
        of("GET", "/api/ledger/{id}", api.ledger, s.Ledger),
        of("GET", "/api/map", api.map, s.Map, query=q.MapQuery),
        of("GET", "/api/export", files.export, None, query=q.ExportQuery),
        of("POST", "/api/imports", files.begin_import, s.Import, 202, "file", q.ImportQuery),
        of("GET", "/api/imports", files.imports, s.ImportList),
        of("GET", "/api/imports/{id}", files.get_import, s.Import),
        of("POST", "/api/imports/{id}/cancel", files.cancel_import, s.Import),
        of("GET", "/api/encoder", files.encoder, s.EncoderFacts),
        of("POST", "/api/encode", files.encode, s.EncodedTexts, body=i.Encode),
    ]


def routes(found: list[Operation]) -> list[Route]:
    """Return Starlette's routes, one for each path, so that each knows all of its methods."""
    by_path: dict[str, dict[str, Handler]] = {}
    for one in found:
        by_path.setdefault(one.path, {})[one.method] = guarded(one.handler)
    return [
        Route(path, _dispatch(handlers), methods=_METHODS) for path, handlers in by_path.items()
    ]


def _dispatch(handlers: dict[str, Handler]) -> Handler:
    async def handle(request: Request) -> Response:
        handler = handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is not None:
            return await handler(request)
        refused = failure(ApiError(405, f"{request.url.path} does not take {request.method}"))
        refused.headers["Allow"] = ", ".join(handlers)
        return refused

    return handle


def describe(found: list[Operation]) -> dict[str, Any]:
    """Return the description in OpenAPI 3.1."""
    kinds: list[type[msgspec.Struct]] = [schemas.Failure]
    for one in found:
        kinds += [k for k in (one.reply, one.body) if isinstance(k, type) and k not in kinds]
    _, components = msgspec.json.schema_components(kinds, ref_template=_REFS)
    components["EditRecord"]["minProperties"] = 1
    components["Forget"]["anyOf"] = [
        _given(name) for name in ("ids", "scope", "session", "source", "where")
    ]
    components["Supersede"]["oneOf"] = [
        {"required": [name], "properties": {name: {"type": "string"}}, "not": other}
        for name, other in (("by", _given("text")), ("text", _given("by")))
    ]
    paths: dict[str, Any] = {}
    for one in found:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lmort-memory",
            "version": version("lmort-memory"),
            "description": "One resident memory for every program on this machine.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _given(name: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _operation(one: Operation) -> dict[str, Any]:
    text = getdoc(one.handler) or ""
    described: dict[str, Any] = {
        "operationId": one.handler.__name__,
        "summary": text.split("\n")[0],
        "parameters": _parameters(one),
        "responses": {
            str(one.status): _content(one.reply),
            **{status: _failure(text) for status, text in _failures(one).items()},
        },
    }
    if one.body == "file":
        anything: dict[str, Any] = {"application/octet-stream": {"schema": {}}}
        described["requestBody"] = {"required": True, "content": anything}
    elif isinstance(one.body, type):
        schema = {"$ref": _REFS.format(name=one.body.__name__)}
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _content(reply: type[schemas.Reply] | None) -> dict[str, Any]:
    if reply is None:
        return {"description": "The file.", "content": {"application/jsonl": {"schema": {}}}}
    schema = {"$ref": _REFS.format(name=reply.__name__)}
    return {
        "description": (getdoc(reply) or "").split("\n")[0],
        "content": {"application/json": {"schema": schema}},
    }


def _failures(one: Operation) -> dict[str, str]:
    found = {"401": "The token is missing or wrong.", "503": "The model could not be loaded."}
    if one.body is inputs.Encode:
        found["409"] = "The server makes vectors of another space."
    if one.body is inputs.Supersede:
        found["409"] = (
            "The record cannot be superseded by that one: it is the same, or is not there."
        )
    if "{id}" in one.path:
        found["404"] = "There is nothing of this id."
    if one.body is not None:
        found["413"] = "The body is too large."
    if isinstance(one.body, type):
        found["415"] = "The body is not application/json."
    if one.body is not None or one.query is not None:
        found["400"] = "Something does not fit together."
        found["422"] = "A field or parameter is not as described."
    return dict(sorted(found.items()))


def _failure(text: str) -> dict[str, Any]:
    schema = {"$ref": _REFS.format(name="Failure")}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _parameters(one: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if "{id}" in one.path:
        found.append({"name": "id", "in": "path", "required": True, "schema": {"type": "string"}})
    if one.query is None:
        return found
    _, components = msgspec.json.schema_components([one.query], ref_template=_REFS)
    schema = components[one.query.__name__]
    for name, shape in schema["properties"].items():
        parameter: dict[str, Any] = {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
        }
        if name == "where":
            parameter["content"] = {"application/json": {"schema": {"type": "object"}}}
        else:
            parameter["schema"] = _without_null(shape)
        found.append(parameter)
    return found


def _without_null(shape: dict[str, Any]) -> dict[str, Any]:
    """Leave out the null of an optional parameter: a query has none."""
    options = [one for one in shape.get("anyOf", ()) if one.get("type") != "null"]
    return options[0] if len(options) == 1 else shape
