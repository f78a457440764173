"""One JSON line per round and per finding, for whoever watches a campaign from outside."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from fuzzconv.errors import UsageError


class CampaignLog:
    """A JSON-lines file; without a path it keeps nothing.

    Raises:
        UsageError: the file can't be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.open("a").close()
            except OSError as error:
                raise UsageError(f"can't write the log {path}: {error.strerror}") from error

    def write(self, event: str, fields: Mapping[str, object]) -> None:
        """Append one line: the event's name, the wall-clock time (Unix seconds) and its fields."""
        if self._path is not None:
            line = json.dumps({"event": event, "time": round(time.time(), 3), **fields})
            with self._path.open("a") as stream:
                stream.write(line + "\n")
