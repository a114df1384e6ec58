"""Identities: everything that a result depends on, as one digest.

A job's identity is a digest of its slice of the catalogue, the identities of its inputs, the code
that it runs and the versions of the packages that this code uses. It is part of the path of every
expensive result, so results are looked up, never judged fresh by file times.

Code counts by its definitions, not by its files: `modules` reads the definitions of a module,
`shapes` reduces a definition to the parts that can change a result, `graph` finds the definitions
that a program reaches and combines their digests, `packages` and `commands` find the rest.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[2]
LENGTH = 16


def canonical(value: Any) -> str:
    """A value's canonical JSON: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """The first 16 hex digits of the sha256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:LENGTH]
