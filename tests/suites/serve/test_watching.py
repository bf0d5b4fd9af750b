"""Folders that a server watches beside its other work."""

import time

import httpx

PATIENCE_S = 60


def test_a_server_keeps_a_folder_in_sync(fresh_server, tmp_path):
    """A note is there soon after it is written, and gone after it is deleted."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.md").write_text("The hive stands by the well.\n")
    running = fresh_server("--watch", str(notes))
    with httpx.Client(base_url=running.url, headers=running.headers, timeout=60) as client:

        def waits_for(*texts):
            end = time.monotonic() + PATIENCE_S
            while {one["text"] for one in client.get("/api/records").json()["records"]} != {*texts}:
                assert time.monotonic() < end
                time.sleep(0.2)

        hive, key = "a\n\nThe hive stands by the well.", "b\n\nThe key hangs behind the clock."
        waits_for(hive)
        (notes / "b.md").write_text("The key hangs behind the clock.\n")
        waits_for(hive, key)
        (notes / "a.md").unlink()
        waits_for(key)
