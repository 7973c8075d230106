#!/usr/bin/python3
"""Framing, editions, pipelining, closing, and every kind of malformed input. Source: PROTOCOL.md
sections 1 to 4. Each limit is tried below, at and above."""

import time

import case
import codes
import wire
from server import APPKEY, ORG

shared_server = case.use_server()
impatient = case.use_server(gateways=1, workers=1, login_timeout="1s")
small_limits = case.use_server(gateways=1, workers=1, max_inflight=4, max_message_bytes=1000,
                               max_frame_bytes=8192)


def padded_frame(body, bytes_wanted):
    return wire.frame(wire.pad(body, bytes_wanted))


class WireCase(case.Case):
    shared = shared_server

    def raw(self):
        """A client before its login: what the server sends then is typed, version 2."""
        return self.connect(2)

    def connect_body(self, client, user, id=1):
        return client.connect_body(ORG, APPKEY, user, self.server.token(user), id=id)

    def expect_protocol_error(self, what, client, version=None):
        disconnect = self.expect_disconnect(what, codes.PROTOCOL_ERROR, client)
        self.assertTrue(disconnect.reason, f"{what}: expected a reason, got none")
        if version is not None:
            self.expect(f"{what}: version of the Disconnect", version, client.versions[-1])


class Framing(WireCase):
    def test_length_varint(self):
        rows = [("6 bytes", b"\xff\xff\xff\xff\xff\x00"),
                ("6 bytes, value 5", wire.varint(5, 6)),
                ("a 5th byte that continues", b"\x80\x80\x80\x80\x80"),
                ("2^32", wire.varint(2**32)),
                ("2^35-1", b"\xff\xff\xff\xff\x7f"),
                ("2^32-1", wire.varint(2**32 - 1)),
                ("2 GiB", wire.varint(2**31))]
        before = self.server.rss_bytes()
        for rule, prefix in rows:
            for logged_in in (False, True):
                with self.subTest(rule=rule, logged_in=logged_in):
                    client = self.login(case.fresh("ann")) if logged_in else self.raw()
                    client.send_raw(prefix)
                    self.expect_protocol_error(rule, client, 2)
        grown = self.server.rss_bytes() - before
        self.assertLess(grown, 64 << 20, f"expected nothing allocated, RSS grew by {grown}")

    def test_padded_length_varint_is_taken(self):
        user = case.fresh("ann")
        for width in (2, 3, 4, 5):
            with self.subTest(width=width):
                client = self.raw()
                body = self.connect_body(client, user)
                client.send_raw(wire.varint(len(body), width) + body + wire.varint(0, width))
                self.expect_code("login", codes.OK, client.wait_conack())
                client.wait_heartbeats(1)

    def test_first_frame_limit(self):
        for edition in (1, 2):
            for size, is_good in ((4095, True), (4096, True), (4097, False)):
                with self.subTest(edition=edition, size=size):
                    client = self.connect(edition)
                    body = wire.pad(self.connect_body(client, case.fresh("ann")), size)
                    client.send_raw(wire.frame(body))
                    if is_good:
                        self.expect_code("login", codes.OK, client.wait_conack())
                    else:
                        client.edition = 2  # decided by the length alone, before the edition
                        self.expect_protocol_error(f"{size} bytes", client, 2)

    def test_first_frame_limit_needs_the_length_alone(self):
        client = self.raw()
        client.send_raw(wire.varint(4097))
        self.expect_protocol_error("4097 announced", client, 2)

    def test_frame_limit(self):
        for edition in (1, 2):
            for size, is_good in ((codes.MAX_FRAME_BYTES - 1, True),
                                  (codes.MAX_FRAME_BYTES, True),
                                  (codes.MAX_FRAME_BYTES + 1, False)):
                with self.subTest(edition=edition, size=size):
                    client = self.login(case.fresh("ann"), edition=edition)
                    body = client.request_body(codes.SYNC, b"", id=9)
                    client.send_raw(padded_frame(body, size))
                    if is_good:
                        self.expect_code("answer", codes.OK, client.wait_response(9))
                    else:
                        self.expect_protocol_error(f"{size} bytes", client, edition)

    def test_frame_limit_needs_the_length_alone(self):
        client = self.login(case.fresh("ann"))
        client.send_raw(wire.varint(codes.MAX_FRAME_BYTES + 1))
        self.expect_protocol_error("announced", client)

    def test_what_came_before_an_error_is_answered(self):
        client = self.login(case.fresh("ann"))
        client.send_raw(b"".join(client.request_frame(codes.SYNC, b"", id=i)
                                 for i in range(1, 21)) + wire.HEARTBEAT * 3 + b"\xff" * 6)
        self.expect_protocol_error("6-byte length", client)
        self.expect("answers", set(range(1, 21)), set(client.responses))
        self.expect("heartbeats", 3, client.heartbeats)

    def test_heartbeat_first(self):
        for behind in (b"", b"\x00\x00", b"\x05hello"):
            with self.subTest(behind=behind):
                client = self.raw()
                client.send_raw(wire.HEARTBEAT + behind)
                self.expect_protocol_error("heartbeat first", client, 2)
                self.expect("heartbeats", 0, client.heartbeats)

    def test_heartbeats(self):
        client = self.login(case.fresh("ann"))
        for count in (1, 2, 1000):
            client.heartbeats = 0
            client.send_raw(wire.HEARTBEAT * count)
            self.expect("heartbeats", count, client.wait_heartbeats(count))

    def test_heartbeats_between_requests(self):
        client = self.login(case.fresh("ann"))
        client.send_raw(b"".join(wire.HEARTBEAT + client.request_frame(codes.SYNC, b"", id=i)
                                 for i in range(1, 101)))
        for i in range(1, 101):
            self.expect_code("answer", codes.OK, client.wait_response(i))
        client.wait_heartbeats(100)
        self.expect_quiet("all answered", client)
        self.expect("heartbeats", 101, client.heartbeats)


