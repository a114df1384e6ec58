"""The page's content policy: it runs and styles what is embedded, and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import re

MARK = "POLICY"
"""The policy's place in the template, before any text from outside."""
NOTHING_ELSE = "base-uri 'none'; form-action 'none'"


def with_policy(html: str) -> str:
    """A page with the hashes of its style sheets and its script in its policy.

    Text from outside is escaped, so that tags are the template's.
    """
    rules = " ".join(
        f"{kind}-src {' '.join(map(_hash, found))};"
        for kind in ("script", "style")
        if (found := re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.DOTALL))
    )
    return html.replace(MARK, f"default-src 'none'; {rules} {NOTHING_ELSE}", 1)


def _hash(text: str) -> str:
    """The source expression of an inline element, by Content Security Policy Level 3."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
