"""One process holds model and memory; every other program uses it over HTTP.

    OpenAI clients ──► /v1   ─┐
    the page, curl ──► /api  ─┼─► Engine ──► Memory + Chat ──► one model, one SQLite file
    MCP clients    ──► /mcp  ─┤      priorities: chat, recall, import
    lmort-mem      ──► /api/encode (borrows the model)

`app` puts the routes together, `guard` decides who may use them, `conversations` gives every
request the context that holds its conversation. Starlette, uvicorn and msgspec (extra `serve`) are
known here and nowhere else; MCP's SDK (extra `mcp`) in `mcp_server` and `mcp_http` alone.
"""
