"""A bare `transformers.generate` with a clock."""

from __future__ import annotations

from side_by_side.tools.loop import Loop


class Generate(Loop):
    """The loop of a careful user."""

    name = "generate"
    does = "transformers' generate with a clock"
    program = "generate.py"
