"""SIGKILL in the middle: what was acknowledged is there afterwards, and the database is whole."""

import os
import signal
import subprocess
import sys
import threading

import httpx

from tests.suites.serve.servers import environment

CLIENTS, ENOUGH = 4, 12


def test_what_was_acknowledged_survives_sigkill(fresh_server):
    """Clients add and chat until the server dies; the next one has every record it confirmed."""
    server = fresh_server()
    kept, enough = [], threading.Event()

    def client(number):
        with httpx.Client(base_url=server.url, headers=server.headers, timeout=120) as api:
            try:
                for i in range(1000):
                    text = f"Client {number} saw bee {i} behind the barn."
                    answer = api.post("/api/records", json={"text": text})
                    if answer.status_code == 201:
                        kept.append(answer.json()["id"])
                    if len(kept) >= ENOUGH:
                        enough.set()
                    if number == 0:
                        said = [{"role": "user", "content": f"How many bees are {i} bees?"}]
                        body = {"model": "lmort+memory", "messages": said, "max_tokens": 4}
                        api.post("/v1/chat/completions", json=body)
            except httpx.TransportError:
                return

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    assert enough.wait(240)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    for thread in threads:
        thread.join()
    again = fresh_server(home=server.home)
    with httpx.Client(base_url=again.url, headers=again.headers, timeout=120) as api:
        found = {one["id"] for one in api.get("/api/records?limit=500").json()["records"]}
    assert set(kept) <= found
    again.stop()
    verified = subprocess.run(
        [sys.executable, "-m", "lmort_memory.cli", "verify"],
        env=environment(server.home), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
