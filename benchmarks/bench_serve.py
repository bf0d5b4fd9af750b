"""The server: under load, killed, its memory beside its clients', its speed beside llama.cpp's own.

    python -m benchmarks.bench_serve load   [--clients 32] [--seconds 60]
    python -m benchmarks.bench_serve kill   [--rounds 10]
    python -m benchmarks.bench_serve memory
    python -m benchmarks.bench_serve speed  [--rounds 10] [--model GGUF] [--llama-server PROGRAM]
    … --out benchmarks/results/serve_NAME.json

Wants the extras `serve` and `mcp`. "load": clients that each search (6 of 10 requests), add (3) and
chat (1) one after the other; afterwards every record that was acknowledged must be there. "kill":
clients add until the server gets SIGKILL; the next one must have all that was acknowledged.
"memory": proportional set sizes (PSS) from /proc, so that shared pages count once. "speed": a
streamed completion of the endpoint, plain and with memory, beside llama.cpp's own server, if its
program is named, and llama-cpp-python's `Llama` in a process of its own, without HTTP; on the same
file with the same threads, prompts that share nothing, all in turn.
Wall clocks mean nothing on a busy machine; `cpu_s` is the processor time of the process that
computes, from /proc, and its least value is the one that other work disturbed least.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks.environment import environment, show
from tests.suites.serve.servers import Running, start
from tests.suites.serve.servers import environment as home_of

WORDS = [
    "bees",
    "hive",
    "queen",
    "winter",
    "ferry",
    "harbour",
    "garden",
    "letter",
    "piano",
    "Trondheim",
    "Bodø",
    "ladder",
    "engine",
]
Results = dict[str, Any]
WARM = 4  # rounds that do not count: a server of ours opens so many contexts before it reuses one


class Caller:
    """One client with one connection."""

    def __init__(self, server: Running) -> None:
        host, _, port = server.url.removeprefix("http://").partition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=600)
        self._headers = {"Content-Type": "application/json", **server.headers}
        self._model = server.model

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request; return the status and the JSON of the answer."""
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, self._headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def search(self, text: str) -> int:
        """Search; return the status."""
        return self.ask("POST", "/api/search", {"query": text, "top_k": 5})[0]

    def add(self, text: str) -> str | None:
        """Add a text; return its id once it is acknowledged."""
        status, answer = self.ask("POST", "/api/records", {"text": text})
        return answer["id"] if status == 201 else None

    def chat(self, text: str) -> int:
        """Chat with memory; return the status."""
        body = {
            "model": f"{self._model}+memory",
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 16,
        }
        return self.ask("POST", "/v1/chat/completions", body)[0]


def sentence(rng: random.Random) -> str:
    """Return some words that nobody said before."""
    return " ".join(rng.choices(WORDS, k=8)) + f" {rng.getrandbits(48):x}."


def story(rng: random.Random, words: int) -> str:
    """Return a prompt that shares nothing but its beginning with others."""
    return "Tell a long story with " + " ".join(rng.choices(WORDS, k=words)) + "."


def ids_of(server: Running) -> set[str]:
    """Return the id of every record, page by page."""
    caller, found, before = Caller(server), set(), ""
    while True:
        page = caller.ask("GET", f"/api/records?limit=500{before}")[1]
        found |= {record["id"] for record in page["records"]}
        if page["next"] is None:
            return found
        before = f"&before={page['next']}"


def percentiles(times: list[float]) -> Results:
    """Return milliseconds at 50 and 99 %, and the longest."""
    ordered = sorted(times)
    at = lambda share: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)  # noqa: E731
    return {"n": len(ordered), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1)}


def load(folder: Path, options: argparse.Namespace) -> Results:
    """Many clients at once; nothing acknowledged may be missing."""
    server = start(folder)
    times: dict[str, list[float]] = defaultdict(list)
    failed: Counter[str] = Counter()
    kept: list[str] = []
    end = time.monotonic() + options.seconds

    def client(seed: int) -> None:
        rng, caller = random.Random(seed), Caller(server)
        while time.monotonic() < end:
            kind = rng.choices(("search", "add", "chat"), (6, 3, 1))[0]
            began = time.perf_counter()
            try:
                answer = getattr(caller, kind)(sentence(rng))
            except (OSError, http.client.HTTPException, ValueError) as error:
                failed[f"{kind}: {error!r}"] += 1
                caller = Caller(server)
                continue
            times[kind].append(time.perf_counter() - began)
            if kind == "add" and answer:
                kept.append(answer)
            elif answer not in (200, 201):
                failed[f"{kind}: {answer}"] += 1

    _all(client, range(options.clients))
    missing = set(kept) - ids_of(server)
    server.stop()
    return {
        "clients": options.clients,
        "seconds": options.seconds,
        "failed": dict(failed),
        "acknowledged": len(kept),
        "missing": len(missing),
        "exit_status": server.process.returncode,
        **{kind: percentiles(found) for kind, found in times.items()},
    }


