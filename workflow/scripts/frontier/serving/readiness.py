"""Whether a server answers: a page that says that it is well, asked without timing."""

from __future__ import annotations

import http.client
from collections.abc import Mapping

from frontier.errors import Reason, one_line

HEALTHY = 200
TIMEOUT_S = 10.0


class NotReadyError(Exception):
    """A server that says that it is well, and cannot answer yet."""


def why_not_healthy(
    host: str, port: int, path: str, headers: Mapping[str, str], timeout_s: float = TIMEOUT_S
) -> Reason | None:
    """The reason why a page is not answered with 200; None if it is. No proxy is asked."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers=dict(headers))
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{path}: {one_line(error)}"
    finally:
        connection.close()
    return None if status == HEALTHY else f"{path} answers {status}"