# Bytes that are no Command, whatever the edition.
UNDECODABLE = [
    ("a cut tag", b"\x80"),
    ("a tag without value", b"\x08"),
    ("a cut varint", b"\x08\x80"),
    ("an 11-byte varint", b"\x08" + b"\x80" * 10 + b"\x01"),
    ("a length past the end", b"\x1a\x05abc"),
    ("a huge length", b"\x1a\xff\xff\xff\xff\x0f"),
    ("field number 0", b"\x00\x01"),
    ("wire type 6", b"\x0e"),
    ("wire type 7", b"\x0f"),
    ("an end group alone", b"\x5c"),
    ("an open group", b"\x5b\x08\x01"),
    ("a cut fixed64", b"\x51\x01\x02\x03"),
    ("a cut fixed32", b"\x55\x01\x02"),
]


class Undecodable(WireCase):
    """Bytes that do not decode as Command, or as what is in it."""

    def test_command(self):
        for rule, body in UNDECODABLE:
            with self.subTest(rule=rule, first=True):
                client = self.raw()
                client.send_raw(wire.frame(body))
                self.expect_protocol_error(rule, client, 2)
            for edition in (1, 2):
                with self.subTest(rule=rule, edition=edition):
                    client = self.login(case.fresh("ann"), edition=edition)
                    client.send_raw(wire.frame(body))
                    self.expect_protocol_error(rule, client, edition)

    def test_command_behind_a_good_one(self):
        for rule, tail in UNDECODABLE:
            with self.subTest(rule=rule):
                client = self.login(case.fresh("ann"))
                body = client.request_body(codes.SYNC, b"", id=1)
                client.send_raw(wire.frame(body + tail))
                self.expect_protocol_error(rule, client, 2)
                self.expect("answers", {}, client.responses)

    def test_inner_messages(self):
        # Field 3 of version 1 is the payload; 4 to 7 of version 2 the messages.
        bad = [("a cut varint", b"\x08"), ("a length past the end", b"\x12\x7fab"),
               ("wire type 7", b"\x0f")]
        for rule, inner in bad:
            for name, command in (("Request", codes.REQUEST), ("Disconnect", codes.DISCONNECT),
                                  ("Response", codes.RESPONSE)):
                with self.subTest(rule=rule, edition=1, name=name):
                    client = self.login(case.fresh("ann"), edition=1)
                    client.send_raw(wire.frame(wire.number(1, 1) + wire.number(2, command)
                                               + wire.delimited(3, inner)))
                    self.expect_protocol_error(rule, client, 1)
            for name, field in (("Request", 6), ("Disconnect", 5), ("Response", 7)):
                with self.subTest(rule=rule, edition=2, name=name):
                    client = self.login(case.fresh("ann"))
                    client.send_raw(wire.frame(wire.number(1, 2) + wire.delimited(field, inner)))
                    self.expect_protocol_error(rule, client, 2)
            with self.subTest(rule=rule, name="Connect"):
                client = self.raw()
                client.send_raw(wire.frame(wire.number(1, 2) + wire.delimited(3, inner)))
                self.expect_protocol_error(rule, client)
            with self.subTest(rule=rule, name="Option"):
                client = self.login(case.fresh("ann"))
                request = wire.delimited(3, inner)
                client.send_raw(wire.frame(wire.number(1, 2) + wire.delimited(6, request)))
                self.expect_protocol_error(rule, client, 2)

    def test_typed_command_holds_exactly_one(self):
        connect = wire.delimited(3, b"")
        request = wire.delimited(6, b"")
        rows = [("none", wire.number(1, 2)), ("only an id", wire.number(1, 2) + wire.number(8, 1)),
                ("only unknown fields", wire.number(1, 2) + wire.number(9, 1)),
                ("a ConAck", wire.delimited(4, b"")),
                ("request and disconnect", request + wire.delimited(5, b"")),
                ("request and response", request + wire.delimited(7, b"")),
                ("request twice", request + request),
                ("response twice", wire.delimited(7, b"") * 2),
                ("connect and request", connect + request),
                ("connect twice", connect + connect)]
        for rule, body in rows:
            with self.subTest(rule=rule, first=True):
                client = self.raw()
                client.send_raw(wire.frame(body))
                self.expect_protocol_error(rule, client)
            with self.subTest(rule=rule):
                client = self.login(case.fresh("ann"))
                client.send_raw(wire.frame(body))
                self.expect_protocol_error(rule, client, 2)

    def test_envelope_command_out_of_range(self):
        for command in (4, 5, 127, 128, 2**31 - 1, -1):
            with self.subTest(command=command):
                client = self.login(case.fresh("ann"), edition=1)
                client.send_raw(wire.frame(wire.number(1, 1) + wire.number(2, command)))
                self.expect_protocol_error("command", client, 1)

    def test_second_connect(self):
        for edition in (1, 2):
            with self.subTest(edition=edition):
                client = self.login(user := case.fresh("ann"), edition=edition)
                client.send_raw(wire.frame(self.connect_body(client, user)))
                self.expect_protocol_error("second CONNECT", client, edition)

    def test_request_first(self):
        for edition in (1, 2):
            with self.subTest(edition=edition):
                client = self.connect(edition)
                client.send_raw(client.request_frame(codes.SYNC, b"", id=1))
                self.expect_protocol_error("request first", client, edition)


