"""MCP with clients and suites that others wrote."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from tests.suites.serve.servers import environment

HERE = Path(__file__).parent
TOOLS = [
    "memory_search",
    "memory_add",
    "memory_get",
    "memory_update",
    "memory_forget",
    "memory_status",
]
NPM = os.environ.get("LMORT_NPM", "")  # a folder in which npm has installed the two packages


async def go_through(client):
    """Use every tool as a model would; return what a search found."""
    assert [tool.name for tool in (await client.list_tools()).tools] == TOOLS
    added = await client.call_tool("memory_add", {"text": "The hive's queen is called Freya."})
    id_ = added.structured_content["id"]
    found = await client.call_tool("memory_search", {"query": "What is the queen called?"})
    notes = found.structured_content["notes"]
    assert notes[0]["id"] == id_
    await client.call_tool("memory_update", {"id": id_, "text": "The queen is called Saga."})
    whole = await client.call_tool("memory_get", {"id": id_})
    assert whole.structured_content["note"]["text"] == "The queen is called Saga."
    assert "Saga" in (await client.read_resource(f"memory://records/{id_}")).contents[0].text
    assert "Saga" in (await client.read_resource("memory://recent")).contents[0].text
    prompt = await client.get_prompt("recall", {"topic": "queen"})
    assert "Saga" in prompt.messages[0].content.text
    receipt = await client.call_tool("memory_forget", {"ids": [id_]})
    assert receipt.structured_content["verified"]
    gone = await client.call_tool("memory_get", {"id": id_})
    assert gone.is_error and id_ in gone.content[0].text
    return notes


def test_in_memory(tmp_path):
    """The SDK's client talks to the server object itself."""
    from lmort_memory import Memory
    from lmort_memory.serve.mcp_server import make_server

    with Memory.open(tmp_path / "m.db") as memory:

        async def on_memory(job):
            return await anyio.to_thread.run_sync(lambda: job(memory))

        async def main():
            async with Client(make_server(on_memory)) as client:
                await go_through(client)

        anyio.run(main)


def stdio(home):
    """Return the transport to `lmort-mem mcp`, started as a client starts it."""
    return stdio_client(
        StdioServerParameters(
            command=sys.executable,
            args=["-m", "lmort_memory.cli", "mcp"],
            env=environment(home),
        )
    )


def test_stdio(tmp_path):
    """Over stdio, with a model of the process's own."""

    async def main():
        async with Client(stdio(tmp_path)) as client:
            await go_through(client)

    anyio.run(main)


def test_http_needs_the_token(server):
    """Over HTTP under /mcp, with the token and not without."""
    import httpx

    async def main():
        from mcp.client.streamable_http import streamable_http_client

        async with httpx_client(server) as http:
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            async with Client(transport) as client:
                await go_through(client)

    anyio.run(main)
    assert httpx.post(f"{server.url}/mcp", json={}).status_code == 401


def httpx_client(server):
    """Return the kind of HTTP client that the SDK wants, with the token."""
    from mcp.shared._httpx_utils import create_mcp_http_client

    return create_mcp_http_client(headers=server.headers)


def test_output_is_bounded(tmp_path):
    """A page keeps its budget, and what was cut is to be had by cursor and offset."""
    from lmort_memory import Memory
    from lmort_memory.serve.mcp_server import make_server

    with Memory.open(tmp_path / "m.db", with_model=False) as memory:
        memory.add([f"bees {i} " + "and honey " * 400 for i in range(40)], scope="default")

        async def on_memory(job):
            return job(memory)

        async def main():
            seen, cursor = [], None
            async with Client(make_server(on_memory)) as client:
                while True:
                    asked = {"query": "bees", "limit": 20, "max_tokens": 1000, "cursor": cursor}
                    page = await client.call_tool("memory_search", asked)
                    found = page.structured_content
                    assert len(json.dumps(found)) < 1000 * 4 * 1.3
                    seen += [note["id"] for note in found["notes"]]
                    cursor = found["next_cursor"]
                    if cursor is None:
                        break
                assert len(seen) == len(set(seen)) == 40
                text, offset = "", 0
                while offset is not None:
                    part = await client.call_tool("memory_get", {"id": seen[0], "offset": offset})
                    text += part.structured_content["note"]["text"]
                    offset = part.structured_content["next_offset"]
                assert text == memory.get(seen[0]).text

        anyio.run(main)


