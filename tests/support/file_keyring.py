"""A place for secrets as the package `keyring` wants it: a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring import backend, errors


class FileKeyring(backend.KeyringBackend):
    """Secrets as JSON in the file that $KEYRING_FILE names."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        """Return a secret, or None."""
        return self._read().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""
        self._write(self._read() | {f"{service} {username}": password})

    def delete_password(self, service: str, username: str) -> None:
        """Remove a secret."""
        kept = self._read()
        if kept.pop(f"{service} {username}", None) is None:
            raise errors.PasswordDeleteError("there is none")
        self._write(kept)

    def _read(self) -> dict[str, str]:
        path = Path(os.environ["KEYRING_FILE"])
        found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def _write(self, secrets: dict[str, str]) -> None:
        Path(os.environ["KEYRING_FILE"]).write_text(json.dumps(secrets))
