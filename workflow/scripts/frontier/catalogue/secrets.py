"""Keys and tokens, which no file of the configuration may hold: only the variable's name."""

from __future__ import annotations

import re

from frontier.errors import UserError

_ALONE = r"(?<![A-Za-z0-9_-])"
_REST = r"(?=[A-Za-z0-9_-]*[0-9A-Z])[A-Za-z0-9_-]{8,}"
_VALUE = r"[A-Za-z0-9._~%+/=-]"
FORMS = tuple(
    re.compile(form)
    for form in (
        # OpenAI's and those of all who write them likewise; a language pair is sk-en.
        rf"{_ALONE}sk-(?:admin|ant|live|or|proj|svcacct|test)-[A-Za-z0-9_-]{{4,}}",
        rf"{_ALONE}sk-(?:{_REST}|[A-Za-z0-9_-]{{24,}})",
        # Hugging Face, GitHub, Groq, xAI, NVIDIA, Google.
        rf"{_ALONE}(?:hf_|gh[pousr]_|github_pat_|gsk_|xai-|nvapi-|AIza){_REST}",
        # A header's value, a name and password in an address, a key in its query.
        rf"(?i:\bbearer)\s+(?:(?=\S*[0-9]){_VALUE}{{8,}}|{_VALUE}{{20,}})",
        r"://[^/\s:@\"']+:[^/\s@\"']+@",
        rf"(?i:[?&](?:api[-_]?key|key|token|sig|access[-_]?token)=){_VALUE}{{8,}}",
    )
)
"""The forms of keys, by which they are found wherever in a file they are, comments included."""


def refuse(text: str, where: str, lines: bool = True) -> None:
    """Raises UserError, without the key itself, if a text holds what looks like one."""
    for form in FORMS:
        if found := form.search(text):
            at = f" line {text.count(chr(10), 0, found.start()) + 1}" if lines else ""
            raise UserError(
                f"{where}:{at} looks like a key or a token: remove it, withdraw it where it was "
                "issued, and give the name of an environment variable that holds it instead"
            )
