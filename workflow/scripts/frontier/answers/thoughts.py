"""What a reasoning model thinks aloud in its text, which is no part of its answer."""

from __future__ import annotations

import re

# A template may have opened the first one in the prompt; one that is not closed never came to
# its answer.
THOUGHT = re.compile(
    r"(?:^|<think(?:ing)?>)(?:(?!</?think).)*</think(?:ing)?>|<think(?:ing)?>.*",
    re.DOTALL | re.IGNORECASE,
)