def kill(folder: Path, options: argparse.Namespace) -> Results:
    """SIGKILL in the middle of adds and chats; the next server has what was acknowledged."""
    kept: list[str] = []
    ready, missing = [], 0
    rng = random.Random(7)
    for round_ in range(options.rounds):
        began = time.monotonic()
        server = start(folder)
        ready.append(time.monotonic() - began)
        missing += len(set(kept) - ids_of(server))

        def client(seed: int, server: Running = server, round_: int = round_) -> None:
            own, caller = random.Random(1000 * round_ + seed), Caller(server)
            try:
                while True:
                    if own.random() < 0.1:
                        caller.chat(sentence(own))
                    elif id_ := caller.add(sentence(own)):
                        kept.append(id_)
            except (OSError, http.client.HTTPException, ValueError):
                return

        timer = threading.Timer(rng.uniform(0.5, 3), os.kill, (server.process.pid, signal.SIGKILL))
        timer.start()
        _all(client, range(8))
        server.process.wait()
    server = start(folder)
    missing += len(set(kept) - ids_of(server))
    server.stop()
    verified = subprocess.run(
        [sys.executable, "-m", "lmort_memory.cli", "verify"],
        env=home_of(folder), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {
        "rounds": options.rounds,
        "acknowledged": len(kept),
        "missing": missing,
        "start_s": round(statistics.median(ready), 2),
        "verify_status": verified.returncode,
    }


def pss_mb(pid: int) -> float:
    """Return a process's proportional set size in megabytes."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1000


class Editor:
    """An MCP client as an editor is one: `lmort-mem mcp` over stdio."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lmort_memory.cli", "mcp"],
            env=home_of(folder) | variables, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}}
        hello["clientInfo"] = {"name": "editor", "version": "1"}
        began = time.perf_counter()
        self.ask("initialize", hello)
        self.first_answer_s = time.perf_counter() - began
        self._send({"method": "notifications/initialized"})
        call = {"name": "memory_search", "arguments": {"query": "Where are the bees?"}}
        self.found = self.ask("tools/call", call)["structuredContent"]
        self.first_search_s = time.perf_counter() - began

    def ask(self, method: str, params: object) -> Any:
        """Send a request and return its result."""
        self._send({"id": 1, "method": method, "params": params})
        return json.loads(self.process.stdout.readline())["result"]

    def _send(self, message: Results) -> None:
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()


def memory(folder: Path, _: argparse.Namespace) -> Results:
    """The server with no, one and four clients; the same clients without a server."""
    found: Results = {}
    server = start(folder)
    Caller(server).add("The bees are behind the barn.")
    for clients in (0, 1, 4):
        found[f"server_{clients}_clients"] = _sizes(folder, clients, server.process.pid)
    server.stop()
    for clients in (1, 4):
        found[f"alone_{clients}_clients"] = _sizes(folder, clients, None, LMORT_SERVER="off")
    return found


def _sizes(folder: Path, clients: int, server: int | None, **variables: str) -> Results:
    editors = [Editor(folder, **variables) for _ in range(clients)]
    assert all(editor.found["notes"] for editor in editors)
    time.sleep(1)
    own = [round(pss_mb(editor.process.pid), 1) for editor in editors]
    serving = 0.0 if server is None else round(pss_mb(server), 1)
    for editor in editors:
        editor.process.stdin.close()
        editor.process.wait(120)
    return {
        "server_mb": serving,
        "clients_mb": own,
        "all_mb": round(serving + sum(own), 1),
        "first_answer_s": [round(editor.first_answer_s, 2) for editor in editors],
        "first_search_s": [round(editor.first_search_s, 2) for editor in editors],
    }


def speed(folder: Path, options: argparse.Namespace) -> Results:
    """First token, tokens a second and processor time beside llama-cpp-python's own loop."""
    from lmort_memory.backbone import fast_default_path

    path = Path(options.model) if options.model else fast_default_path(folder / "cache/models")
    threads = options.threads or min(4, len(os.sched_getaffinity(0)))
    os.environ["LMORT_THREADS"] = str(threads)
    # A process for each, so that everybody finds the beginning of the last prompt in its cache.
    plain, remembering = (
        start(folder / name, "--model", str(path)) for name in ("plain", "memory")
    )
    own = OwnLoop(path, threads)
    peers = dict[str, Running]()
    if options.llama_server:
        for name, ways in {"llama-server": (), "llama-server -fa off": ("-fa", "off")}.items():
            peers[name] = llama_server(options.llama_server, path, threads, ways)
    found: dict[str, list[Timed]] = defaultdict(list)
    for round_ in range(WARM + options.rounds):
        rng = random.Random(round_)
        prompt = story(rng, options.words)
        runs: list[tuple[str, Callable[[], Timed]]] = [
            ("endpoint", lambda p=prompt: streamed(plain, p, options.tokens)),
            ("own loop", lambda p=prompt: own.run(_request(p, options.tokens))),
            (
                "endpoint+memory",
                lambda p=prompt: streamed(remembering, p, options.tokens, "+memory"),
            ),
        ]
        for name, peer in peers.items():
            runs.append((name, lambda p=prompt, at=peer: streamed(at, p, options.tokens)))
        rng.shuffle(runs)
        for name, run in runs:
            timed = run()
            if round_ >= WARM:
                found[name].append(timed)
    plain.stop()
    remembering.stop()
    own.stop()
    for peer in peers.values():
        peer.stop()
    return {
        "model": path.name,
        "rounds": options.rounds,
        "tokens": options.tokens,
        "words": options.words,
        "threads": threads,
        **{name: _speeds(rows) for name, rows in found.items()},
    }