class Requests(case.Case):
    """Wrong requests: a code, and the connection lives."""

    shared = shared_server

    def expect_lives(self, client):
        self.expect_code("afterwards", codes.OK, client.request(codes.SYNC, b""))

    def test_payload_that_does_not_decode(self):
        for edition in (1, 2):
            client = self.login(case.fresh("ann"), edition=edition)
            for type_ in (codes.MESSAGE, codes.GROUP, codes.ACK, codes.SYNC):
                for rule, payload in UNDECODABLE:
                    with self.subTest(edition=edition, type=type_, rule=rule):
                        self.expect_code(rule, codes.BAD_REQUEST,
                                         client.request(type_, payload, True))
            self.expect_lives(client)

    def test_string_that_is_not_utf8(self):
        client = self.login(case.fresh("ann"))
        receiver = self.login(case.fresh("rob"))
        to = wire.delimited(4, receiver.user.encode())
        rows = [("Message.to", codes.MESSAGE, wire.delimited(4, b"a\xff")),
                ("Message.group", codes.MESSAGE, wire.delimited(5, b"\xc3")),
                ("Message.from", codes.MESSAGE, to + wire.delimited(3, b"\xed\xa0\x80")),
                ("Message.device", codes.MESSAGE, to + wire.delimited(9, b"\xc0\x80")),
                ("AckRequest.group", codes.ACK, wire.delimited(1, b"\xf5\x80\x80\x80")),
                ("SyncRequest.group", codes.SYNC, wire.delimited(1, b"\x80")),
                ("GroupRequest.group", codes.GROUP, wire.delimited(2, b"a\xfe")),
                ("GroupRequest.users", codes.GROUP,
                 wire.number(1, codes.CREATE) + wire.delimited(3, b"a\xfe")),
                ("GroupRequest.name", codes.GROUP,
                 wire.number(1, codes.CREATE) + wire.delimited(4, b"a\xfe")),
                ("GroupRequest.cursor", codes.GROUP,
                 wire.number(1, codes.LIST_MINE) + wire.delimited(7, b"a\xfe"))]
        for rule, type_, payload in rows:
            with self.subTest(rule=rule):
                self.expect_code(rule, codes.BAD_REQUEST, client.request(type_, payload, True))
        self.expect_lives(client)
        self.expect("nothing was stored", 0, receiver.sync()[1].head_seq)

    def test_payload_of_a_message_is_opaque(self):
        receiver = self.login(case.fresh("rob"))
        sender = self.login(case.fresh("sam"))
        for payload in (b"", b"\xff\xfe\x00\x80", bytes(range(256)) * 4):
            for offline in (False, True):
                response = sender.request(codes.MESSAGE, self.message(
                    to=receiver.user, payload=payload, type=codes.CUSTOM), offline)
                self.expect_code("opaque", codes.OK, response)
                self.expect("payload", payload, receiver.wait_push().body.payload)

    def test_unknown_types(self):
        client = self.login(case.fresh("ann"))
        receiver = self.login(case.fresh("rob"))
        m = self.messages
        for offline in (None, True):
            for type_ in (6, 7, 99, 2**31 - 1, -1):
                with self.subTest(request_type=type_, offline=offline):
                    self.expect_code("type", codes.UNSUPPORTED,
                                     client.request(type_, b"\xff", offline))
            for type_ in (10, 11, 1000, -1):
                for fields in ({"to": receiver.user}, {}, {"to": "a b"}):
                    with self.subTest(message_type=type_, offline=offline, fields=fields):
                        self.expect_code("UNSUPPORTED comes first", codes.UNSUPPORTED,
                                         client.request(codes.MESSAGE,
                                                        self.message(type=type_, **fields),
                                                        offline))
        for op in (13, 14, 99, -1):
            with self.subTest(op=op):
                self.expect_code("op", codes.UNSUPPORTED, client.request(
                    codes.GROUP, m.GroupRequest(op=op, group="g")))
        for role in (3, 99, -1):
            with self.subTest(role=role):
                self.expect_code("role", codes.UNSUPPORTED, client.request(
                    codes.GROUP, m.GroupRequest(op=codes.SET_ROLE, group="g", users=["u"],
                                                role=role)))
        self.expect_lives(client)
        self.expect("nothing was stored", 0, receiver.sync()[1].head_seq)

    def test_all_message_types_travel(self):
        receiver = self.login(case.fresh("rob"))
        sender = self.login(case.fresh("sam"))
        for type_ in (codes.TXT, codes.IMAGE, codes.FILE, codes.AUDIO, codes.VIDEO,
                      codes.LOCATION, codes.CUSTOM, codes.RECEIPT, codes.TYPING):
            for offline in (False, True):
                self.expect_code(f"type {type_}", codes.OK, sender.request(
                    codes.MESSAGE, self.message(to=receiver.user, type=type_), offline))
                self.expect("type", type_, receiver.wait_push().body.type)

    def test_neither_or_both_of_to_and_group(self):
        client = self.login(case.fresh("ann"))
        for offline in (None, True):
            for fields in ({}, {"to": client.user, "group": "g"}):
                self.expect_code(str(fields), codes.BAD_REQUEST, client.request(
                    codes.MESSAGE, self.message(**fields), offline))

    def test_opts(self):
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        rows = [([], False), ([False], False), ([True], True), ([False, True], True),
                ([True, False], True), ([False] * 16, False), ([False] * 15 + [True], True),
                ([True] * 16, True), ([True] * 17, None), ([False] * 17, None),
                ([False] * 1000, None)]
        seq = 0
        for opts, is_stored in rows:
            with self.subTest(opts=len(opts), is_stored=is_stored):
                request = self.messages.Request(
                    type=codes.MESSAGE,
                    payload=self.message(to=receiver.user).SerializeToString())
                for offline in opts:
                    request.opts.add().offline = offline
                id = sender.take_id()
                sender.send_raw(wire.frame(sender.command("request", request, id)))
                response = sender.wait_response(id)
                if is_stored is None:
                    self.expect_code("opts", codes.BAD_REQUEST, response)
                    continue
                self.expect_code("opts", codes.OK, response)
                seq += is_stored
                self.expect("seq", seq if is_stored else 0, response.seq)
                self.expect("pushed seq", response.seq, receiver.wait_push().seq)

    def test_client_id_limit(self):
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        for offline in (False, True):
            for size, expected in ((1, codes.OK), (31, codes.OK), (32, codes.OK),
                                   (33, codes.BAD_REQUEST), (4000, codes.BAD_REQUEST)):
                with self.subTest(offline=offline, size=size):
                    client_id = (b"\x00\xff" * 2000)[:size]
                    self.expect_code("client_id", expected, sender.request(
                        codes.MESSAGE, self.message(to=receiver.user, client_id=client_id),
                        offline))
                    if expected == codes.OK:
                        self.expect("client_id", client_id,
                                    receiver.wait_push().body.client_id)

    def test_max_message_bytes(self):
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        for offline in (False, True):
            for size, expected in ((codes.MAX_MESSAGE_BYTES - 1, codes.OK),
                                   (codes.MAX_MESSAGE_BYTES, codes.OK),
                                   (codes.MAX_MESSAGE_BYTES + 1, codes.TOO_LARGE)):
                with self.subTest(offline=offline, size=size):
                    payload = bytes([size % 251]) * size
                    self.expect_code("payload", expected, sender.request(
                        codes.MESSAGE, self.message(to=receiver.user, payload=payload), offline))
                    if expected == codes.OK:
                        self.assertEqual(payload, receiver.wait_push().body.payload)
        self.assertLessEqual(receiver.frame_bytes_max, codes.MAX_FRAME_BYTES)

    def test_checks_come_in_order(self):
        # UNSUPPORTED, BAD_REQUEST, TOO_LARGE, then the owner's: NOT_FOUND.
        client = self.login(case.fresh("ann"))
        large = bytes(codes.MAX_MESSAGE_BYTES + 1)
        for expected, fields in ((codes.UNSUPPORTED, {"type": 10, "payload": large}),
                                 (codes.BAD_REQUEST, {"payload": large}),
                                 (codes.BAD_REQUEST, {"to": "a b", "payload": large}),
                                 (codes.TOO_LARGE, {"to": "nobody", "payload": large}),
                                 (codes.NOT_FOUND, {"to": "nobody"}),
                                 (codes.NOT_FOUND, {"group": "nothing"})):
            for offline in (False, True):
                self.expect_code(str(fields)[:60], expected, client.request(
                    codes.MESSAGE, self.message(**fields), offline))

    def test_unknown_fields_are_ignored(self):
        extra = wire.number(500, 7) + wire.delimited(501, b"\xff") + b"\xf1\x1f" + bytes(8)
        for edition in (1, 2):
            with self.subTest(edition=edition):
                user = case.fresh("ann")
                client = self.connect(edition)
                m = self.messages
                connect = m.Connect(org=ORG, appkey=APPKEY, user=user,
                                    token=self.server.token(user)).SerializeToString() + extra
                client.send_raw(wire.frame(wire.number(1, edition) + wire.delimited(3, connect)
                                           + wire.number(8, 3) + extra))
                self.expect_code("login", codes.OK, client.wait_conack())
                message = m.Message(to=user, payload=b"x").SerializeToString() + extra
                request = (wire.delimited(2, message) + extra
                           + wire.delimited(3, wire.number(1, 1) + extra))
                inner = (wire.number(2, codes.REQUEST) + wire.delimited(3, request)
                         if edition == 1 else wire.delimited(6, request))
                client.send_raw(wire.frame(extra + wire.number(1, edition) + inner
                                           + wire.number(8, 4)))
                self.expect_code("request", codes.OK, client.wait_response(4))
                self.expect("stored", b"x", client.sync()[1].messages[0].payload)

    def test_responses_of_a_client_are_ignored(self):
        for edition in (1, 2):
            with self.subTest(edition=edition):
                client = self.login(case.fresh("ann"), edition=edition)
                response = self.messages.Response(code=5, reason="x", seq=9)
                for id in (0, 1, 77):
                    client.send_raw(wire.frame(client.command("response", response, id)))
                self.expect_lives(client)
                self.expect("other answers", {}, client.responses)

    def test_ids(self):
        client = self.login(case.fresh("ann"))
        for id in (1, 127, 128, 2**32, 2**63, 2**64 - 1):
            self.expect_code(f"id {id}", codes.OK, client.request(codes.SYNC, b"", id=id))

    def test_field_order_does_not_matter(self):
        # A last field wins, and fields may come in any order, as every protobuf runtime has it.
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        message = (wire.delimited(4, b"nobody") + wire.delimited(2, b"first")
                   + wire.delimited(4, receiver.user.encode()) + wire.number(1, codes.CUSTOM)
                   + wire.delimited(2, b"last"))
        request = wire.delimited(3, wire.number(1, 1)) + wire.delimited(2, message)
        sender.send_raw(wire.frame(wire.number(8, 5) + wire.delimited(6, request)
                                   + wire.number(1, 2)))
        self.expect_code("answer", codes.OK, sender.wait_response(5))
        push = receiver.wait_push()
        self.expect("payload and type", (b"last", codes.CUSTOM),
                    (push.body.payload, push.body.type))


