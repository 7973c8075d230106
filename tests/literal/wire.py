"""Bytes by hand: varints, frames and single protobuf fields, for what a stock runtime refuses to
write (bad UTF-8, cut messages, padding, lengths that lie). Source: PROTOCOL.md section 1."""

HEARTBEAT = b"\x00"


def varint(value, width=0):
    """The shortest form; with `width` padded to that many bytes, which the protocol allows."""
    out = bytearray()
    while True:
        low = value & 0x7F
        value >>= 7
        if value or len(out) + 1 < width:
            out.append(low | 0x80)
        else:
            out.append(low)
            return bytes(out)


def frame(body):
    return varint(len(body)) + body


def delimited(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def number(field, value):
    return varint(field << 3) + varint(value & (1 << 64) - 1)


PADDING_FIELD = 1000  # in no message of either edition


def pad(body, bytes_wanted):
    """`body` plus one unknown field, together exactly `bytes_wanted` long."""
    tag = varint(PADDING_FIELD << 3 | 2)
    for width in (1, 2, 3):
        filler = bytes_wanted - len(body) - len(tag) - width
        if filler >= 0 and len(varint(filler)) <= width:
            return body + tag + varint(filler, width) + bytes(filler)
    raise ValueError(f"{len(body)} bytes cannot be padded to {bytes_wanted}")


class FrameBuffer:
    """Cuts a byte stream into frame bodies. A frame of length 0 comes out as b''."""

    def __init__(self):
        self._bytes = bytearray()
        self._at = 0

    def append(self, data):
        if self._at > 65536:
            del self._bytes[:self._at]
            self._at = 0
        self._bytes += data

    def next(self):
        """The next body, or None while it is incomplete."""
        data, at, length, shift = self._bytes, self._at, 0, 0
        while True:
            if at == len(data):
                return None
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 28:
                raise AssertionError("the server sent a frame length of more than 5 bytes")
        if len(data) - at < length:
            return None
        self._at = at + length
        return bytes(data[at:at + length])

    @property
    def unread(self):
        return len(self._bytes) - self._at
