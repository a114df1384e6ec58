"""`like:` in a block of the catalogue: another block's keys hold where it has none of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontier.errors import UserError, did_you_mean
from frontier.text import shown, visible

KEY = "like"
OWN = "label"
"""Never taken: two blocks of one name could not be told apart in the report."""
LONGEST_CHAIN = 8
"""Blocks that may be alike one after the other; more are hard to follow."""


def resolved(blocks: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Every block with the keys that it takes from the one it is `like`; `like` itself is gone.

    A key is taken whole: a block inside a block replaces the other's. What is no block is left as
    it is, for its own error. Raises UserError, with the section and the block, for an unknown name,
    a circle and too long a chain.
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
            raise UserError(f"{where}: goes round in a circle: {circle}")
        if other not in blocks:
            hint = did_you_mean(other, [name for name in blocks if name not in chain])
            raise UserError(f"{where}: unknown id {shown(other)}{hint}")
        if not isinstance(blocks[other], dict):
            raise UserError(f"{where}: {visible(other, 80)} is no block")
        chain.append(other)
        if len(chain) > LONGEST_CHAIN:
            raise UserError(f"{where}: leads through more than {LONGEST_CHAIN} blocks")
        taken = {key: value for key, value in blocks[other].items() if key != OWN}
        merged = taken | merged
    return merged
