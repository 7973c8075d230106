#!/usr/bin/python3
"""1:1 messages: relayed and stored, backlog, cursors, window, dedupe, SYNC, short-lived senders.
Source: PROTOCOL.md sections 3 to 5."""

import time

import case
import codes
import wire
from server import APPKEY, ORG

shared_server = case.use_server()
short_lived = case.use_server(gateways=1, workers=1, dedupe_window="1s", retention="3s",
                              max_timeline_rows=100)
WINDOW = 256  # push_window's default


class Relayed(case.Case):
    shared = shared_server

    def test_offline_and_online(self):
        sender = self.login(case.fresh("sam"))
        user = case.fresh("rob")
        self.expect_code("unknown", codes.NOT_FOUND, sender.send_text("1", to=user))
        self.make_users(user)
        response = sender.send_text("2", to=user)
        self.expect_code("no session", codes.OFFLINE, response)
        self.expect("seq", 0, response.seq)
        bot = self.login(user, "bot", send_only=True)
        self.expect_code("a send_only session does not count", codes.OFFLINE,
                         sender.send_text("3", to=user))
        receivers = [self.login(user, device, edition=edition)
                     for device, edition in (("", 2), ("phone", 1), ("tablet", 2))]
        response = sender.send_text("4", to=user)
        self.expect_code("online", codes.OK, response)
        self.expect("seq", 0, response.seq)
        for receiver in receivers:
            push = receiver.wait_push()
            self.expect("type and seq", (codes.MESSAGE, 0), (push.type, push.seq))
            self.expect("text", "4", self.messages.MessageTxt.FromString(push.body.payload).txt)
            self.expect("time_ms of response and push", response.time_ms, push.body.time_ms)
        self.expect_quiet("once each, nothing for send_only", bot, *receivers)
        self.expect("never stored", 0, receivers[0].sync()[1].head_seq)
        for receiver in receivers:
            receiver.leave()
        self.eventually("gone", codes.OFFLINE, lambda: sender.send_text("5", to=user).code)

    def test_server_sets_its_fields(self):
        sender = self.login(case.fresh("sam"), "pad")
        receiver = self.login(case.fresh("rob"))
        for offline in (False, True):
            with self.subTest(offline=offline):
                response = sender.request(codes.MESSAGE, self.message(
                    **{"from": "mallory"}, to=receiver.user, payload=b"x", type=codes.CUSTOM,
                    seq=99, time_ms=1, device="forged", peer_seq=5, client_id=b"c%d" % offline),
                    offline)
                self.expect_code("sent", codes.OK, response)
                body = receiver.wait_push().body
                self.expect("from", sender.user, getattr(body, "from"))
                self.expect("device", "pad", body.device)
                self.expect("seq", response.seq, body.seq)
                self.expect("time_ms", response.time_ms, body.time_ms)
                self.expect("peer_seq", 0, body.peer_seq)
                self.expect("to, group", (receiver.user, ""), (body.to, body.group))
                self.expect("payload, type, client_id", (b"x", codes.CUSTOM, b"c%d" % offline),
                            (body.payload, body.type, body.client_id))
                self.assertLess(abs(body.time_ms - time.time() * 1000), 60_000)

    def test_order_of_relayed(self):
        sender = self.login(case.fresh("sam"))
        receiver = self.login(case.fresh("rob"))
        data = b"".join(sender.request_frame(
            codes.MESSAGE, self.message(to=receiver.user, payload=b"%d" % i), id=i + 1)
            for i in range(500))
        sender.send_raw(data)
        self.expect("payloads", [b"%d" % i for i in range(500)],
                    [push.body.payload for push in receiver.wait_pushes(500)])

    def test_client_id_is_passed_on_not_remembered(self):
        sender = self.login(case.fresh("sam"))
        receiver = self.login(case.fresh("rob"))
        for payload in (b"one", b"one", b"two"):
            response = sender.request(codes.MESSAGE, self.message(
                to=receiver.user, payload=payload, client_id=b"same"))
            self.expect_code("relayed", codes.OK, response)
            self.expect("duplicate", False, response.duplicate)
            body = receiver.wait_push().body
            self.expect("push", (payload, b"same"), (body.payload, body.client_id))


