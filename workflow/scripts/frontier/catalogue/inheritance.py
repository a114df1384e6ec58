"""`like:` in a block of the catalogue, which takes over another block's keys by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontier.errors import UserError, did_you_mean
from frontier.text import shown, visible

KEY = "like"
OWN = "label"
"""Keys never taken over: two blocks with the same label would be indistinguishable."""
LONGEST_CHAIN = 8
"""The longest chain of blocks; more would be hard to follow."""


def resolved(blocks: Mapping[str, Any], section: str) -> dict[str, Any]:
    """All blocks, with the keys that they take over by `like`, which is removed.

    A key is taken over as a whole: a nested block replaces the other's. Values that are not blocks
    stay, for their own error. Raises UserError, with the section and the block, for an unknown
    name, a cycle and too long a chain.
    """
    return {
        name: _merged(blocks, name, section) if isinstance(block, dict) else block
        for name, block in blocks.items()
    }


def _merged(blocks: Mapping[str, Any], name: str, section: str) -> dict[str, Any]:
    where = f"{section}.{visible(name, 80)}.{KEY}"
    chain, merged = [name], dict(blocks[name])
    while KEY in merged:
        other = merged.pop(KEY)
        if other is None:
            continue
        if not isinstance(other, str):
            raise UserError(f"{where}: must be the id of another block (found {shown(other)})")
        if other in chain:
            circle = " -> ".join(visible(one, 80) for one in (*chain, other))
            raise UserError(f"{where}: refers to itself: {circle}")
        if other not in blocks:
            hint = did_you_mean(other, [name for name in blocks if name not in chain])
            raise UserError(f"{where}: unknown id {shown(other)}{hint}")
        if not isinstance(blocks[other], dict):
            raise UserError(f"{where}: {visible(other, 80)} is not a block")
        chain.append(other)
        if len(chain) > LONGEST_CHAIN:
            raise UserError(f"{where}: leads through more than {LONGEST_CHAIN} blocks")
        taken = {key: value for key, value in blocks[other].items() if key != OWN}
        merged = taken | merged
    return merged