class Segments(case.Case):
    """Frames in any segmentation; pipelining from the first byte."""

    shared = shared_server

    def stream(self, client, user, peer):
        """CONNECT, a stored message, a heartbeat, SYNC, DISCONNECT as one string of bytes."""
        return (client.connect_frame(ORG, APPKEY, user, self.server.token(user), id=1)
                + client.request_frame(codes.MESSAGE, self.message(to=peer, payload=b"hi"), True,
                                       id=2)
                + wire.HEARTBEAT + client.request_frame(codes.SYNC, b"", id=3)
                + client.disconnect_frame())

    def expect_stream_served(self, client):
        self.expect_code("login", codes.OK, client.wait_conack())
        self.expect("id of the login answer", 1, client.conack_id)
        self.expect_code("message", codes.OK, client.wait_response(2))
        self.expect_code("sync", codes.OK, client.wait_response(3))
        self.expect_closed_after_answer("DISCONNECT", client)
        self.expect("heartbeats", 1, client.heartbeats)
        self.expect("unread bytes", 0, client.frames.unread)

    def test_one_segment(self):
        for edition in (1, 2):
            with self.subTest(edition=edition):
                receiver = self.login(case.fresh("rob"))
                client = self.connect(edition)
                client.send_raw(self.stream(client, case.fresh("ann"), receiver.user))
                self.expect_stream_served(client)
                self.expect("pushed", b"hi", receiver.wait_push().body.payload)

    def test_every_split_point(self):
        self.make_users(peer := case.fresh("rob"))
        count = 0
        for edition in (1, 2):
            # One user, so one stream: the same bytes are cut at every point, 64 at a time.
            size = len(self.stream(self.connect(edition), case.fresh("ann"), peer))
            for start in range(1, size, 64):
                cuts = range(start, min(start + 64, size))
                rows = []
                for cut in cuts:
                    client = self.connect(edition)
                    data = self.stream(client, case.fresh("ann"), peer)
                    client.send_raw(data[:cut])
                    rows.append((cut, client, data))
                time.sleep(0.03)  # both parts arrive by themselves
                for cut, client, data in rows:
                    client.send_raw(data[cut:])
                for cut, client, data in rows:
                    with self.subTest(edition=edition, cut=cut):
                        self.expect_stream_served(client)
                        client.close()
                        count += 1
        self.expect("rows stored at the peer", count, self.login(peer).conack.inbox_seq)

    def test_one_byte_at_a_time(self):
        self.make_users(peer := case.fresh("rob"))
        for edition in (1, 2):
            with self.subTest(edition=edition):
                client = self.connect(edition)
                data = self.stream(client, case.fresh("ann"), peer)
                client.send_split(data, *range(1, len(data)), pause_s=0.0005)
                self.expect_stream_served(client)

    def test_a_thousand_frames_in_one_segment(self):
        client = self.login(case.fresh("ann"))
        client.send_raw(b"".join(client.request_frame(codes.SYNC, b"", id=i)
                                 for i in range(1, 1001)))
        for i in range(1, 1001):
            self.expect_code("answer", codes.OK, client.wait_response(i))

    def test_large_frames_in_odd_pieces(self):
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        for size, piece in ((30_000, 1000), (codes.MAX_MESSAGE_BYTES, 4096),
                            (codes.MAX_MESSAGE_BYTES, 16_385)):
            with self.subTest(size=size, piece=piece):
                frame = sender.request_frame(
                    codes.MESSAGE, self.message(to=receiver.user, payload=b"z" * size), True,
                    id=5)
                sender.send_split(frame, *range(piece, len(frame), piece))
                self.expect_code("answer", codes.OK, sender.wait_response(5))
                self.expect("bytes", size, len(receiver.wait_push().body.payload))

    def test_split_after_a_large_pipeline(self):
        # 256 frames of 1,000 bytes and a cut one: what waits is carried, nothing is lost.
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"),
                                                                     ack=codes.AUTO)
        data = b"".join(sender.request_frame(
            codes.MESSAGE, self.message(to=receiver.user, payload=b"%03d" % i + b"x" * 1000), True)
            for i in range(256))  # id 0: one after the other
        sender.send_split(data, len(data) - 700, len(data) - 1)
        answers = [sender.wait_response(0) for _ in range(256)]
        self.expect("seqs", list(range(1, 257)), [answer.seq for answer in answers])
        self.expect("payloads", [b"%03d" % i for i in range(256)],
                    [push.body.payload[:3] for push in receiver.wait_pushes(256)])


