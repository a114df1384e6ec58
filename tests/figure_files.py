"""The figure by which frontier/figures/ explains itself, as a file of its own."""

from __future__ import annotations

import textwrap

from frontier import figures

IMPORTS = """from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import with_interval
from frontier.scoring.latency import dependence, mean
"""


def example() -> str:
    """The example in the package's docstring, with the imports that it needs."""
    _, _, code = (figures.__doc__ or "").partition("of a request:\n\n")
    return f'"""An example."""\n\n{IMPORTS}\n\n{textwrap.dedent(code)}'
