"""Gate: the settings that decide how fast the hardware may run stayed as they were."""

from __future__ import annotations

from frontier.errors import Reason
from frontier.gates import Gate, Timing


class Power(Gate):
    """Fails if the governor, the supply, a limit of power or the like changed.

    A session that could not read them is not judged by them.
    """

    ORDER = 27

    def reason(self, timing: Timing) -> Reason | None:
        """The first setting that changed, within a session or from one to the next."""
        known: dict[str, str] = {}
        for session in timing.asking():
            seen = session.loaded.conditions
            if seen is None:
                continue
            for settings in (seen.power, seen.power | seen.changed):
                for name, value in settings.items():
                    if known.setdefault(name, value) != value:
                        return f"power: {name} changed from {known[name]!r} to {value!r}"
        return None