class Closing(case.Case):
    shared = shared_server

    def test_half_close_answers_everything(self):
        self.make_users(peer := case.fresh("rob"))
        for edition in (1, 2):
            with self.subTest(edition=edition):
                client = self.login(case.fresh("ann"), edition=edition)
                client.send_raw(b"".join(
                    client.request_frame(codes.MESSAGE, self.message(to=peer), True, id=i)
                    for i in range(1, 501)) + wire.HEARTBEAT)
                client.half_close()
                self.expect_closed_after_answer("half-close", client)
                self.expect("answers", set(range(1, 501)), set(client.responses))
                self.expect("refused", [], [r for r in client.responses.values() if r.code])
                self.expect("heartbeats", 1, client.heartbeats)
                self.expect("ended by a reset", False, client.reset)

    def test_half_close_right_behind_connect(self):
        client = self.connect()
        user = case.fresh("ann")
        client.send_raw(client.connect_frame(ORG, APPKEY, user, self.server.token(user))
                        + client.request_frame(codes.SYNC, b"", id=1))
        client.half_close()
        self.expect_code("login", codes.OK, client.wait_conack())
        self.expect_code("sync", codes.OK, client.wait_response(1))
        self.expect_closed_after_answer("half-close", client)

    def test_what_follows_a_disconnect_is_discarded(self):
        client = self.login(case.fresh("ann"))
        client.send_raw(client.request_frame(codes.SYNC, b"", id=1) + client.disconnect_frame()
                        + client.request_frame(codes.SYNC, b"", id=2) + b"\xff" * 6)
        self.expect_closed_after_answer("Disconnect", client)
        self.expect("answers", {1}, set(client.responses))

    def test_eof_within_a_frame(self):
        client = self.login(case.fresh("ann"))
        client.send_raw(client.request_frame(codes.SYNC, b"", id=1) + b"\x20abc")
        client.half_close()
        client.wait_eof()
        self.expect("answers", {1}, set(client.responses))

    def test_large_answer_survives_a_client_that_still_writes(self):
        sender, user = self.login(case.fresh("sam")), case.fresh("ann")
        self.make_users(user)
        for i in range(30):
            self.expect_code("store", codes.OK, sender.request(
                codes.MESSAGE, self.message(to=user, payload=bytes(2000)), True))
        client = self.login(user, send_only=True)
        client.send_raw(client.request_frame(codes.SYNC, b"", id=1) + client.disconnect_frame()
                        + wire.HEARTBEAT * 5000)
        self.expect_code("sync", codes.OK, client.wait_response(1))
        self.expect_closed_after_answer("Disconnect", client)

    def test_keepalive(self):
        silent = self.login(case.fresh("ann"), keepalive_s=1)
        alive = self.login(case.fresh("bob"), keepalive_s=1)
        unwatched = self.login(case.fresh("cat"))
        started = time.monotonic()
        while time.monotonic() - started < 4:
            alive.heartbeat()
            alive.settle(0.3)
        self.expect_disconnect("no byte for 1.5 s", codes.IDLE_TIMEOUT, silent)
        self.expect_quiet("heartbeats keep it; 0 watches nothing", alive, unwatched)

    def test_keepalive_does_not_end_early(self):
        client = self.login(case.fresh("ann"), keepalive_s=2)
        started = time.monotonic()
        self.expect_disconnect("no byte for 3 s", codes.IDLE_TIMEOUT, client)
        waited = time.monotonic() - started
        self.assertGreater(waited, 2.9, "1.5 times keepalive_s is 3 s")

    def test_keepalive_above_the_limit_is_taken(self):
        self.login(case.fresh("ann"), keepalive_s=2**32 - 1)