class Stored(case.Case):
    shared = shared_server

    def test_seq_and_time(self):
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        responses = self.store(sender, 300, to=receiver.user)
        self.expect("seqs", list(range(1, 301)), [r.seq for r in responses])
        times = [r.time_ms for r in responses]
        self.expect("times do not go back", sorted(times), times)
        pushes = receiver.wait_pushes(WINDOW)
        self.expect("pushed seqs", list(range(1, WINDOW + 1)), [p.seq for p in pushes])
        self.expect("pushed times", times[:WINDOW], [p.body.time_ms for p in pushes])
        self.expect("payloads", [b"m-%d" % i for i in range(1, WINDOW + 1)],
                    [p.body.payload for p in pushes])

    def test_every_session_sees_one_order(self):
        user = case.fresh("rob")
        receivers = [self.login(user, f"d{i}", ack=codes.AUTO, edition=1 + i % 2)
                     for i in range(4)]
        senders = [self.login(case.fresh("sam")) for _ in range(5)]
        for sender in senders:
            sender.send_raw(b"".join(sender.request_frame(
                codes.MESSAGE, self.message(to=user, payload=b"%d" % i), True, id=i + 1)
                for i in range(100)))
        orders = [[(p.seq, getattr(p.body, "from"), p.body.payload)
                   for p in receiver.wait_pushes(500)] for receiver in receivers]
        self.expect("seqs", list(range(1, 501)), [seq for seq, _, _ in orders[0]])
        for order in orders[1:]:
            self.assertEqual(orders[0], order)
        for sender in senders:
            self.expect(f"order of {sender.user}", [b"%d" % i for i in range(100)],
                        [payload for _, name, payload in orders[0] if name == sender.user])

    def test_backlog_in_order(self):
        user = case.fresh("rob")
        self.make_users(user)
        sender = self.login(case.fresh("sam"))
        self.store(sender, 200, to=user)
        receiver = self.login(user)
        self.expect("inbox_seq, acked_seq, first_seq", (200, 0, 1),
                    (receiver.conack.inbox_seq, receiver.conack.acked_seq,
                     receiver.conack.first_seq))
        pushes = self.expect_pushed_seqs("backlog", range(1, 201), receiver)
        self.expect("from", {sender.user}, {getattr(p.body, "from") for p in pushes})
        self.store(sender, 1, to=user)
        self.expect_pushed_seqs("live behind it", [201], receiver)

    def test_backlog_meets_live_messages(self):
        # Logins while messages flow: each session sees 1, 2, 3, ... with no gap and no repeat.
        user = case.fresh("rob")
        self.make_users(user)
        sender = self.login(case.fresh("sam"))
        total, receivers = 2000, []
        for batch in range(20):
            for i in range(batch * 100, batch * 100 + 100):
                sender.post(codes.MESSAGE, self.message(to=user, payload=b"%d" % i), True)
            if batch % 3 == 1:
                receivers.append(self.login(user, f"d{batch}", ack=codes.AUTO))
        for receiver in receivers:
            first = receiver.conack.acked_seq + 1
            self.expect_pushed_seqs(f"from {first}", range(first, total + 1), receiver)
        self.expect_quiet("nothing twice", *receivers)

    def test_message_to_oneself_is_one_row(self):
        user = case.fresh("ann")
        sender, other = self.login(user, "a"), self.login(user, "b")
        response = sender.send_text("note", True, to=user)
        self.expect_code("stored", codes.OK, response)
        self.expect("seq", 1, response.seq)
        self.expect_pushed_seqs("other device", [1], other)
        self.expect_code("relayed", codes.OK, sender.send_text("note", to=user))
        self.expect_pushed_seqs("other device, relayed", [0], other)
        self.expect_quiet("once", other)
        self.expect("head", 1, other.sync()[1].head_seq)
        other.leave()
        self.eventually("the sending session does not count", codes.OFFLINE,
                        lambda: sender.send_text("note", to=user).code)


