"""TLS apart from its socket, so that the kernel's times of the encrypted bytes can be had."""

from __future__ import annotations

import ssl

RECORD_BYTES = 16 * 2**10


class Tls:
    """The encryption of a connection: bytes go in, and come out, on both of its sides."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """Begins the handshake of a client with a host."""
        self._received, self._sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._received, self._sent, server_hostname=host)
        self.ended = False
        """Whether the other side has said that nothing more comes."""

    def shake(self, received: bytes) -> bool:
        """Continues the handshake; True if it is over. Raises ssl.SSLError."""
        self._received.write(received)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, data: memoryview) -> None:
        """Takes bytes to send. Raises ssl.SSLError."""
        while data:
            data = data[self._object.write(data) :]

    def to_send(self) -> bytes:
        """The encrypted bytes that are to be sent, each once."""
        return self._sent.read()

    def decrypt(self, received: bytes) -> bytes:
        """The plain bytes of all records that are complete. Raises ssl.SSLError."""
        if received:
            self._received.write(received)
        else:
            self._received.write_eof()
        parts = []
        try:
            while part := self._object.read(RECORD_BYTES):
                parts.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # without TLS's own goodbye, or with it
            self.ended = True
        return b"".join(parts)
