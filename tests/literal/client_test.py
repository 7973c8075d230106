#!/usr/bin/python3
"""The test client against a fake server that this file plays: a client that loses a frame or waits
for the wrong thing would make every other suite lie. Needs no imsd."""

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
import warnings

from google.protobuf.message import DecodeError

import case
import codes
import ims_client
import messages
import protocol_test
import tokens
import wire


class Wire(case.Case):
    def test_varint(self):
        for value, expected in ((0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"),
                                (16383, "ff7f"), (16384, "808001"), (2**32 - 1, "ffffffff0f"),
                                (2**32, "8080808010")):
            self.expect(f"varint {value}", expected, wire.varint(value).hex())
        self.expect("padded", "8580808000", wire.varint(5, 5).hex())

    def test_pad(self):
        body = self.messages.CommandV2(version=2).SerializeToString()
        for size in (*range(6, 400), 4096, 4097, 16_000, 16_390, 65_535, 65_536, 65_537):
            padded = wire.pad(body, size)
            self.expect("size", size, len(padded))
            self.expect("version", 2, self.messages.CommandV2.FromString(padded).version)

    def test_frames_in_any_segmentation(self):
        bodies = [b"", b"a", b"x" * 127, b"y" * 128, b"", b"z" * 20_000, b"end"]
        stream = b"".join(wire.frame(body) for body in bodies)
        for piece in (1, 2, 3, 7, 127, 128, 129, 1000, len(stream)):
            buffer, got = wire.FrameBuffer(), []
            for at in range(0, len(stream), piece):
                buffer.append(stream[at:at + piece])
                while (body := buffer.next()) is not None:
                    got.append(body)
            self.assertEqual(bodies, got)
            self.expect("unread", 0, buffer.unread)

    def test_undecodable_rows_are_refused_by_the_stock_runtime(self):
        m = self.messages
        for rule, body in protocol_test.UNDECODABLE:
            for kind in (m.CommandV1, m.CommandV2, m.Message, m.SyncRequest, m.AckRequest,
                         m.GroupRequest):
                with self.subTest(rule=rule, kind=kind.DESCRIPTOR.full_name):
                    # An end of group where none is open, and tag 0, are a warning in Python and
                    # a refusal in C++ (ParseFromString): both count.
                    with warnings.catch_warnings(record=True) as warned:
                        warnings.simplefilter("always")
                        try:
                            kind.FromString(body)
                            self.assertTrue(warned, f"{rule}: expected a refusal, it decoded")
                        except DecodeError:
                            pass

    def test_connect_has_the_same_bytes_in_both_editions(self):
        frames = []
        for edition in (1, 2):
            client = ims_client.Client.__new__(ims_client.Client)
            client.messages, client.edition, client.version = self.messages, edition, 5
            frames.append(client.connect_frame("o", "a", "u", "t", id=9, device="d"))
        self.expect("frames", frames[0], frames[1])


class Sets(case.Case):
    def test_bare_has_the_bold_fields_alone(self):
        bare = messages.dynamic("bare")
        for name, fields in (("Connect", 4), ("ConAck", 2), ("Disconnect", 2), ("Request", 3),
                             ("Option", 1), ("Message", 2), ("MessageTxt", 1), ("MessageImg", 1),
                             ("Response", 2), ("CommandV1", 3), ("CommandV2", 6)):
            self.expect(name, fields, len(getattr(bare, name).DESCRIPTOR.fields))

    def test_additions_are_additive(self):
        bare = messages.dynamic("bare")
        for name in ("Connect", "ConAck", "Disconnect", "Request", "Option", "Message",
                     "MessageTxt", "MessageImg", "Response", "CommandV1", "CommandV2"):
            full = {f.number: f for f in getattr(self.messages, name).DESCRIPTOR.fields}
            for field in getattr(bare, name).DESCRIPTOR.fields:
                other = full[field.number]
                self.expect(f"{name}.{field.name}", (field.name, field.type, field.label),
                            (other.name, other.type, other.label))


class Tokens(case.Case):
    def test_hs256(self):
        head, body, signature = tokens.sign("secret", "ann", ttl_s=60, nbf=5).split(".")

        def decode(part):
            return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        self.expect("header", {"alg": "HS256", "typ": "JWT"}, json.loads(decode(head)))
        claims = json.loads(decode(body))
        self.expect("sub, nbf", ("ann", 5), (claims["sub"], claims["nbf"]))
        self.assertAlmostEqual(time.time() + 60, claims["exp"], delta=5)
        self.expect("signature", hmac.new(b"secret", f"{head}.{body}".encode(),
                                          hashlib.sha256).digest(),
                    decode(signature))


class FakeServer:
    """Accepts one connection and hands it to `play` in a thread."""

    def __init__(self, play):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.thread = threading.Thread(target=self._run, args=(play,), daemon=True)
        self.thread.start()

    def _run(self, play):
        connection, _ = self.listener.accept()
        with connection:
            play(connection)

    def end(self):
        self.listener.close()
        self.thread.join(10)


class Client(case.Case):
    @contextlib.contextmanager
    def fake(self, play, edition=2, set_=None):
        server = FakeServer(play)
        client = ims_client.Client(server.address, set_ or self.messages, edition, timeout=5)
        try:
            yield client
        finally:
            client.close()
            server.end()

    def frame(self, edition, kind, body, id=0):
        client = ims_client.Client.__new__(ims_client.Client)
        client.messages, client.edition, client.version = self.messages, edition, edition
        return wire.frame(client.command(kind, body, id))

    def conack(self, edition):
        m = self.messages
        ack = m.ConAck(session=5)
        if edition == 1:
            return self.frame(1, "response", m.Response(payload=ack.SerializeToString()), 7)
        command = m.CommandV2(version=2, id=7)
        command.conack.CopyFrom(ack)
        return wire.frame(command.SerializeToString())

    def test_everything_is_sorted(self):
        m = self.messages
        for edition in (1, 2):
            push = m.Request(type=codes.MESSAGE, payload=m.Message(seq=4).SerializeToString())
            event = m.Request(type=codes.GROUP, payload=m.GroupEvent(seq=6).SerializeToString())
            stream = (self.conack(edition) + wire.HEARTBEAT
                      + self.frame(edition, "response", m.Response(seq=2), 12)
                      + self.frame(edition, "request", push) + wire.HEARTBEAT
                      + self.frame(edition, "request", event)
                      + self.frame(edition, "response", m.Response(seq=1), 0)
                      + self.frame(edition, "disconnect", m.Disconnect(code=6)))
            for piece in (1, 5, len(stream)):
                def play(connection):
                    connection.recv(65536)
                    for at in range(0, len(stream), piece):
                        connection.sendall(stream[at:at + piece])
                with self.subTest(edition=edition, piece=piece), \
                        self.fake(play, edition) as client:
                    self.expect("session", 5, client.login("o", "a", "u", "t").session)
                    self.expect("id", 7, client.conack_id)
                    self.expect("by id", 2, client.wait_response(12).seq)
                    self.expect("without id", 1, client.wait_response(0).seq)
                    self.expect("pushes", [(codes.MESSAGE, 4), (codes.GROUP, 6)],
                                [(p.type, p.seq) for p in client.wait_pushes(2)])
                    self.expect_disconnect("end", codes.SHUTDOWN, client)
                    self.expect("heartbeats", 2, client.heartbeats)
                    self.expect("versions", {edition}, set(client.versions))

    def test_bare_login(self):
        bare = messages.dynamic("bare")
        for edition in (1, 2):
            with self.fake(lambda c: c.sendall(self.conack(edition)), edition, bare) as client:
                self.expect("status", 0, client.wait_conack().status)

    def test_a_second_answer_is_noticed(self):
        answer = self.frame(2, "response", self.messages.Response(), 3)
        with self.fake(lambda c: c.sendall(self.conack(2) + answer + answer)) as client:
            with self.assertRaisesRegex(AssertionError, "got a second"):
                client.settle(5)

    def test_a_push_before_the_login_answer_is_noticed(self):
        push = self.frame(2, "request", self.messages.Request())
        with self.fake(lambda c: c.sendall(push + self.conack(2))) as client:
            with self.assertRaisesRegex(AssertionError, "nothing before the login answer"):
                client.settle(5)

    def test_waiting_fails_at_eof_and_at_the_timeout(self):
        with self.fake(lambda c: c.sendall(self.conack(2))) as client:
            client.wait_conack()
            with self.assertRaisesRegex(AssertionError, "eof=True"):
                client.wait_push()
        ended = threading.Event()
        with self.fake(lambda c: ended.wait(10)) as client:
            with self.assertRaisesRegex(AssertionError, "eof=False"):
                client.wait_conack(timeout=0.1)
            ended.set()

    def test_comparisons_fail(self):
        with self.assertRaisesRegex(AssertionError, "expected 1, got 2"):
            self.expect("a number", 1, 2)
        with self.assertRaisesRegex(AssertionError, r"expected OK\(0\), got NOT_FOUND\(5\)"):
            self.expect_code("a code", codes.OK, self.messages.Response(code=5, reason="r"))
        with self.assertRaisesRegex(AssertionError, "expected a sentence"):
            self.expect_code("a code", codes.NOT_FOUND, self.messages.Response(code=5))
        push = self.frame(2, "request", self.messages.Request())

        def play(connection):
            connection.sendall(self.conack(2) + push)
            connection.recv(10)
            connection.sendall(wire.HEARTBEAT)
            time.sleep(0.5)
        with self.fake(play) as client:
            client.wait_conack()
            with self.assertRaisesRegex(AssertionError, "expected no push"):
                self.expect_quiet("quiet", client)


if __name__ == "__main__":
    case.main()