class Cursors(case.Case):
    shared = shared_server

    def test_explicit_redelivers_what_was_not_acknowledged(self):
        user = case.fresh("rob")
        sender = self.login(case.fresh("sam"))
        receiver = self.login(user)
        self.store(sender, 5, to=user)
        first = self.expect_pushed_seqs("live", range(1, 6), receiver)
        self.expect_code("ack 3", codes.OK, receiver.ack(3))
        for _ in range(2):
            receiver.leave()
            receiver = self.login(user)
            self.expect("inbox_seq, acked_seq", (5, 3),
                        (receiver.conack.inbox_seq, receiver.conack.acked_seq))
            again = self.expect_pushed_seqs("again", [4, 5], receiver)
            self.expect("the same messages", [str(p.body) for p in first[3:]],
                        [str(p.body) for p in again])
        self.expect_code("ack 5", codes.OK, receiver.ack(5))
        receiver.leave()
        receiver = self.login(user)
        self.expect("acked_seq", 5, receiver.conack.acked_seq)
        self.expect_quiet("all acknowledged", receiver)

    def test_explicit_after_a_reset(self):
        user = case.fresh("rob")
        sender = self.login(case.fresh("sam"))
        receiver = self.login(user)
        self.store(sender, 10, to=user)
        receiver.wait_pushes(10)
        self.expect_code("ack", codes.OK, receiver.ack(4))
        receiver.abort()
        self.expect_pushed_seqs("next login", range(5, 11), self.login(user))

    def test_auto_moves_when_bytes_were_taken(self):
        user = case.fresh("rob")
        sender = self.login(case.fresh("sam"))
        receiver = self.login(user, ack=codes.AUTO)
        self.store(sender, 5, to=user)
        receiver.wait_pushes(5)
        receiver.leave()
        receiver = self.login(user, ack=codes.AUTO)
        self.expect("acked_seq", 5, receiver.conack.acked_seq)
        self.expect_quiet("nothing again", receiver)
        receiver.leave()
        self.store(sender, 300, to=user)
        receiver = self.login(user, ack=codes.AUTO)
        self.expect_pushed_seqs("more than a window", range(6, 306), receiver)

    def test_auto_and_explicit_by_turns(self):
        user = case.fresh("rob")
        sender = self.login(case.fresh("sam"))
        for start, mode, acked in ((1, codes.AUTO, 5), (6, codes.EXPLICIT, 5),
                                   (11, codes.AUTO, 15), (16, codes.EXPLICIT, 15)):
            receiver = self.login(user, ack=mode)
            self.store(sender, 5, first=start, to=user)
            first = receiver.conack.acked_seq + 1
            self.expect_pushed_seqs(f"mode {mode}", range(first, start + 5), receiver)
            receiver.leave()
            probe = self.login(user)
            self.expect(f"acked_seq after mode {mode}", acked, probe.conack.acked_seq)
            probe.leave()

    def test_ack_rules(self):
        user = case.fresh("rob")
        sender = self.login(case.fresh("sam"))
        for mode in (codes.EXPLICIT, codes.AUTO):
            with self.subTest(mode=mode):
                receiver = self.login(user, f"device{mode}", ack=mode)
                head = self.store(sender, 10, to=user)[-1].seq
                receiver.wait_pushes(10)
                for rule, seq, expected in (("the newest", head, codes.OK),
                                            ("above the newest", head + 1, codes.BAD_REQUEST),
                                            ("far above", 2**64 - 1, codes.BAD_REQUEST),
                                            ("below the cursor", head - 5, codes.OK),
                                            ("0", 0, codes.OK)):
                    self.expect_code(rule, expected, receiver.ack(seq))
                receiver.leave()
                again = self.login(user, f"device{mode}", ack=mode)
                self.expect("acked_seq did not go back", head, again.conack.acked_seq)
                again.leave()

    def test_ack_without_id_has_no_response(self):
        user = case.fresh("rob")
        sender = self.login(case.fresh("sam"))
        receiver = self.login(user)
        self.store(sender, 4, to=user)
        receiver.wait_pushes(4)
        m = self.messages
        receiver.send_raw(b"".join(
            receiver.request_frame(codes.ACK, body) for body in
            (m.AckRequest(seq=2), m.AckRequest(seq=99), m.AckRequest(group="nothing", seq=1),
             m.AckRequest(seq=3))) + receiver.request_frame(codes.SYNC, b"", id=5))
        self.expect_code("sync behind them", codes.OK, receiver.wait_response(5))
        self.expect_quiet("no response", receiver)
        self.expect("responses without id", 0, len(receiver.idless))
        receiver.leave()
        self.expect("acked_seq: wrong ones are ignored", 3, self.login(user).conack.acked_seq)

    def test_window_counts_unacknowledged_rows(self):
        user = case.fresh("rob")
        self.make_users(user)
        sender = self.login(case.fresh("sam"))
        self.store(sender, 600, to=user)
        receiver = self.login(user)
        self.expect_pushed_seqs("one window", range(1, WINDOW + 1), receiver)
        self.expect_quiet("no more", receiver)
        self.expect_code("ack", codes.OK, receiver.ack(10))
        self.expect_pushed_seqs("10 more", range(WINDOW + 1, WINDOW + 11), receiver)
        self.expect_quiet("no more", receiver)
        self.expect_code("ack", codes.OK, receiver.ack(WINDOW + 10))
        self.expect_pushed_seqs("a window", range(WINDOW + 11, 2 * WINDOW + 11), receiver)
        self.expect_quiet("no more", receiver)
        self.expect_code("relayed ones are not held back", codes.OK,
                         sender.send_text("now", to=user))
        self.expect_pushed_seqs("relayed", [0], receiver)
        self.expect_code("ack", codes.OK, receiver.ack(2 * WINDOW + 10))
        self.expect_pushed_seqs("the rest", range(2 * WINDOW + 11, 601), receiver)
        self.store(sender, 2, to=user)
        self.expect_pushed_seqs("live again", [601, 602], receiver)

    def test_window_fills_live(self):
        user = case.fresh("rob")
        sender, receiver = self.login(case.fresh("sam")), self.login(user)
        self.store(sender, WINDOW - 1, to=user)
        self.expect_pushed_seqs("one below", range(1, WINDOW), receiver)
        self.store(sender, 3, to=user)
        self.expect_pushed_seqs("at", [WINDOW], receiver)
        self.expect_quiet("above", receiver)
        self.expect_code("ack", codes.OK, receiver.ack(1))
        self.expect_pushed_seqs("one more", [WINDOW + 1], receiver)
        self.expect_quiet("no more", receiver)

    def test_ack_of_rows_not_yet_pushed(self):
        # Cumulative: what SYNC has shown may be acknowledged, and is not pushed then.
        user = case.fresh("rob")
        self.make_users(user)
        self.store(self.login(case.fresh("sam")), 600, to=user)
        receiver = self.login(user)
        self.expect_pushed_seqs("one window", range(1, WINDOW + 1), receiver)
        self.expect_code("ack", codes.OK, receiver.ack(590))
        self.expect_pushed_seqs("behind the cursor", range(591, 601), receiver)

    def test_devices_have_cursors_of_their_own(self):
        user = case.fresh("rob")
        sender = self.login(case.fresh("sam"))
        devices = [self.login(user, device) for device in ("a", "b", "")]
        self.store(sender, 6, to=user)
        for acked, receiver in zip((2, 6, 0), devices):
            receiver.wait_pushes(6)
            self.expect_code("ack", codes.OK, receiver.ack(acked))
            receiver.leave()
        for acked, device in zip((2, 6, 0), ("a", "b", "")):
            self.expect(f"acked_seq of {device!r}", acked,
                        self.login(user, device).conack.acked_seq)

    def test_replaced_session_hands_its_cursor_on(self):
        user = case.fresh("rob")
        sender = self.login(case.fresh("sam"))
        older = self.login(user, "phone")
        self.store(sender, 8, to=user)
        older.wait_pushes(8)
        self.expect_code("ack", codes.OK, older.ack(6))
        newer = self.login(user, "phone")
        self.expect_disconnect("older", codes.REPLACED, older)
        self.expect("acked_seq", 6, newer.conack.acked_seq)
        self.expect_pushed_seqs("newer", [7, 8], newer)


    def test_acked_seq_of_a_replacing_login_is_where_pushes_go_on(self):
        sender = self.login(case.fresh("sam"))
        for round_ in range(12):
            user, ack = case.fresh("rob"), (codes.AUTO, codes.EXPLICIT)[round_ % 2]
            older = self.login(user, "phone", ack=ack)
            self.store(sender, 30, to=user)
            if ack == codes.EXPLICIT:
                older.send_raw(older.request_frame(codes.ACK, self.messages.AckRequest(seq=7)))
            newer = self.login(user, "phone", ack=ack)
            acked = newer.conack.acked_seq
            self.store(sender, 1, to=user)
            self.expect("pushed", list(range(acked + 1, 32)),
                        [push.seq for push in newer.wait_pushes(31 - acked)])


