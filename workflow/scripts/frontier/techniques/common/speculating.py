"""Shared by techniques that draft tokens, which the model then verifies."""

from __future__ import annotations

from frontier.errors import Reason
from frontier.techniques.common.states import STATES

WITH_A_STATE = (*STATES, "jamba", "bamba", "zamba")
"""Architectures whose state is overwritten by each token."""


def no_rollback(architecture: str | None) -> Reason | None:
    """The reason why rejected tokens cannot be removed from an architecture's state."""
    if architecture in WITH_A_STATE:
        return f"the state of {architecture} cannot take back rejected tokens"
    return None