class Deadlines(case.Case):
    shared = impatient

    def test_login_timeout_closes_without_a_frame(self):
        for sent in (b"", b"\x80", b"\x40", b"\x40" + b"\x08\x02"):
            with self.subTest(sent=sent):
                client = self.connect()
                client.send_raw(sent)
                client.wait_eof()
                self.expect("bytes", 0, client.bytes_in)

    def test_login_timeout_ends_with_the_first_frame(self):
        client = self.login(case.fresh("ann"))
        client.settle(1.6)
        self.expect_quiet("logged in", client)


class SmallLimits(case.Case):
    shared = small_limits

    def test_max_inflight_is_no_error(self):
        self.make_users(peer := case.fresh("rob"))
        client = self.login(case.fresh("ann"))
        client.send_raw(b"".join(
            client.request_frame(codes.MESSAGE, self.message(to=peer), True, id=i)
            for i in range(1, 301)))
        for i in range(1, 301):
            self.expect_code("answer", codes.OK, client.wait_response(i))

    def test_lowered_max_message_bytes(self):
        client = self.login(case.fresh("ann"))
        for size, expected in ((999, codes.OFFLINE), (1000, codes.OFFLINE),
                               (1001, codes.TOO_LARGE)):
            self.expect_code(f"{size} bytes", expected, client.request(
                codes.MESSAGE, self.message(to=client.user, payload=bytes(size))))

    def test_lowered_max_frame_bytes(self):
        for size, is_good in ((8191, True), (8192, True), (8193, False)):
            with self.subTest(size=size):
                client = self.login(case.fresh("ann"))
                self.expect("ConAck.max_frame_bytes", 8192, client.conack.max_frame_bytes)
                client.send_raw(padded_frame(client.request_body(codes.SYNC, b"", id=1), size))
                if is_good:
                    self.expect_code("answer", codes.OK, client.wait_response(1))
                else:
                    self.expect_disconnect("too long", codes.PROTOCOL_ERROR, client)

    def test_pages_stay_below_max_frame_bytes(self):
        self.make_users(user := case.fresh("ann"))
        sender = self.login(case.fresh("sam"))
        for i in range(40):
            self.expect_code("store", codes.OK, sender.request(
                codes.MESSAGE, self.message(to=user, payload=b"%02d" % i + bytes(900)), True))
        reader = self.login(user, send_only=True)
        seqs, pages, after = [], 0, 0
        while True:
            response, page = reader.sync(after_seq=after, limit=1000)
            self.expect_code("page", codes.OK, response)
            pages += 1
            seqs += [message.seq for message in page.messages]
            if not page.more:
                break
            self.assertTrue(page.messages, "expected rows on a page with `more`")
            after = page.messages[-1].seq
        self.expect("rows", list(range(1, 41)), seqs)
        self.assertGreater(pages, 4, "40 rows of 900 bytes cannot fit 4 frames of 8,192")
        self.assertLessEqual(reader.frame_bytes_max, 8192)

    def test_events_of_many_users_stay_below_max_frame_bytes(self):
        users = [case.fresh("member-with-a-long-name-" + "x" * 24) for _ in range(138)]
        self.make_users(*users)
        owner, group = self.login(case.fresh("own")), case.fresh("club")
        request = self.messages.GroupRequest(op=codes.CREATE, group=group, users=users)
        frame = owner.request_frame(codes.GROUP, request, id=1)
        self.assertLess(len(frame), 8192 + 3)
        self.assertGreater(len(frame), 8192 - 1000, "the test wants a frame that is nearly full")
        owner.send_raw(frame)
        self.expect_code("CREATE", codes.OK, owner.wait_response(1))
        response, page = owner.sync(group)
        self.expect_code("SYNC", codes.OK, response)
        self.expect("users of the event", sorted(users), sorted(page.group_events[0].users))
        member = self.login(users[0])
        self.expect("pushed", sorted(users), sorted(member.wait_push().body.users))
        for client in (owner, member):
            self.assertLessEqual(client.frame_bytes_max, 8192)


if __name__ == "__main__":
    case.main()