class SendOnly(case.Case):
    shared = shared_server

    def test_gets_no_pushes_and_has_no_cursor(self):
        user = case.fresh("ann")
        self.make_users(user)
        sender = self.login(case.fresh("sam"))
        self.store(sender, 3, to=user)
        bot = self.login(user, send_only=True)
        phone = self.login(user, "phone")
        self.store(sender, 2, first=4, to=user)
        self.expect_pushed_seqs("phone", range(1, 6), phone)
        self.expect_code("relayed", codes.OK, sender.send_text("x", to=user))
        self.expect_pushed_seqs("phone", [0], phone)
        self.expect_quiet("send_only", bot)
        self.expect_code("ACK", codes.UNSUPPORTED, bot.ack(1))
        self.expect_code("PRESENCE", codes.UNSUPPORTED,
                         bot.request(codes.PRESENCE, self.messages.PresenceRequest()))
        response, page = bot.sync()
        self.expect_code("SYNC", codes.OK, response)
        self.expect("rows", list(range(1, 6)), [m.seq for m in page.messages])
        self.expect_code("sends", codes.OK, bot.send_text("x", True, to=sender.user))
        self.expect("device in the push", "", sender.wait_push().body.device)

    def test_is_no_known_device(self):
        # A later device of the user starts at the beginning: nobody ever acknowledged.
        user = case.fresh("ann")
        sender = self.login(case.fresh("sam"))
        for _ in range(3):
            self.login(user, "d", send_only=True).leave()
        self.store(sender, 3, to=user)
        self.login(user, "d", send_only=True).leave()
        self.expect_pushed_seqs("first device", [1, 2, 3], self.login(user, "d"))


