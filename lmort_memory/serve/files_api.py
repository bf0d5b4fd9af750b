"""What goes in and out of the memory in bulk: imports, exports, vectors for other programs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, Response

from lmort_memory.serve import inputs, schemas, wire
from lmort_memory.serve.http import ApiError, decode, json_reply, query_of
from lmort_memory.serve.imports import Upload
from lmort_memory.serve.queries import ExportQuery, ImportQuery
from lmort_memory.store.temporary import private_folder
from lmort_memory.types import one_scope

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from lmort_memory.memory import Memory
    from lmort_memory.serve.engine import Engine

__all__ = ["FilesAPI"]


class _Fleeting(FileResponse):
    """An export that is gone once it was sent, or refused, or nobody wanted it any more."""

    def __init__(self, path: Path, kept: ExitStack) -> None:
        super().__init__(path, media_type="application/jsonl", filename="memory.jsonl")
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # not a background task: an impossible range is answered without it
            self._kept.close()


class FilesAPI:
    """The handlers of imports, exports and borrowed vectors; each takes a request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def export(self, request: Request) -> Response:
        """Send records as JSON lines that `lmort-mem import` and /api/imports take back."""
        asked = query_of(request, ExportQuery)
        scope = None if asked.scope == "*" else asked.scope

        def export(memory: Memory) -> _Fleeting:
            with ExitStack() as stack:
                path = stack.enter_context(private_folder()) / "memory.jsonl"
                memory.export(path, scope=scope, vectors=asked.vectors)
                return _Fleeting(path, stack.pop_all())

        return await self._engine.on_memory(export)

    async def begin_import(self, request: Request) -> Response:
        """Import the file that the body is; progress is at /api/imports/{id}."""
        asked = query_of(request, ImportQuery)
        scope = one_scope(asked.scope or self._engine.options.scope)
        memory = await self._engine.memory()  # before gigabytes are taken for nothing
        upload, size = Upload(asked.name), 0
        try:
            async for part in request.stream():
                size += len(part)
                await self._engine.run(lambda part=part: upload.write(part))  # type: ignore[misc]
            if not size:
                raise ApiError(422, "the body is the file to import; found an empty one")
            path = await self._engine.run(upload.finish)
        except BaseException:
            upload.discard()
            raise
        begun = self._engine.imports.begin(memory, path, name=upload.name, scope=scope)
        return json_reply(begun, 202)

    async def imports(self, _: Request) -> Response:
        """List the imports since the server was started, newest first."""
        return json_reply(schemas.ImportList(imports=self._engine.imports.list()))

    async def get_import(self, request: Request) -> Response:
        """Say how far an import is."""
        return self._shown_import(self._engine.imports.get(request.path_params["id"]))

    async def cancel_import(self, request: Request) -> Response:
        """End an import after its present step; what is stored stays."""
        return self._shown_import(self._engine.imports.cancel(request.path_params["id"]))

    async def encoder(self, _: Request) -> Response:
        """Describe the encoder, for programs that borrow it."""
        memory = await self._engine.memory()
        encoder, options = memory.encoder, self._engine.options
        assert encoder is not None and memory.backbone is not None
        return json_reply(
            schemas.EncoderFacts(
                space=encoder.space,
                dim=encoder.dim,
                tier=getattr(encoder, "tier", ""),
                model=str(memory.backbone.facts.path),
                tuner=None if options.tuner is None else str(options.tuner),
                provenance=dict(getattr(encoder, "provenance", {})),
                token_codes=options.token_codes,
                token_kind=getattr(encoder, "token_kind", None),
            )
        )

    async def encode(self, request: Request) -> Response:
        """Make vectors for another program of this user."""
        asked = await decode(request, inputs.Encode)

        def encode(memory: Memory) -> schemas.EncodedTexts:
            assert memory.encoder is not None
            if asked.space not in (None, memory.encoder.space):
                raise ApiError(
                    409, f"vectors are of the space {memory.encoder.space}", code="other_space"
                )
            make = wire.query if asked.query else wire.texts
            return schemas.EncodedTexts(
                encoded=make(memory.encoder, asked.texts, tokens=asked.tokens)
            )

        return json_reply(await self._engine.on_memory(encode))

    @staticmethod
    def _shown_import(found: schemas.Import | None) -> Response:
        if found is None:
            raise ApiError(404, "there is no such import", code="import_not_found")
        return json_reply(found)