Timed = tuple[float, float, float]  # first token s, tokens/s, processor s


def _speeds(rows: list[Timed]) -> Results:
    return {
        "first_token_ms": round(1000 * statistics.median(f for f, _, _ in rows), 1),
        "tokens_per_s": round(statistics.median(t for _, t, _ in rows), 2),
        "cpu_s": round(statistics.median(c for _, _, c in rows), 3),
        "cpu_s_least": round(min(c for _, _, c in rows), 3),
    }


def _request(prompt: str, tokens: int) -> Results:
    return {
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0.8,
        "top_k": 40,
        "top_p": 0.9,
        "min_p": 0.05,
        "repeat_penalty": 1.0,
        "seed": 1,
        "logit_bias": {"2": -100, "0": -100},
        "stream": True,
    }


def _figures(began: float, at: list[float], cpu: float) -> Timed:
    return at[0] - began, (len(at) - 1) / (at[-1] - at[0]), cpu


def _cpu_s(pid: int) -> float:
    """Return the processor time of a process and its threads, to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def streamed(server: Running, prompt: str, tokens: int, suffix: str = "") -> Timed:
    """Chat with the model of this suffix, and time the stream."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=600)
    body = _request(prompt, tokens) | {"model": server.model + suffix}
    before, began, at = _cpu_s(server.process.pid), time.perf_counter(), []
    headers = {"Content-Type": "application/json", **server.headers}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    for line in connection.getresponse():
        if b'"content":' in line and b'"content":""' not in line:
            at.append(time.perf_counter())
    connection.close()
    return _figures(began, at, _cpu_s(server.process.pid) - before)


def llama_server(program: Path, model: Path, threads: int, ways: Sequence[str]) -> Running:
    """Start llama.cpp's server, with as many threads and as large a context as ours."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "-m", model, "-t", threads, "-c", 4096, "-np", 1, "--port", port, *ways]
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    running = Running(process, f"http://127.0.0.1:{port}", "", model.parent, model.stem)
    for _ in range(600):
        with suppress(OSError), urllib.request.urlopen(f"{running.url}/health") as answer:
            if answer.status == HTTPStatus.OK:
                return running
        time.sleep(0.1)
    raise RuntimeError(f"{program} did not begin to serve")


class OwnLoop:
    """llama-cpp-python's `Llama` in a process of its own, as the server has one."""

    _PROGRAM = """
import json, sys, time
from llama_cpp import Llama
model = Llama(sys.argv[1], n_ctx=4096, n_threads=int(sys.argv[2]),
              n_threads_batch=int(sys.argv[2]), verbose=False)
print("ready", flush=True)
for line in sys.stdin:
    began, at = time.perf_counter(), []
    for chunk in model.create_chat_completion(**json.loads(line)):
        if chunk["choices"][0]["delta"].get("content"):
            at.append(time.perf_counter())
    print(json.dumps([began, at]), flush=True)
"""

    def __init__(self, path: Path, threads: int) -> None:
        command = [sys.executable, "-c", self._PROGRAM, str(path), str(threads)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._process.stdout.readline()

    def run(self, request: Results) -> Timed:
        """Answer a request."""
        before = _cpu_s(self._process.pid)
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        began, at = json.loads(self._process.stdout.readline())
        return _figures(began, at, _cpu_s(self._process.pid) - before)

    def stop(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait()


def _all(job: Callable[[int], None], seeds: range) -> None:
    threads = [threading.Thread(target=job, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Measure one thing and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=("load", "kill", "memory", "speed"))
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--words", type=int, default=300, help="words of a prompt")
    parser.add_argument("--threads", type=int, help="compute threads; all cores, at most 4")
    parser.add_argument("--model")
    parser.add_argument("--llama-server", type=Path, help="llama.cpp's own server, to compare with")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure = {"load": load, "kill": kill, "memory": memory, "speed": speed}[options.what]
        found = {
            "what": options.what,
            **measure(Path(folder), options),
            **environment("benchmarks.bench_serve"),
        }
    show(found, options.out)


if __name__ == "__main__":
    main()