class Sync(case.Case):
    shared = shared_server

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = None

    def reader(self):
        """A user with 250 rows; made by the first test that asks."""
        cls = type(self)
        if cls.user is None:
            user = case.fresh("rob")
            self.make_users(user)
            self.store(self.login(case.fresh("sam")), 250, to=user)
            cls.user = user
        return self.login(cls.user, "reader", send_only=True)

    def test_pages(self):
        reader = self.reader()
        # (after_seq, before_seq, limit) -> (first, last, more); 0, 0: no rows
        rows = [((0, 0, 0), (1, 100, True)), ((0, 0, 1), (1, 1, True)),
                ((0, 0, 249), (1, 249, True)), ((0, 0, 250), (1, 250, False)),
                ((0, 0, 251), (1, 250, False)), ((0, 0, 1000), (1, 250, False)),
                ((0, 0, 2**32 - 1), (1, 250, False)), ((100, 0, 0), (101, 200, True)),
                ((200, 0, 0), (201, 250, False)), ((150, 0, 100), (151, 250, False)),
                ((149, 0, 100), (150, 249, True)), ((249, 0, 10), (250, 250, False)),
                ((250, 0, 10), (0, 0, False)),
                ((0, 251, 10), (241, 250, True)), ((0, 250, 10), (240, 249, True)),
                ((0, 11, 10), (1, 10, False)), ((0, 12, 10), (2, 11, True)),
                ((0, 101, 0), (1, 100, False)), ((0, 102, 0), (2, 101, True)),
                ((0, 2, 5), (1, 1, False)), ((0, 1, 5), (0, 0, False)),
                ((0, 1000, 1000), (1, 250, False)), ((0, 2**64 - 1, 3), (248, 250, True))]
        for (after, before, limit), (first, last, more) in rows:
            with self.subTest(after=after, before=before, limit=limit):
                response, page = reader.sync(after_seq=after, before_seq=before, limit=limit)
                self.expect_code("SYNC", codes.OK, response)
                self.expect("seqs", list(range(first, last + 1)) if first else [],
                            [m.seq for m in page.messages])
                self.expect("more, head_seq, first_seq", (more, 250, 1),
                            (page.more, page.head_seq, page.first_seq))
                self.expect("events", 0, len(page.group_events) + len(page.contact_events))

    def test_rows_are_the_stored_messages(self):
        reader = self.reader()
        page = reader.sync(after_seq=9, limit=2)[1]
        self.expect("payloads", [b"m-10", b"m-11"], [m.payload for m in page.messages])
        self.expect("to", {reader.user}, {m.to for m in page.messages})

    def test_wrong_requests(self):
        reader = self.reader()
        self.expect_code("after and before", codes.BAD_REQUEST,
                         reader.sync(after_seq=5, before_seq=9)[0])
        self.expect_code("unknown group", codes.NOT_FOUND, reader.sync("no-such-group")[0])
        owner = self.login(case.fresh("own"))
        group = case.fresh("club")
        self.expect_code("CREATE", codes.OK,
                         owner.group(codes.CREATE, group, users=["nobody"])[0])
        self.expect_code("no member", codes.FORBIDDEN, reader.sync(group)[0])
        self.expect_code("ACK by no member", codes.FORBIDDEN,
                         self.login(case.fresh("out")).ack(1, group))

    def test_empty_inbox(self):
        page = self.login(case.fresh("new")).sync()[1]
        self.expect("head_seq, first_seq, more", (0, 1, False),
                    (page.head_seq, page.first_seq, page.more))

    def test_moves_no_cursor(self):
        self.reader()
        receiver = self.login(type(self).user, "phone")
        self.expect("acked_seq", 0, receiver.conack.acked_seq)
        receiver.wait_pushes(250)
        receiver.sync(after_seq=200)
        receiver.leave()
        self.expect("acked_seq", 0, self.login(type(self).user, "phone").conack.acked_seq)

    def test_pages_of_large_rows_stay_below_the_frame(self):
        user = case.fresh("rob")
        self.make_users(user)
        sender = self.login(case.fresh("sam"))
        sizes = [64_000, 10, 64_512, 64_512, 30_000, 30_000, 30_000, 1, 2, 64_512]
        for size in sizes:
            self.expect_code("store", codes.OK, sender.request(
                codes.MESSAGE, self.message(to=user, payload=bytes(size)), True))
        reader = self.login(user, send_only=True)
        got, after = [], 0
        while len(got) < 100:
            response, page = reader.sync(after_seq=after, limit=1000)
            self.expect_code("page", codes.OK, response)
            got += [(m.seq, len(m.payload)) for m in page.messages]
            if not page.more:
                break
            after = got[-1][0]
        self.expect("rows", list(enumerate(sizes, 1)), got)
        self.assertLessEqual(reader.frame_bytes_max, codes.MAX_FRAME_BYTES)
        got, before = [], 0
        while True:
            page = reader.sync(before_seq=before or len(sizes) + 1, limit=1000)[1]
            got = [(m.seq, len(m.payload)) for m in page.messages] + got
            if not page.more:
                break
            before = got[0][0]
        self.expect("rows, scrolling back", list(enumerate(sizes, 1)), got)


