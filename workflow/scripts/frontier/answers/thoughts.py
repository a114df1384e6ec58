"""Reasoning in a model's text, which is not part of its answer."""

from __future__ import annotations

import re

# A template may have opened the first block in the prompt; a model that does not close one never
# reached its answer.
THOUGHT = re.compile(
    r"(?:^|<think(?:ing)?>)(?:(?!</?think).)*</think(?:ing)?>|<think(?:ing)?>.*",
    re.DOTALL | re.IGNORECASE,
)
