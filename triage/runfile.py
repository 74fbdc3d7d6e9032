"""`run.json` in the data folder: how the command line finds the running service. Mode 0600; holds a local token."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from triage.accounts.accounts import Accounts

_TOKEN_NAME: Final = "local commands"  # noqa: S105


@dataclass(frozen=True, slots=True)
class RunFile:
    """Addresses and token of the service that owns a data folder."""

    file: Path
    otlp_http: str
    web: str
    token: str
    pid: int
    accounts: Accounts | None = None
    token_id: str = ""
    at_ns: int = 0

    @classmethod
    def write(cls, folder: Path, http_port: int, web_port: int, accounts: Accounts, now_ns: int) -> RunFile:
        """Make a token for local commands and write the file."""
        for stale in accounts.tokens():  # of a service that was killed
            if stale.name == _TOKEN_NAME and not stale.revoked_ns:
                accounts.revoke_token(stale.id, now_ns)
        token, text = accounts.create_token(_TOKEN_NAME, "administrator", now_ns)
        body: dict[str, Any] = {
            "otlp_http": f"http://127.0.0.1:{http_port}", "web": f"http://127.0.0.1:{web_port}", "token": text.written(),
            "pid": os.getpid(),
        }
        file = folder / "run.json"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # on Elasticsearch nothing else may lie in it
        temporary = folder / ".run.json.new"
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(orjson.dumps(body))
        temporary.replace(file)
        return cls(file, **body, accounts=accounts, token_id=token.id, at_ns=now_ns)

    def remove(self) -> None:
        """Take the file away and revoke its token."""
        with contextlib.suppress(FileNotFoundError):
            self.file.unlink()
        if self.accounts is not None:
            self.accounts.revoke_token(self.token_id, self.at_ns)

    @classmethod
    def read(cls, folder: Path) -> RunFile | None:
        """The file of a service that runs, or None."""
        file = folder / "run.json"
        try:
            body = orjson.loads(file.read_bytes())
            os.kill(body["pid"], 0)
        except (FileNotFoundError, ProcessLookupError, ValueError, KeyError):
            return None
        return cls(file, body["otlp_http"], body["web"], body["token"], body["pid"])