class Dedupe(case.Case):
    shared = shared_server

    def send(self, client, client_id, payload=b"x", offline=True, **fields):
        return client.request(codes.MESSAGE, self.message(
            payload=payload, client_id=client_id, **fields), offline)

    def expect_duplicate(self, what, first, again):
        self.expect_code(what, codes.OK, again)
        self.expect(f"{what}: duplicate, seq, time_ms", (True, first.seq, first.time_ms),
                    (again.duplicate, again.seq, again.time_ms))

    def test_repeat(self):
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        to = receiver.user
        first = self.send(sender, b"c", to=to)
        self.expect("duplicate of the first", False, first.duplicate)
        self.expect_duplicate("repeat", first, self.send(sender, b"c", to=to))
        self.send(sender, b"d", to=to)
        self.expect_duplicate("repeat, later", first, self.send(sender, b"c", to=to))
        self.expect_code("another payload", codes.ALREADY_EXISTS,
                         self.send(sender, b"c", b"y", to=to))
        self.expect_code("another type", codes.ALREADY_EXISTS,
                         self.send(sender, b"c", to=to, type=codes.IMAGE))
        self.expect_duplicate("after refusals", first, self.send(sender, b"c", to=to))
        for rule, client_id in (("a prefix", b""), ("longer", b"c\0")):
            response = self.send(sender, client_id, to=to)
            self.expect(f"{rule}: duplicate", (0, False), (response.code, response.duplicate))
        self.expect_pushed_seqs("pushed once each", [1, 2, 3, 4], receiver)
        self.expect_quiet("no repeat", receiver)

    def test_no_client_id_is_never_a_repeat(self):
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        seqs = [self.send(sender, b"", to=receiver.user).seq for _ in range(3)]
        self.expect("seqs", [1, 2, 3], seqs)

    def test_is_per_sender_and_target(self):
        users = [case.fresh("rob"), case.fresh("rob")]
        self.make_users(*users)
        senders = [self.login(case.fresh("sam")) for _ in range(2)]
        group = case.fresh("club")
        self.expect_code("CREATE", codes.OK, senders[0].group(
            codes.CREATE, group, users=[senders[1].user])[0])
        for sender in senders:
            for target in ({"to": users[0]}, {"to": users[1]}, {"group": group}):
                response = self.send(sender, b"same", **target)
                self.expect_code(str(target), codes.OK, response)
                self.expect("duplicate", False, response.duplicate)
                self.expect_duplicate(str(target), response,
                                      self.send(sender, b"same", **target))

    def test_is_the_senders_not_the_devices(self):
        user, receiver = case.fresh("sam"), self.login(case.fresh("rob"))
        first = self.send(self.login(user, "a"), b"c", to=receiver.user)
        self.expect_duplicate("another device", first,
                              self.send(self.login(user, "b", edition=1), b"c", to=receiver.user))
        bot = self.login(user, send_only=True)
        self.expect_duplicate("send_only", first, self.send(bot, b"c", to=receiver.user))

    def test_in_flight(self):
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        other = self.login(sender.user, "other")
        for round_ in range(20):
            client_id = b"c%d" % round_
            ids = []
            for client in (sender, other):
                frame_ids = [client.take_id() for _ in range(5)]
                client.send_raw(b"".join(client.request_frame(
                    codes.MESSAGE, self.message(to=receiver.user, client_id=client_id,
                                                payload=b"x"), True, id=id)
                    for id in frame_ids))
                ids += [(client, id) for id in frame_ids]
            answers = [client.wait_response(id) for client, id in ids]
            self.expect("codes", {codes.OK}, {a.code for a in answers})
            self.expect("seqs", {round_ + 1}, {a.seq for a in answers})
            self.expect("first ones", 1, sum(not a.duplicate for a in answers))
        self.expect_pushed_seqs("pushed", range(1, 21), receiver)
        self.expect_quiet("no repeat", receiver)

    def test_refusals_are_not_remembered(self):
        sender, user = self.login(case.fresh("sam")), case.fresh("rob")
        self.expect_code("unknown", codes.NOT_FOUND, self.send(sender, b"c", to=user))
        self.make_users(user)
        response = self.send(sender, b"c", b"another", to=user)
        self.expect_code("now", codes.OK, response)
        self.expect("duplicate", False, response.duplicate)

    def test_relayed_ones_are_not_remembered(self):
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        self.expect_code("relayed", codes.OK,
                         self.send(sender, b"c", offline=False, to=receiver.user))
        first = self.send(sender, b"c", b"other", to=receiver.user)
        self.expect("stored: code, duplicate", (0, False), (first.code, first.duplicate))
        self.expect_code("relayed again", codes.OK,
                         self.send(sender, b"c", offline=False, to=receiver.user))
        self.expect_pushed_seqs("pushed", [0, 1, 0], receiver)


