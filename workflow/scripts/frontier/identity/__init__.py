"""What a result depends on, as one digest.

A job's identity is a digest of its slice of the catalogue, the identities of what it reads, the
code that it runs and the versions of the packages which that code uses. It is part of the path of
everything expensive, so a result is looked up, never guessed to be fresh from file times.

Code counts by its definitions, not by its files: `modules` reads what a module defines, `shapes`
writes a definition without what cannot change a result, `graph` finds which definitions a program
reaches and puts their digests together, `packages` and `commands` find the rest.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[2]
LENGTH = 16


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """The first 16 hex digits of the sha256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:LENGTH]
