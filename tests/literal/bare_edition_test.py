#!/usr/bin/python3
"""Clients generated from the bare editions, which know of no addition: what nobody here wrote. The
process' protobuf pool holds the bare files; the other side of a conversation speaks the additive
edition from a pool of its own."""

import case
import codes
import messages
import server as server_module
import wire

BARE = messages.generated("bare")
FULL = messages.dynamic("full")
EDITIONS = (1, 2)

auto = case.use_server()
fixed_v1 = case.use_server(edition="v1", gateways=1, workers=1)
fixed_v2 = case.use_server(edition="v2", gateways=1, workers=1)


class BareCase(case.Case):
    shared = auto
    messages = FULL  # of login(), store(), ...: the additive side

    def bare_login(self, user, edition, version=None, expect=codes.OK, token=None):
        client = self.connect(edition, messages=BARE, version=version)
        client.login(server_module.ORG, server_module.APPKEY, user,
                     token or self.server.token(user))
        self.expect(f"edition {edition}: status of {user}", 0 if expect == codes.OK else 1,
                    client.conack.status)
        client.user = user
        return client

    def bare_message(self, text):
        return BARE.Message(type=codes.TXT,
                            payload=BARE.MessageTxt(txt=text).SerializeToString())


class Bare(BareCase):
    def test_login(self):
        for edition in EDITIONS:
            with self.subTest(edition=edition):
                client = self.bare_login(case.fresh("ann"), edition)
                self.expect_quiet("after login", client)

    def test_wrong_token(self):
        for edition in EDITIONS:
            with self.subTest(edition=edition):
                client = self.bare_login(case.fresh("ann"), edition,
                                         expect=codes.UNAUTHENTICATED, token="wrong")
                self.assertTrue(client.conack.reason, "expected a reason, got none")
                self.expect_closed_after_answer("after a wrong token", client)

    def test_wrong_token_code_in_envelope(self):
        # The envelope's answer is a Response, whose code is a bold field.
        client = self.connect(1, messages=BARE)
        client.send_raw(client.connect_frame(server_module.ORG, server_module.APPKEY, "ann", "no"))
        client.wait_eof()
        self.expect("frames", 1, len(client.versions))
        self.expect("status", 1, client.conack.status)

    def test_heartbeat(self):
        for edition in EDITIONS:
            with self.subTest(edition=edition):
                client = self.bare_login(case.fresh("ann"), edition)
                client.send_raw(wire.HEARTBEAT * 7)
                client.wait_heartbeats(7)
                self.expect_quiet("after 7 heartbeats", client)
                self.expect("heartbeats", 8, client.heartbeats)

    def test_requests_without_id_are_answered_in_order(self):
        # UNSUPPORTED and BAD_REQUEST alternate: an answer out of order is seen.
        for edition in EDITIONS:
            with self.subTest(edition=edition):
                client = self.bare_login(case.fresh("ann"), edition)
                pattern = [(i * i + i // 3) % 2 for i in range(200)]
                client.send_raw(b"".join(
                    client.request_frame(codes.CONTACT + 90 if odd else codes.MESSAGE, b"")
                    for odd in pattern))
                got = [client.wait_response(0).code for _ in pattern]
                self.expect("codes", [codes.UNSUPPORTED if odd else codes.BAD_REQUEST
                                      for odd in pattern], got)

    def test_requests_without_id_stop_and_wait(self):
        # The additive Message, id 0: stored one after the other, so in the order of sending.
        sender = self.login(case.fresh("sam"))
        receiver = self.login(case.fresh("rob"), ack=codes.AUTO)
        sender.send_raw(b"".join(
            sender.request_frame(codes.MESSAGE, FULL.Message(to=receiver.user, payload=b"%d" % i),
                                 offline=True)
            for i in range(50)))
        answers = [sender.wait_response(0) for _ in range(50)]
        self.expect("seqs", list(range(1, 51)), [answer.seq for answer in answers])
        self.expect("payloads", [b"%d" % i for i in range(50)],
                    [push.body.payload for push in receiver.wait_pushes(50)])

    def test_message_of_a_bare_client_is_a_bad_request(self):
        for edition in EDITIONS:
            for offline in (None, False, True):
                with self.subTest(edition=edition, offline=offline):
                    client = self.bare_login(case.fresh("ann"), edition)
                    response = client.request(codes.MESSAGE, self.bare_message("hello"), offline)
                    self.expect_code("neither to nor group", codes.BAD_REQUEST, response)
                    client.heartbeat()
                    client.wait_heartbeats(1)

    def test_receives_relayed_and_stored_messages(self):
        for edition in EDITIONS:
            with self.subTest(edition=edition):
                bare = self.bare_login(case.fresh("bea"), edition)
                sender = self.login(case.fresh("sam"))
                for offline in (False, True):
                    response = sender.send_text(f"hi {offline}", offline, to=bare.user)
                    self.expect_code(f"offline={offline}", codes.OK, response)
                    push = bare.wait_push()
                    self.expect("type of the pushed request", codes.MESSAGE, push.type)
                    self.expect("type", codes.TXT, push.body.type)
                    self.expect("text", f"hi {offline}",
                                BARE.MessageTxt.FromString(push.body.payload).txt)

    def test_receives_its_backlog_once(self):
        # A bare client has no AckMode: AUTO, so the next login starts behind what was taken.
        for edition in EDITIONS:
            with self.subTest(edition=edition):
                user = case.fresh("bea")
                self.make_users(user)
                sender = self.login(case.fresh("sam"))
                self.store(sender, 40, to=user)
                bare = self.bare_login(user, edition)
                self.expect("payloads", [b"m-%d" % i for i in range(1, 41)],
                            [push.body.payload for push in bare.wait_pushes(40)])
                bare.leave()
                again = self.bare_login(user, edition)
                self.store(sender, 1, first=41, to=user)
                self.expect("first push of the next login", b"m-41", again.wait_push().body.payload)

    def test_half_close_answers_what_came_before(self):
        for edition in EDITIONS:
            with self.subTest(edition=edition):
                client = self.bare_login(case.fresh("ann"), edition)
                client.send_raw(b"".join(
                    client.request_frame(codes.MESSAGE, self.bare_message(str(i)))
                    for i in range(100)))
                client.half_close()
                client.wait_eof()
                self.expect("answers", [codes.BAD_REQUEST] * 100,
                            [answer.code for answer in client.idless])
                self.expect("Disconnect", None, client.disconnect)

    def test_disconnect_ends_without_a_disconnect_of_the_server(self):
        for edition in EDITIONS:
            with self.subTest(edition=edition):
                client = self.bare_login(case.fresh("ann"), edition)
                client.send_raw(client.request_frame(codes.MESSAGE, b"")
                                + client.disconnect_frame())
                self.expect_closed_after_answer("after Disconnect", client)
                self.expect("answers", 1, len(client.idless))


class Editions(BareCase):
    """The first frame decides on a listener with edition = "auto"; fixed ones take any version."""

    def check_version(self, shared, edition, version):
        self.shared = shared
        client = self.bare_login(case.fresh("ann"), edition, version)
        client.send_raw(wire.HEARTBEAT + client.request_frame(codes.MESSAGE, b""))
        self.expect_code("a request", codes.BAD_REQUEST, client.wait_response(0))
        self.expect("versions of the server's frames", {version}, set(client.versions))

    def test_version_is_echoed_on_auto(self):
        # Typed: anything but 1. Envelope: 1.
        for edition, version in ((1, 1), (2, 2), (2, 0), (2, 3), (2, 77), (2, -1),
                                 (2, 2**31 - 1), (2, -2**31)):
            with self.subTest(edition=edition, version=version):
                self.check_version(auto, edition, version)

    def test_fixed_listeners_take_any_version(self):
        for shared, edition in ((fixed_v1, 1), (fixed_v2, 2)):
            for version in (0, 1, 2, 9, -1):
                with self.subTest(edition=edition, version=version):
                    self.check_version(shared, edition, version)

    def test_field_2_means_envelope_whatever_the_version(self):
        # command = CONNECT written out as a client that sets it explicitly might: 10 00.
        for version in (0, 2, 5):
            with self.subTest(version=version):
                client = self.connect(1, messages=BARE, version=version)
                body = client.connect_body(server_module.ORG, server_module.APPKEY,
                                           case.fresh("ann"), "x")
                client.send_raw(wire.frame(body + wire.number(2, codes.CONNECT)))
                conack = client.wait_conack()
                self.expect("status, read as an envelope", 1, conack.status)
                self.expect("version", [version], client.versions)
                client.wait_eof()

    def test_version_of_later_frames_is_not_looked_at(self):
        for edition in EDITIONS:
            with self.subTest(edition=edition):
                client = self.bare_login(case.fresh("ann"), edition)
                client.version = 3 - edition
                client.send_raw(client.request_frame(codes.MESSAGE, b""))
                client.wait_response(0)
                self.expect("versions", {edition}, set(client.versions))

    def test_disconnect_before_the_first_frame(self):
        # Typed, version 2; on a listener fixed to v1: envelope, version 1.
        for shared, edition in ((auto, 2), (fixed_v2, 2), (fixed_v1, 1)):
            with self.subTest(edition=edition):
                self.shared = shared
                client = self.connect(edition, messages=BARE)
                client.send_raw(wire.HEARTBEAT)
                self.expect_disconnect("heartbeat first", codes.PROTOCOL_ERROR, client)
                self.expect("versions", [edition], client.versions)

    def test_disconnect_comes_in_the_connections_edition(self):
        for edition in EDITIONS:
            with self.subTest(edition=edition):
                client = self.bare_login(case.fresh("ann"), edition)
                client.send_raw(client.connect_frame("a", "b", "c", "d"))
                self.expect_disconnect("second CONNECT", codes.PROTOCOL_ERROR, client)
                self.expect("versions", [edition] * 2, client.versions)


if __name__ == "__main__":
    case.main()