class Restart(case.OwnServer, case.Case):
    """A server of its own: stopped, killed and started again in the test."""

    def test_state_survives(self):
        user, group = case.fresh("rob"), case.fresh("club")
        sender = self.login("sam")
        receiver = self.login(user)
        epoch = receiver.conack.epoch
        self.expect_code("CREATE", codes.OK, sender.group(codes.CREATE, group, users=[user])[0])
        first = sender.request(codes.MESSAGE, self.message(
            to=user, payload=b"x", client_id=b"c"), True)
        grouped = sender.request(codes.MESSAGE, self.message(
            group=group, payload=b"x", client_id=b"c"), True)
        self.store(sender, 9, to=user)
        receiver.wait_pushes(12)
        self.expect_code("ack", codes.OK, receiver.ack(4))
        self.expect_code("ack of the group", codes.OK, receiver.ack(1, group))
        for how in ("SIGTERM", "kill -9"):
            with self.subTest(how=how):
                if how == "SIGTERM":
                    self.expect("exit code", 0, self.server.stop())
                else:
                    self.server.kill()
                self.server.start()
                sender, receiver = self.login("sam"), self.login(user)
                self.expect("epoch", epoch, receiver.conack.epoch)
                self.expect("inbox_seq, acked_seq", (10, 4),
                            (receiver.conack.inbox_seq, receiver.conack.acked_seq))
                pushes = receiver.wait_pushes(7)
                self.expect("inbox", list(range(5, 11)),
                            [p.seq for p in pushes if not p.body.group])
                self.expect("group", [2], [p.seq for p in pushes if p.body.group])
                for original, target in ((first, {"to": user}), (grouped, {"group": group})):
                    again = sender.request(codes.MESSAGE, self.message(
                        payload=b"x", client_id=b"c", **target), True)
                    self.expect("repeat: code, duplicate, seq, time_ms",
                                (0, True, original.seq, original.time_ms),
                                (again.code, again.duplicate, again.seq, again.time_ms))
                    self.expect_code("another payload", codes.ALREADY_EXISTS, sender.request(
                        codes.MESSAGE, self.message(payload=b"y", client_id=b"c", **target),
                        True))

    def test_repeats_in_one_segment_after_a_restart(self):
        # As many as one client may have under way, none of them in memory any more.
        sender, user = self.login("sam"), case.fresh("rob")
        self.make_users(user)
        frames = [self.message(to=user, payload=b"%d" % i, client_id=b"c%d" % i)
                  for i in range(256)]

        def send_all(client):
            client.send_raw(b"".join(client.request_frame(codes.MESSAGE, frame, True, id=1000 + i)
                                     for i, frame in enumerate(frames)))
            return [client.wait_response(1000 + i) for i in range(256)]
        first = send_all(sender)
        self.expect("codes", [codes.OK] * 256, [response.code for response in first])
        self.server.kill()
        self.server.start()
        again = send_all(self.login("sam"))
        self.expect("code, duplicate, seq", [(codes.OK, True, response.seq) for response in first],
                    [(response.code, response.duplicate, response.seq) for response in again])

    def test_repeats_of_a_recalled_message_and_beside_own_copies(self):
        # The first of a repeat is looked for among rows: here rows that changed, or only look like it.
        user = case.fresh("rob")
        self.make_users(user)
        sender = self.login("sam", "phone")
        self.login("sam", "desk")  # so that each message to rob has a copy in sam's own inbox
        first, other = (sender.request(codes.MESSAGE, self.message(
            to=user, payload=b"x", client_id=client_id), True) for client_id in (b"c", b"d"))
        self.expect_code("recall", codes.OK, sender.request(codes.MESSAGE, self.message(
            to=user, type=codes.RECALL, payload=b"\x08\x01"), True))
        for when in ("at once", "after kill -9"):
            with self.subTest(when=when):
                if when != "at once":
                    self.server.kill()
                    self.server.start()
                    sender = self.login("sam", "phone")
                for original, client_id in ((first, b"c"), (other, b"d")):
                    again = sender.request(codes.MESSAGE, self.message(
                        to=user, payload=b"x", client_id=client_id), True)
                    self.expect("repeat: code, duplicate, seq, time_ms",
                                (codes.OK, True, original.seq, original.time_ms),
                                (again.code, again.duplicate, again.seq, again.time_ms))
                    self.expect_code("another payload", codes.ALREADY_EXISTS, sender.request(
                        codes.MESSAGE, self.message(to=user, payload=b"y", client_id=client_id),
                        True))
                own = sender.request(codes.MESSAGE, self.message(
                    to="sam", payload=b"x", client_id=b"c"), True)
                self.expect("to oneself: code, duplicate", (codes.OK, when != "at once"),
                            (own.code, own.duplicate))

    def test_auto_cursor_is_durable_within_a_second(self):
        user = "rob"
        sender, receiver = self.login("sam"), self.login(user, ack=codes.AUTO)
        self.store(sender, 20, to=user)
        receiver.wait_pushes(20)
        receiver.settle(2)
        self.server.kill()
        self.server.start()
        self.expect("acked_seq", 20, self.login(user, ack=codes.AUTO).conack.acked_seq)

    def test_auto_cursor_of_a_client_that_stopped_reading(self):
        user = "rob"
        sender = self.login("sam")
        receiver = self.login(user, ack=codes.AUTO,
                              client=self.connect(receive_buffer=4096, timeout=30))
        for _ in range(4):  # more than the sockets hold, less than half a window of rows
            self.store(sender, 25, to=user, stem="x" * 6_000)
        time.sleep(2)
        self.server.kill()
        self.server.start()
        receiver.close()
        acked = self.login(user, ack=codes.AUTO).conack.acked_seq
        self.assertGreater(acked, 0, "rows that the kernel took 2 s before the kill")
        self.assertLess(acked, 100)

    def test_workers_may_change(self):
        if self.server.placement == "fused":
            counts = [(1, 1), (3, 3), (2, 2)]
        else:
            counts = [(1, 1), (2, 3), (1, 2)]
        users = [case.fresh("rob") for _ in range(12)]
        self.make_users(*users)
        self.expect_code("CREATE", codes.OK,
                         self.login("sam").group(codes.CREATE, "club", users=users)[0])
        for round_, (gateways, workers) in enumerate(counts, 1):
            self.expect("exit code", 0, self.server.stop())
            self.server.gateways, self.server.workers = gateways, workers
            self.server.start()
            sender = self.login("sam")
            for user in users:
                self.expect("seq", round_, self.store(sender, 1, to=user)[0].seq)
            self.expect("seq of the group", round_ + 1, self.store(sender, 1, group="club")[0].seq)
        for user in users:
            receiver = self.login(user)
            pushes = receiver.wait_pushes(7)
            self.expect("inbox", [1, 2, 3], [p.seq for p in pushes
                                             if p.type == codes.MESSAGE and not p.body.group])
            self.expect("group", [1, 2, 3, 4], [p.seq for p in pushes if p.body.group])
        self.expect("exit code", 0, self.server.stop())
        self.expect("imsctl verify", 0, self.server.verify().returncode)