def test_what_stands_around_a_record(tmp_path):
    """Turns before and after it go by time, not by when they were stored; links stand apart."""
    from lmort_memory import Memory, Source, Turn
    from lmort_memory.serve.mcp_server import make_server

    def said(text, hour):
        return Turn(text, session="s", created_at=datetime(2024, 1, 1, hour, tzinfo=UTC))

    def note(text, name, **metadata):
        return Turn(text, role="note", source=Source(f"file:///{name}.md"), metadata=metadata)

    async def texts_around(client, record):
        found = (await client.call_tool("memory_get", {"id": record.id})).structured_content
        return [[one["text"] for one in found[part]] for part in ("before", "after", "linking")]

    with Memory.open(tmp_path / "m.db", with_model=False) as memory:
        wax = memory.add(note("Wax, see Hives", "Wax", links=["Hives"]))
        noon = memory.add(said("noon", 12))
        memory.add([said("evening", 20), said("morning, told later", 8)])
        hives = memory.add(note("Hives", "Hives"))

        async def on_memory(job):
            return job(memory)

        async def main():
            async with Client(make_server(on_memory)) as client:
                around = await texts_around(client, noon)
                assert around == [["morning, told later"], ["evening"], []]
                assert await texts_around(client, hives) == [[], [], [wax.text]]

        anyio.run(main)


def test_stdout_is_json_rpc_alone(tmp_path):
    """Whatever a library prints to descriptor 1 goes to stderr."""
    script = (
        "import os, sys, threading, lmort_memory.serve.mcp_stdio as s\n"
        "from lmort_memory import Memory\n"
        "def opened():\n"
        "    os.write(1, b'a library prints\\n'); print('so does Python', flush=True)\n"
        "    return Memory.open(sys.argv[1], with_model=False)\n"
        "s.run_stdio(opened, scope='default')\n"
    )
    asked = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"}}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call",
         "params": {"name": "memory_status", "arguments": {}}},
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "m.db")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        for message in asked:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        rest, said = process.communicate(timeout=20)
    assert {answer["id"] for answer in answers} == {1, 2}
    assert rest == ""
    assert "a library prints" in said


def test_half_an_emoji_over_stdio_is_answered(tmp_path):
    """The SDK drops such a line, and the client would wait for ever."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lmort_memory.cli", "mcp"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment(tmp_path),
    )  # fmt: skip
    with process:
        process.stdin.write(
            b'{"jsonrpc": "2.0", "id": "cut \\ud83d", "method": "initialize", "params": {'
            b'"protocolVersion": "2025-06-18", "capabilities": {}, '
            b'"clientInfo": {"name": "t", "version": "1"}}}\n'
        )
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == "cut \ufffd"
        process.stdin.close()
        assert process.wait(60) == 0


def test_what_goes_wrong_is_told_in_words(tmp_path):
    """A cursor that is none, and a record that is not there, of a tool and of a resource."""
    from lmort_memory import Memory
    from lmort_memory.serve.mcp_server import make_server

    with Memory.open(tmp_path / "m.db", with_model=False) as memory:

        async def on_memory(job):
            return job(memory)

        async def main():
            async with Client(make_server(on_memory)) as client:
                told = await client.call_tool("memory_search", {"query": "bees", "cursor": "²"})
                assert told.is_error and "not one of ours" in told.content[0].text
                with pytest.raises(MCPError, match="no record has the id 'nope'"):
                    await client.read_resource("memory://records/nope")

        anyio.run(main)


def test_half_an_emoji_over_http_is_stored(server):
    """And is not a parse error: the text has U+FFFD in its place."""
    import httpx

    call = (
        '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "memory_add", '
        '"arguments": {"text": "cut \\ud83d"}}}'
    )
    headers = {
        **server.headers,
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
    }
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        begun = client.post("/mcp", json={
            "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"}}})  # fmt: skip
        client.headers["Mcp-Session-Id"] = begun.headers["Mcp-Session-Id"]
        client.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert "cut \ufffd" in client.post("/mcp", content=call).text


@pytest.mark.skipif(not NPM, reason="set LMORT_NPM to a folder with the npm packages")
def test_conformance(fresh_server, node):
    """The protocol's own conformance suite, but for what is listed with a reason."""
    server = fresh_server("--no-token")
    program = Path(NPM) / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
    done = subprocess.run(
        [node, program, "server", "--url", f"{server.url}/mcp", "--suite", "active",
         "--expected-failures", HERE / "conformance-expected-failures.yml"],
        capture_output=True, text=True, timeout=300, cwd=server.home,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.skipif(not NPM, reason="set LMORT_NPM to a folder with the npm packages")
def test_inspector(tmp_path, node):
    """The inspector's command line lists and calls the tools over stdio."""
    program = Path(NPM) / "node_modules/.bin/mcp-inspector"
    command = [
        node, program.resolve(), "--cli", sys.executable, "-m", "lmort_memory.cli", "mcp",
        "--method",
    ]  # fmt: skip

    def run(*rest):
        done = subprocess.run(
            [*command, *rest], capture_output=True, text=True, timeout=300,
            env=environment(tmp_path), check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    assert [tool["name"] for tool in run("tools/list")["tools"]] == TOOLS
    kept = run("tools/call", "--tool-name", "memory_add", "--tool-arg", "text=Bees sleep.")
    assert kept["structuredContent"]["text"] == "Bees sleep."


def test_mcpcheck(fresh_server):
    """jbt-mcpcheck's eight checks of the protocol of 2026-07-28."""
    server = fresh_server("--no-token")
    done = subprocess.run(
        [Path(sys.executable).parent / "mcpcheck", f"{server.url}/mcp", "--json"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
