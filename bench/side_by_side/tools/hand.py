"""A decoding loop written by hand, the least that a token takes in torch."""

from __future__ import annotations

from side_by_side.tools.loop import Loop


class Hand(Loop):
    """The forward pass and the likeliest token, again and again."""

    name = "hand"
    does = "a decoding loop written by hand"
    program = "hand.py"
