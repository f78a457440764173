"""The per-user cache: what is built once and shared by every checkout."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """``$FUZZCONV_CACHE``, else ``$XDG_CACHE_HOME/fuzzconv``, else ``~/.cache/fuzzconv``; may not exist."""
    if own := os.environ.get("FUZZCONV_CACHE"):
        return Path(own).expanduser().absolute()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).absolute() / "fuzzconv"
    return Path.home() / ".cache" / "fuzzconv"