class ShortLived(case.Case):
    """dedupe_window 1 s, retention 3 s, max_timeline_rows 100."""

    shared = short_lived

    def test_dedupe_window_ends(self):
        sender, user = self.login(case.fresh("sam")), case.fresh("rob")
        self.make_users(user)

        def send():
            response = sender.request(codes.MESSAGE, self.message(
                to=user, payload=b"x", client_id=b"c"), True)
            self.expect_code("send", codes.OK, response)
            return response.duplicate
        self.expect("first", False, send())
        self.expect("at once", True, send())
        time.sleep(1.2)
        self.eventually("after the window", False, send, timeout=10, pause=0.2)

    def test_retention_hides_rows(self):
        sender, user = self.login(case.fresh("sam")), case.fresh("rob")
        self.make_users(user)
        self.store(sender, 5, to=user)
        reader = self.login(user, send_only=True)
        self.expect("rows", 5, len(reader.sync()[1].messages))
        self.eventually("first_seq: nothing kept", 6, lambda: reader.sync()[1].first_seq)
        page = reader.sync()[1]
        self.expect("rows, head_seq, more", (0, 5, False),
                    (len(page.messages), page.head_seq, page.more))
        receiver = self.login(user)
        self.expect("inbox_seq, first_seq", (5, 6),
                    (receiver.conack.inbox_seq, receiver.conack.first_seq))
        self.store(sender, 1, to=user)
        self.expect_pushed_seqs("seqs go on", [6], receiver)

    def test_first_seq_of_a_login_that_nobody_synced_before(self):
        sender, user = self.login(case.fresh("sam")), case.fresh("rob")
        self.make_users(user)
        self.store(sender, 5, to=user)
        time.sleep(4.2)
        conack = self.login(user).conack
        self.expect("inbox_seq, acked_seq, first_seq", (5, 5, 6),
                    (conack.inbox_seq, conack.acked_seq, conack.first_seq))

    def test_full_timeline(self):
        sender, user = self.login(case.fresh("sam")), case.fresh("rob")
        self.make_users(user)
        ids = [sender.post(codes.MESSAGE, self.message(to=user, payload=b"x"), True)
               for _ in range(102)]
        got = [sender.wait_response(id).code for id in ids]
        self.expect("codes at 100 and above", [codes.OK] * 100 + [codes.QUEUE_FULL] * 2, got)
        self.expect_code("relayed is not refused", codes.OFFLINE, sender.send_text("x", to=user))
        unknown = self.messages.RecallPayload(seq=4711).SerializeToString()
        self.expect_code("NOT_FOUND comes before QUEUE_FULL", codes.NOT_FOUND, sender.request(
            codes.MESSAGE, self.message(to=user, type=codes.RECALL, payload=unknown), True))
        self.eventually("room once rows are past retention", codes.OK,
                        lambda: sender.send_text("x", True, to=user).code)


class ShortConnection(case.Case):
    shared = shared_server

    def test_many_short_connections(self):
        # CONNECT, requests and DISCONNECT in one segment, without reading in between.
        self.make_users(peer := case.fresh("rob"))
        for batch in range(4):
            user, clients = case.fresh("ann"), []  # at most max_send_only at once
            token = self.server.token(user)
            for _ in range(25):
                client = self.connect(1 + batch % 2)
                client.send_raw(
                    client.connect_frame(ORG, APPKEY, user, token, send_only=True)
                    + b"".join(client.request_frame(
                        codes.MESSAGE, self.message(to=peer, payload=b"%d" % i), True, id=i)
                        for i in range(1, 11))
                    + client.disconnect_frame())
                clients.append(client)
            for client in clients:
                self.expect_code("login", codes.OK, client.wait_conack())
                answers = [client.wait_response(i) for i in range(1, 11)]
                seqs = [answer.seq for answer in answers]
                self.expect("codes", {codes.OK}, {answer.code for answer in answers})
                self.expect("seqs ascend in the order of sending", sorted(seqs), seqs)
                self.expect_closed_after_answer("DISCONNECT", client)
                client.close()
        self.expect("rows", 1000, self.login(peer).conack.inbox_seq)

    def test_heartbeat_amid_pushes(self):
        sender, receiver = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        for i in range(50):
            sender.post(codes.MESSAGE, self.message(to=receiver.user), True)
            receiver.send_raw(wire.HEARTBEAT * 2)
        receiver.wait_heartbeats(100)
        self.expect_pushed_seqs("pushes", range(1, 51), receiver)


if __name__ == "__main__":
    case.main()
