#!/usr/bin/python3
"""Several devices of one user: copies of what another device stored; which ones the server knows, and
how an operator makes it forget one. RECALL, RECEIPT and TYPING.
Source: PROTOCOL.md sections 5 (Rows and cursors, Own devices, RECALL) and 8; deploy/README.md."""

import json
import random
import subprocess
import time

import case
import codes
import server as server_module
import wire
from codes import (BAD_REQUEST, CUSTOM, FORBIDDEN, NOT_FOUND, OFFLINE, OK, QUEUE_FULL, RECALL,
                   RECEIPT, TXT, TYPING)
from server import APPKEY, ORG

shared_server = case.use_server()
small_inbox = case.use_server(max_timeline_rows=5)
short_recall = case.use_server(recall_window="1s")

FLAG_S = 1.1  # "a flag at most 1 s old" decides whether a copy is due


class DeviceCase(case.Case):
    shared = shared_server

    def devices(self, *names, user=None, **fields):
        """Sessions of one user, known to the server for so long that copies are due."""
        user = user or case.fresh("ann")
        clients = [self.login(user, name, **fields) for name in names]
        time.sleep(FLAG_S)
        return clients

    def send(self, client, offline=True, expect=OK, **fields):
        fields.setdefault("payload", b"x")
        response = client.request(codes.MESSAGE, self.message(**fields), offline)
        self.expect_code(f"message of {client.user}/{client.device}", expect, response)
        return response

    def recall(self, client, seq, expect=OK, offline=True, **fields):
        return self.send(client, offline, expect, type=RECALL, **fields,
                         payload=self.messages.RecallPayload(seq=seq).SerializeToString())

    def rows(self, client, **fields):
        """The messages of SYNC."""
        response, page = client.sync(limit=1000, **fields)
        self.expect_code("SYNC", OK, response)
        self.page = page
        return list(page.messages)

    def expect_copy(self, what, message, seq, sender, device, to, peer_seq, payload=b"x"):
        self.expect(what, (seq, sender, device, to, "", peer_seq, payload),
                    (message.seq, getattr(message, "from"), message.device, message.to,
                     message.group, message.peer_seq, message.payload))

    def wait_head(self, client, head):
        """The copies are written behind the answer."""
        try:
            self.eventually("head of the inbox", head, lambda: client.sync()[1].head_seq,
                            pause=0.01)
        except AssertionError as error:
            lost = self.server.stats()["ims_copies_lost_total"]
            raise AssertionError(f"{error}; copies lost: {lost}") from None


class Copies(DeviceCase):
    def test_fields(self):
        rob, sam = self.login(case.fresh("rob")), self.login(case.fresh("sam"))
        phone, pad, desk = self.devices("phone", "pad", "")
        self.store(sam, 3, to=rob.user)
        response = self.send(phone, to=rob.user, payload=b"hello", type=CUSTOM, client_id=b"c1")
        self.expect("seq in the recipient's inbox", 4, response.seq)
        for other in (pad, desk):
            push = other.wait_push()
            self.expect("type", codes.MESSAGE, push.type)
            self.expect_copy("copy", push.body, 1, phone.user, "phone", rob.user, 4, b"hello")
            self.expect("type, client_id", (CUSTOM, b"c1"), (push.body.type, push.body.client_id))
            self.assertLess(abs(push.body.time_ms - time.time() * 1000), 60_000)
        pushes = rob.wait_pushes(4)
        self.expect_copy("the message", pushes[-1].body, 4, phone.user, "phone", rob.user, 0,
                         b"hello")
        for client in (phone, pad):
            self.expect("SYNC", [str(push.body)], [str(m) for m in self.rows(client)])
        response = self.send(desk, to=sam.user)
        for other in (pad, phone):
            self.expect_copy("copy of another", other.wait_push().body, 2, desk.user, "", sam.user,
                             response.seq)
        self.expect_quiet("nobody else", phone, pad, desk, rob)

    def test_in_the_order_of_sending_and_with_everything_else(self):
        rob, sam = self.login(case.fresh("rob"), ack=codes.AUTO), self.login(case.fresh("sam"))
        phone, pad = self.devices("phone", "pad", ack=codes.AUTO)
        ids = []
        for i in range(300):
            ids.append(phone.post(codes.MESSAGE, self.message(to=rob.user, payload=b"%d" % i),
                                  True))
            if i % 3 == 0:
                self.send(sam, to=phone.user, payload=b"sam")
        for id in ids:
            self.expect_code("stored", OK, phone.wait_response(id))
        pushes = [push.body for push in pad.wait_pushes(400)]
        self.expect("dense", list(range(1, 401)), [body.seq for body in pushes])
        copies = [body for body in pushes if body.peer_seq]
        self.expect("payloads", [b"%d" % i for i in range(300)], [c.payload for c in copies])
        self.expect("peer_seqs", list(range(1, 301)), [c.peer_seq for c in copies])
        times = [body.time_ms for body in pushes]
        self.expect("times do not go back", sorted(times), times)
        self.expect("the sending session", [b"sam"] * 100,
                    [push.body.payload for push in phone.wait_pushes(100)])
        self.expect_quiet("nothing else", phone, pad)

    def test_both_devices_send(self):
        rob = self.login(case.fresh("rob"), ack=codes.AUTO)
        phone, pad = self.devices("phone", "pad", ack=codes.AUTO)
        for i in range(100):
            for client in (phone, pad):
                client.post(codes.MESSAGE, self.message(to=rob.user, payload=b"%d" % i), True)
        for client, other in ((phone, "pad"), (pad, "phone")):
            bodies = [push.body for push in client.wait_pushes(100)]
            self.expect("from the other device", {other}, {body.device for body in bodies})
            self.expect("order", [b"%d" % i for i in range(100)], [b.payload for b in bodies])
        self.expect("rows", 200, len(self.rows(phone)))
        peer_rows = {m.seq: m.payload for m in self.rows(rob)}
        self.expect("peer_seq names the recipient's row", peer_rows,
                    {m.peer_seq: m.payload for m in self.rows(phone)})

    def test_offline_device_gets_it_at_its_next_login(self):
        rob = case.fresh("rob")
        self.make_users(rob)
        phone, pad = self.devices("phone", "pad")
        pad.leave()
        for i in range(5):
            self.send(phone, to=rob, payload=b"%d" % i)
        self.wait_head(phone, 5)
        for mode in (codes.EXPLICIT, codes.AUTO):
            pad = self.login(phone.user, "pad", ack=mode)
            self.expect("payloads", [b"%d" % i for i in range(5)],
                        [push.body.payload for push in pad.wait_pushes(5)])
            self.expect("acked_seq", 0, pad.conack.acked_seq)
            pad.leave()
        self.expect_quiet("AUTO: taken", pad := self.login(phone.user, "pad"))
        self.expect("acked_seq", 5, pad.conack.acked_seq)

    def test_the_sending_device_is_not_pushed_its_own_later(self):
        # The cursor passes the copies at the session's end, all before them being acknowledged.
        rob, sam = self.login(case.fresh("rob")), self.login(case.fresh("sam"))
        phone, pad = self.devices("phone", "pad")
        self.send(phone, to=rob.user)
        self.wait_head(phone, 1)
        phone.leave()
        phone = self.login(phone.user, "phone")
        self.expect("acked_seq", 1, phone.conack.acked_seq)
        self.send(sam, to=phone.user, payload=b"two")
        self.send(phone, to=rob.user, payload=b"three")
        self.wait_head(phone, 3)
        self.expect_pushed_seqs("theirs", [2], phone)
        phone.leave()
        phone = self.login(phone.user, "phone")
        self.expect_pushed_seqs("row 2 was not acknowledged", [2, 3], phone)
        self.send(phone, to=rob.user, payload=b"four")
        self.wait_head(phone, 4)
        self.expect_code("ACK of the row before it", OK, phone.ack(3))
        phone.leave()
        self.expect_quiet("passed", phone := self.login(phone.user, "phone"))
        self.expect("acked_seq", 4, phone.conack.acked_seq)
        self.expect_pushed_seqs("the pad took none", [1, 2, 3, 4], pad)

    def test_own_copies_do_not_count_in_the_window(self):
        rob, sam = case.fresh("rob"), self.login(case.fresh("sam"))
        self.make_users(rob)
        phone, pad = self.devices("phone", "pad")
        self.store(phone, 300, to=rob)
        self.wait_head(phone, 300)
        self.send(sam, to=phone.user)
        self.expect_pushed_seqs("behind 300 own rows", [301], phone)
        self.expect_pushed_seqs("the other's window", range(1, 257), pad)
        self.expect_quiet("is full", pad)

    def test_send_only_sender(self):
        # It counts as no device: all known devices get the copy, the same-named too.
        rob = self.login(case.fresh("rob"))
        phone, = self.devices("phone")
        for i, device in enumerate(("phone", "", "bot"), 1):
            bot = self.login(phone.user, device, send_only=True)
            response = self.send(bot, to=rob.user)
            self.expect("seq", i, response.seq)
            self.expect_copy("copy", phone.wait_push().body, i, phone.user, device, rob.user, i)
            self.expect("the recipient's", device, rob.wait_push().body.device)
            self.expect_quiet("send_only gets no push", bot)

    def test_send_only_of_a_user_without_a_known_device(self):
        rob, user = self.login(case.fresh("rob")), case.fresh("ann")
        bots = [self.login(user, f"bot{i}", send_only=True) for i in range(2)]
        for bot in bots:
            self.send(bot, to=rob.user)
        rob.wait_pushes(2)
        self.expect_quiet("no copies", *bots)
        self.expect("own inbox", 0, bots[0].sync()[1].head_seq)

    def test_pipelined_short_lived_sender(self):
        rob = self.login(case.fresh("rob"))
        phone, pad = self.devices("phone", "pad")
        for edition in (1, 2):
            client = self.connect(edition)
            client.send_raw(
                client.connect_frame(ORG, APPKEY, phone.user, self.server.token(phone.user),
                                     send_only=True)
                + b"".join(client.request_frame(codes.MESSAGE, self.message(
                    to=rob.user, payload=b"%d" % i), True, id=i) for i in range(1, 6))
                + client.disconnect_frame())
            self.expect("codes", [OK] * 5, [client.wait_response(i).code for i in range(1, 6)])
            for device in (phone, pad):
                self.expect("copies", [b"%d" % i for i in range(1, 6)],
                            [push.body.payload for push in device.wait_pushes(5)])

    def test_single_device(self):
        rob = self.login(case.fresh("rob"))
        phone, = self.devices("phone")
        self.send(phone, to=rob.user)
        rob.wait_push()
        bot = self.login(phone.user, "pad", send_only=True)  # no known device
        time.sleep(FLAG_S)
        self.send(phone, to=rob.user)
        rob.wait_push()
        self.expect_quiet("no copy", phone, bot)
        self.expect("own inbox", 0, phone.sync()[1].head_seq)

    def test_message_to_oneself_is_one_row(self):
        phone, pad = self.devices("phone", "pad")
        response = self.send(phone, to=phone.user)
        self.expect("seq", 1, response.seq)
        self.expect_copy("the row", pad.wait_push().body, 1, phone.user, "phone", phone.user, 0)
        self.expect_quiet("no copy", phone, pad)
        self.expect("head", 1, pad.sync()[1].head_seq)

    def test_no_copy_of_relayed_group_and_refused_ones(self):
        rob, foe = self.login(case.fresh("rob")), self.login(case.fresh("foe"))
        phone, pad = self.devices("phone", "pad")
        self.contact(foe, codes.BLOCK, phone.user)
        group = case.fresh("club")
        self.expect_code("CREATE", OK, phone.group(codes.CREATE, group, users=[rob.user])[0])
        self.expect("the group's own event", codes.GROUP, pad.wait_push().type)
        self.send(phone, offline=False, to=rob.user)
        self.send(phone, to=foe.user, expect=FORBIDDEN)
        self.send(phone, to=case.fresh("nobody"), expect=NOT_FOUND)
        self.send(phone, to=rob.user, type=RECALL, expect=BAD_REQUEST, offline=False)
        self.send(phone, group=group)
        push = pad.wait_push()
        self.expect("the group's row", (group, 2), (push.body.group, push.seq))
        self.expect_quiet("no copy", phone, pad)
        self.expect("own inbox", 0, pad.sync()[1].head_seq)

    def test_one_copy_of_a_repeat(self):
        rob = self.login(case.fresh("rob"))
        phone, pad = self.devices("phone", "pad")
        for client in (phone, phone, pad):
            self.send(client, to=rob.user, client_id=b"same")
        self.expect_pushed_seqs("copy", [1], pad)
        self.expect_quiet("once, to the device that did not send first", phone, pad)
        self.expect("head", 1, pad.sync()[1].head_seq)

    def test_first_login_of_a_new_device_counts_within_a_second(self):
        rob, sam = self.login(case.fresh("rob")), self.login(case.fresh("sam"))
        phone, = self.devices("phone")
        self.send(phone, to=rob.user)
        self.send(sam, to=phone.user)                                    # 1
        self.expect_pushed_seqs("phone", [1], phone)
        self.expect_code("ACK", OK, phone.ack(1))
        pad = self.login(phone.user, "pad")
        self.expect("starts at the most advanced cursor", 1, pad.conack.acked_seq)
        time.sleep(FLAG_S)
        self.send(phone, to=rob.user)                                    # 2
        self.expect_copy("copy", pad.wait_push().body, 2, phone.user, "phone", rob.user, 2)
        self.send(pad, to=rob.user)                                      # 3
        self.expect_copy("copy", phone.wait_push().body, 3, phone.user, "pad", rob.user, 3)
        pad.leave()
        self.send(phone, to=rob.user)                                    # 4
        self.wait_head(phone, 4)
        self.expect_pushed_seqs("known although offline", [2, 3, 4], self.login(phone.user, "pad"))

    def test_both_editions_and_without_ids(self):
        rob = self.login(case.fresh("rob"))
        user = case.fresh("ann")
        phone, pad = self.login(user, "phone", edition=1), self.login(user, "pad", edition=2)
        time.sleep(FLAG_S)
        for seq, client, other in ((1, phone, pad), (2, pad, phone)):
            response = client.request(codes.MESSAGE, self.message(to=rob.user, payload=b"x"), True,
                                      id=0)
            self.expect("code, seq", (OK, seq), (response.code, response.seq))
            self.expect_copy("copy", other.wait_push().body, seq, user, client.device, rob.user,
                             seq)

    def test_large_payload(self):
        rob = self.login(case.fresh("rob").ljust(64, "r"))
        user = case.fresh("ann").ljust(64, "a")
        phone, pad = self.devices("phone".ljust(64, "p"), "pad", user=user)
        payload = bytes(range(256)) * 252
        self.send(phone, to=rob.user, payload=payload, client_id=b"i" * 32)
        self.expect_copy("copy", pad.wait_push().body, 1, phone.user, phone.device, rob.user, 1,
                         payload)
        self.send(phone, to=rob.user, payload=bytes(codes.MAX_MESSAGE_BYTES), client_id=b"j" * 32)
        self.expect("bytes", codes.MAX_MESSAGE_BYTES, len(pad.wait_push().body.payload))
        self.assertLessEqual(pad.frame_bytes_max, codes.MAX_FRAME_BYTES)
        self.expect("SYNC", [len(payload)], [len(m.payload) for m in self.rows(pad)])


class FullInbox(DeviceCase):
    """max_timeline_rows 5."""

    shared = small_inbox

    def test_copies_are_always_stored(self):
        sam = self.login(case.fresh("sam"))
        phone, pad = self.devices("phone", "pad")
        self.store(sam, 5, to=phone.user)
        self.send(sam, to=phone.user, expect=QUEUE_FULL)
        peers = [case.fresh("rob") for _ in range(3)]
        self.make_users(*peers)
        for peer in peers:
            self.send(phone, to=peer)
        self.expect("copies", [(6, 1), (7, 1), (8, 1)],
                    [(p.seq, p.body.peer_seq) for p in pad.wait_pushes(8)[5:]])
        for i in range(4):
            self.send(phone, to=peers[0])
        self.send(phone, to=peers[0], expect=QUEUE_FULL)
        pad.wait_pushes(4)
        self.expect_quiet("no copy of a refused one", pad)


class Recall(DeviceCase):
    def test_what_the_recipient_sees(self):
        sam, rob = self.login(case.fresh("sam"), "phone"), self.login(case.fresh("rob"))
        other = self.login(rob.user, "pad", ack=codes.AUTO, edition=1)
        for i, text in enumerate((b"one", b"two", b"three"), 1):
            self.send(sam, to=rob.user, payload=text, type=CUSTOM, client_id=b"c%d" % i)
        before = self.rows(rob)
        response = self.recall(sam, 2, to=rob.user)
        self.expect("a row of its own", 4, response.seq)
        for client in (rob, other):
            self.expect_pushed_seqs("as sent", [1, 2, 3], client)
            body = client.wait_push().body
            self.expect("pushed", (4, RECALL, sam.user, rob.user, "phone", response.time_ms),
                        (body.seq, body.type, getattr(body, "from"), body.to, body.device,
                         body.time_ms))
            self.expect("payload", 2, self.messages.RecallPayload.FromString(body.payload).seq)
        after = self.rows(rob)
        self.expect("rows", [1, 2, 3, 4], [m.seq for m in after])
        self.expect_tombstone("SYNC", before[1], after[1])
        self.expect("the others", [str(before[0]), str(before[2]), str(body)],
                    [str(after[i]) for i in (0, 2, 3)])
        for fields in ({"after_seq": 1, "limit": 1}, {"before_seq": 3, "limit": 1}):
            page = rob.sync(**fields)[1]
            self.expect(f"SYNC {fields}", [str(after[1])], [str(m) for m in page.messages])
        rob.leave()
        for mode in (codes.EXPLICIT, codes.AUTO):
            rob = self.login(rob.user, ack=mode)
            pushes = self.expect_pushed_seqs("catch-up", [1, 2, 3, 4], rob)
            self.expect("as in SYNC", [str(m) for m in after], [str(p.body) for p in pushes])
            rob.leave()

    def expect_tombstone(self, what, was, row):
        self.expect(f"{what}: type and payload", (RECALL, b""), (row.type, row.payload))
        self.expect(f"{what}: seq, from, to, group, time_ms",
                    (was.seq, getattr(was, "from"), was.to, was.group, was.time_ms),
                    (row.seq, getattr(row, "from"), row.to, row.group, row.time_ms))

    def test_before_the_recipient_ever_came(self):
        sam, name = self.login(case.fresh("sam")), case.fresh("rob")
        self.make_users(name)
        self.store(sam, 3, to=name)
        self.recall(sam, 1, to=name)
        rob = self.login(name)
        self.expect("types and payloads", [(1, RECALL, b""), (2, TXT, b"m-2"), (3, TXT, b"m-3")],
                    [(p.seq, p.body.type, p.body.payload) for p in rob.wait_pushes(3)])
        self.expect("the RECALL", (4, RECALL), (lambda p: (p.seq, p.body.type))(rob.wait_push()))

    def test_needs_offline(self):
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        seq = self.send(sam, to=rob.user).seq
        self.recall(sam, seq, offline=False, expect=BAD_REQUEST, to=rob.user)
        payload = self.messages.RecallPayload(seq=seq).SerializeToString()
        self.expect_code("no opts", BAD_REQUEST, sam.request(codes.MESSAGE, self.message(
            to=rob.user, type=RECALL, payload=payload)))
        self.expect("not altered", [b"x"], [m.payload for m in self.rows(rob)])

    def test_payloads(self):
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        self.send(sam, to=rob.user)
        for rule, payload, code in (("cut", b"\x08", BAD_REQUEST), ("noise", b"\xff", BAD_REQUEST),
                                    ("text", b"hello", BAD_REQUEST),
                                    ("empty: seq 0", b"", NOT_FOUND),
                                    ("seq 0", b"\x08\x00", NOT_FOUND),
                                    ("an unknown field", wire.number(7, 1), NOT_FOUND)):
            with self.subTest(rule=rule):
                self.send(sam, to=rob.user, type=RECALL, payload=payload, expect=code)
        self.send(sam, to=rob.user, type=RECALL, payload=wire.number(1, 1) + wire.number(7, 9))
        self.expect("recalled", [(RECALL, b"")], [(m.type, m.payload)
                                                  for m in self.rows(rob)[:1]])

    def test_not_found(self):
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        eve = self.login(case.fresh("eve"))
        self.send(sam, to=rob.user)                                      # 1
        self.send(eve, to=rob.user)                                      # 2
        self.contact(sam, codes.ADD, rob.user)                           # 3
        self.recall(sam, 1, to=rob.user)                                 # 4
        self.send(sam, to=rob.user)                                      # 5
        self.send(rob, to=rob.user)                                      # 6
        before = [str(m) for m in self.rows(rob)]
        for rule, client, seq in (
                ("above the newest", sam, 7), ("far above", sam, 2**63),
                ("2**64-1", sam, 2**64 - 1),
                ("0", sam, 0), ("another's", sam, 2), ("another's", eve, 1), ("another's", eve, 5),
                ("a ContactEvent", sam, 3), ("the RECALL", sam, 4), ("the recipient's", sam, 6),
                ("by the recipient", rob, 5), ("by the recipient", rob, 2)):
            with self.subTest(rule=rule, by=client.user):
                self.recall(client, seq, to=rob.user, expect=NOT_FOUND)
        self.recall(sam, 1, to=case.fresh("nobody"), expect=NOT_FOUND)
        self.expect("nothing changed", before, [str(m) for m in self.rows(rob)])
        self.expect("head", 6, self.page.head_seq)
        self.recall(rob, 6, to=rob.user)
        self.recall(sam, 5, to=rob.user)

    def test_recalled_once_already(self):
        # Read again, the row is of type RECALL: NOT_FOUND.
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        self.send(sam, to=rob.user)
        self.recall(sam, 1, to=rob.user)
        self.recall(sam, 1, to=rob.user, expect=NOT_FOUND)

    def test_repeat_by_client_id(self):
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        self.send(sam, to=rob.user, client_id=b"m")
        first = self.recall(sam, 1, to=rob.user, client_id=b"r")
        again = self.recall(sam, 1, to=rob.user, client_id=b"r")
        self.expect("seq, time_ms, duplicate", (first.seq, first.time_ms, True),
                    (again.seq, again.time_ms, again.duplicate))
        again = self.send(sam, to=rob.user, client_id=b"m")
        self.expect("a repeat of what was recalled", (1, True), (again.seq, again.duplicate))
        self.expect("still recalled", [(1, b""), (2, b"\x08\x01")],
                    [(m.seq, m.payload) for m in self.rows(rob)])

    def test_other_sessions_of_the_sender(self):
        # At another device the recipient's seq is the copy's peer_seq.
        rob, sam = self.login(case.fresh("rob")), self.login(case.fresh("sam"))
        self.store(sam, 4, to=rob.user)
        phone, pad = self.devices("phone", "pad")
        self.send(phone, to=rob.user, payload=b"five")
        self.send(phone, to=rob.user, payload=b"six")
        copies = [push.body for push in pad.wait_pushes(2)]
        response = self.recall(pad, copies[0].peer_seq, to=rob.user)
        self.expect("seq", 7, response.seq)
        bot = self.login(phone.user, send_only=True)
        self.recall(bot, 6, to=rob.user)
        self.expect("recalled", [b"", b""], [m.payload for m in self.rows(rob)[4:6]])
        # Own copies: the RECALL is a stored message like any; the copy of what it recalls stays.
        body = phone.wait_push().body
        self.expect_copy("copy of the RECALL", body, 3, phone.user, "pad", rob.user, 7, b"\x08\x05")
        self.expect("type", RECALL, body.type)
        for client in (phone, pad):
            body = client.wait_push().body
            self.expect("the second one", (4, RECALL, 8), (body.seq, body.type, body.peer_seq))
        for client in (phone, pad):
            self.expect("own copies are not altered", [(1, TXT, b"five"), (2, TXT, b"six")],
                        [(m.seq, m.type, m.payload) for m in self.rows(client)[:2]])
        for seq in (1, 2, 3):
            self.recall(pad, seq, to=pad.user, expect=NOT_FOUND)  # not stored by a message to it
        self.expect_quiet("no more", phone, pad)

    def test_in_a_group(self):
        owner, sam = self.login(case.fresh("own")), self.login(case.fresh("sam"))
        rob, outsider = self.login(case.fresh("rob")), self.login(case.fresh("out"))
        group = case.fresh("club")
        self.expect_code("CREATE", OK, owner.group(codes.CREATE, group,
                                                   users=[sam.user, rob.user])[0])
        self.send(sam, group=group, payload=b"two")                      # 2
        self.send(sam, group=group, payload=b"three")                    # 3
        before = self.rows(rob, group=group)
        for rule, client, seq in (("the owner", owner, 2), ("another member", rob, 2),
                                  ("a GroupEvent", owner, 1), ("unknown", sam, 4)):
            with self.subTest(rule=rule):
                self.recall(client, seq, group=group, expect=NOT_FOUND)
        self.recall(outsider, 2, group=group, expect=FORBIDDEN)
        self.recall(sam, 2, group=case.fresh("nothing"), expect=NOT_FOUND)
        response = self.recall(sam, 2, group=group)
        self.expect("seq", 4, response.seq)
        for client, count in ((rob, 3), (owner, 2)):
            client.wait_pushes(count)
            push = client.wait_push()
            self.expect("pushed", (4, RECALL, group, b"\x08\x02"),
                        (push.seq, push.body.type, push.body.group, push.body.payload))
        after = self.rows(rob, group=group)
        self.expect_tombstone("SYNC", before[0], after[0])
        self.expect("the other", str(before[1]), str(after[1]))
        late = self.login(rob.user, "late")
        late_rows = [push for push in late.wait_pushes(4) if push.type == codes.MESSAGE]
        self.expect("catch-up", [str(m) for m in after], [str(p.body) for p in late_rows])
        self.recall(sam, 4, group=group, expect=NOT_FOUND)
        self.expect_code("MUTE", OK, owner.group(codes.MUTE, group, users=[sam.user])[0])
        self.recall(sam, 3, group=group, expect=FORBIDDEN)

    def test_right_behind_the_message(self):
        # One segment: the second names the seq that the first will get.
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        for i in range(30):
            seq = 2 * i + 1
            payload = self.messages.RecallPayload(seq=seq).SerializeToString()
            sam.send_raw(sam.request_frame(codes.MESSAGE, self.message(
                to=rob.user, payload=b"oops"), True, id=1001)
                + sam.request_frame(codes.MESSAGE, self.message(
                    to=rob.user, type=RECALL, payload=payload), True, id=1002))
            for id, expected in ((1001, seq), (1002, seq + 1)):
                response = sam.wait_response(id)
                self.expect("code, seq", (OK, expected), (response.code, response.seq))
        self.expect("no text is left", [b""] * 30, [m.payload for m in self.rows(rob)[::2]])

    def test_many_at_once(self):
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        self.store(sam, 100, to=rob.user)
        ids = [sam.post(codes.MESSAGE, self.message(
            to=rob.user, type=RECALL,
            payload=self.messages.RecallPayload(seq=seq).SerializeToString()), True)
            for seq in range(1, 101)]
        got = [sam.wait_response(id) for id in ids]
        self.expect("codes: 100 are below max_inflight", {OK}, {r.code for r in got})
        self.expect("seqs: in the order of sending", list(range(101, 201)), [r.seq for r in got])
        rows = self.rows(rob)
        self.expect("recalled", [(RECALL, b"")] * 100, [(m.type, m.payload) for m in rows[:100]])

    def test_others_go_on_meanwhile(self):
        # Whoever recalls many rows, or rows that are not there, holds up nobody else's messages.
        for seqs in (range(1, 201), range(1001, 1201)):
            sam, eve = self.login(case.fresh("sam")), self.login(case.fresh("eve"))
            rob = self.login(case.fresh("rob"), ack=codes.AUTO)
            self.store(sam, 200, to=rob.user)
            for seq in seqs:
                sam.post(codes.MESSAGE, self.message(
                    to=rob.user, type=RECALL,
                    payload=self.messages.RecallPayload(seq=seq).SerializeToString()), True)
            ids = [eve.post(codes.MESSAGE, self.message(to=rob.user, payload=b"x"), True)
                   for _ in range(100)]
            got = [eve.wait_response(id).code for id in ids]
            self.expect("codes", {OK: 100}, {code: got.count(code) for code in set(got)})

    def test_catch_up_in_a_window(self):
        # What waits behind a full window is read later: recalled meanwhile, it shows no text.
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        self.store(sam, 260, to=rob.user)
        rob.wait_pushes(256)
        self.recall(sam, 258, to=rob.user)
        self.expect_code("ACK", OK, rob.ack(256))
        self.expect("pushed", [(257, b"m-257"), (258, b""), (259, b"m-259"), (260, b"m-260"),
                               (261, b"\x08\x82\x02")],
                    [(p.seq, p.body.payload) for p in rob.wait_pushes(5)])


class RecallWindow(DeviceCase):
    """recall_window 1 s."""

    shared = short_recall

    def test_too_old(self):
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        group = case.fresh("club")
        self.expect_code("CREATE", OK, sam.group(codes.CREATE, group, users=[rob.user])[0])
        for target in ({"to": rob.user}, {"group": group}):
            first = self.send(sam, **target).seq
            self.recall(sam, first, **target)
        old = self.send(sam, to=rob.user).seq, self.send(sam, group=group).seq
        time.sleep(1.2)
        self.recall(sam, old[0], to=rob.user, expect=FORBIDDEN)
        self.recall(sam, old[1], group=group, expect=FORBIDDEN)
        self.recall(rob, old[0], to=rob.user, expect=NOT_FOUND)  # not the sender's, however old
        self.recall(sam, 99, to=rob.user, expect=NOT_FOUND)
        self.expect("not altered", [b"x"], [m.payload for m in self.rows(rob)[2:]])
        new = self.send(sam, to=rob.user).seq
        self.recall(sam, new, to=rob.user)


class KnownDevices(DeviceCase):
    """imsctl user devices, and --forget: PROTOCOL.md 5, a first login of a new device, and 8,
    max_known_devices."""

    def ctl(self, user, *more, app=(ORG, APPKEY)):
        return self.server.ctl("user", "devices", *app, user, *more, check=False)

    def known(self, user):
        """By name: (online, acked_seq, groups)."""
        done = self.ctl(user, "--json")
        self.expect("exit code", 0, done.returncode)
        self.listed = json.loads(done.stdout)
        names = [device["device"] for device in self.listed["devices"]]
        self.expect("in order, once each", sorted(set(names)), names)
        return {device["device"]: (device["online"], device["acked_seq"], device["groups"])
                for device in self.listed["devices"]}

    def forget(self, user, device):
        done = self.ctl(user, "--forget", device)
        self.expect("forgotten", (0, "", ""), (done.returncode, done.stdout, done.stderr))

    def expect_refused(self, what, sentence, done):
        self.expect(f"{what}: exit code", 1, done.returncode)
        self.expect(f"{what}: nothing on standard output", "", done.stdout)
        self.assertIn(sentence, done.stderr, what)

    def test_list(self):
        sam, user = self.login(case.fresh("sam")), case.fresh("ann")
        self.make_users(user)
        self.expect("send_only sessions are no devices", {}, self.known(user))
        phone, plain = self.login(user, "phone"), self.login(user)
        group = case.fresh("club")
        self.expect_code("CREATE", OK, phone.group(codes.CREATE, group, users=[sam.user])[0])
        self.store(sam, 3, to=user)
        self.expect_code("ACK", OK, phone.ack(2))
        self.expect_code("ACK in the group", OK, plain.ack(1, group))
        self.expect("both online", {"": (True, 0, 1), "phone": (True, 2, 0)}, self.known(user))
        self.expect("newest seq", 3, self.listed["inbox_seq"])
        before = time.time()
        plain.leave()
        self.eventually("one left", {"": (False, 0, 1), "phone": (True, 2, 1)},
                        lambda: {**self.known(user), "phone": (True, 2, 1)})
        seen = self.listed["devices"][0]["last_seen_ms"] / 1000
        self.assertLess(abs(seen - before), 60)
        lines = self.ctl(user).stdout.splitlines()
        self.expect("header", ["DEVICE", "STATE", "INBOX", "GROUPS"], lines[0].split())
        self.assertRegex(lines[1], r'^"" +20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ +0/3 +1$')
        self.assertRegex(lines[2], r"^phone +online +2/3 +[01]$")
        self.expect("no more", 3, len(lines))

    def test_errors(self):
        phone = self.login(case.fresh("ann"), "phone")
        nobody = case.fresh("nobody")
        for what, sentence, done in (
                ("list: unknown user", f"user '{nobody}' does not exist", self.ctl(nobody)),
                ("forget: unknown user", f"user '{nobody}' does not exist",
                 self.ctl(nobody, "--forget", "phone")),
                ("unknown app", "no app no/app", self.ctl(phone.user, app=("no", "app"))),
                ("forget: unknown app", "no app no/app",
                 self.ctl(phone.user, "--forget", "phone", app=("no", "app"))),
                ("bad user name", "is no user name", self.ctl("a b")),
                ("bad device name", "a device's name is empty or",
                 self.ctl(phone.user, "--forget", "a/b")),
                ("too long", "a device's name is empty or",
                 self.ctl(phone.user, "--forget", "d" * 65)),
                ("unknown device", "knows no device 'pad' of user",
                 self.ctl(phone.user, "--forget", "pad")),
                ("unknown default device", "knows no default device of user",
                 self.ctl(phone.user, "--forget", "")),
                ("the longest name", "knows no device", self.ctl(phone.user, "--forget", "d" * 64)),
                ("online", f"the device 'phone' of user '{phone.user}' has a session; `imsctl "
                 f"user kick {ORG} {APPKEY} {phone.user}`",
                 self.ctl(phone.user, "--forget", "phone"))):
            self.expect_refused(what, sentence, done)
        self.expect("neither is wrong usage", 2,
                    self.ctl(phone.user, "--json", "--forget", "phone").returncode)
        self.expect("nothing changed", {"phone": (True, 0, 0)}, self.known(phone.user))
        self.expect_code("it lives", OK, phone.ack(0))
        self.server.ctl("user", "remove", ORG, APPKEY, phone.user)
        self.expect_refused("a removed user", "does not exist", self.ctl(phone.user))

    def test_forgotten_is_new(self):
        for name in ("pad", ""):
            with self.subTest(device=name):
                sam, user = self.login(case.fresh("sam")), case.fresh("ann")
                phone, other = self.login(user, "phone"), self.login(user, name)
                group = case.fresh("club")
                self.expect_code("CREATE", OK,
                                 phone.group(codes.CREATE, group, users=[sam.user])[0])
                self.store(sam, 3, to=user)
                self.store(sam, 3, group=group)
                self.expect_code("ACK", OK, other.ack(1))
                self.expect_code("ACK in the group", OK, other.ack(1, group))
                self.expect_code("ACK", OK, phone.ack(2))
                self.expect_code("ACK in the group", OK, phone.ack(3, group))
                other.leave()
                self.eventually("gone", False, lambda: self.known(user)[name][0])
                self.forget(user, name)
                self.expect("not known", {"phone"}, set(self.known(user)))
                self.expect_refused("twice", "knows no", self.ctl(user, "--forget", name))
                other = self.login(user, name)
                self.expect("the most advanced cursor", 2, other.conack.acked_seq)
                pushes = other.wait_pushes(2)
                self.expect("from there on", {("", 3), (group, 4)},
                            {(p.body.group, p.seq) for p in pushes})
                self.expect_quiet("no more", other)
                self.expect("known again", {"phone", name}, set(self.known(user)))

    def test_the_only_device_starts_at_the_beginning(self):
        sam, phone = self.login(case.fresh("sam")), self.login(case.fresh("ann"), "phone")
        self.store(sam, 3, to=phone.user)
        self.expect_code("ACK", OK, phone.ack(3))
        phone.leave()
        self.eventually("gone", False, lambda: self.known(phone.user)["phone"][0])
        self.forget(phone.user, "phone")
        self.expect("none", {}, self.known(phone.user))
        phone = self.login(phone.user, "phone")
        self.expect("acked_seq", 0, phone.conack.acked_seq)
        self.expect_pushed_seqs("all that is kept", [1, 2, 3], phone)

    def test_right_behind_a_kick(self):
        # A session that is being ended is waited for: its last cursor does not bring it back.
        sam = self.login(case.fresh("sam"))
        user = case.fresh("ann")
        for _ in range(20):
            clients = [self.login(user, name, ack=codes.AUTO) for name in ("phone", "pad")]
            self.send(sam, to=user)
            self.server.ctl("user", "kick", ORG, APPKEY, user)
            self.forget(user, "pad")
            self.expect("stays forgotten", {"phone"}, set(self.known(user)))
            for client in clients:
                client.wait_eof()
                client.close()
        self.expect("stays forgotten", {"phone"}, set(self.known(user)))

    def test_copies_are_due_no_more(self):
        rob = self.login(case.fresh("rob"))
        phone, pad = self.devices("phone", "pad")
        pad.leave()
        self.eventually("gone", False, lambda: self.known(phone.user)["pad"][0])
        self.send(phone, to=rob.user)
        self.wait_head(phone, 1)
        self.forget(phone.user, "pad")
        time.sleep(FLAG_S)
        self.send(phone, to=rob.user)
        rob.wait_pushes(2)
        self.expect_quiet("no copy", phone)
        self.expect("no row", 1, phone.sync()[1].head_seq)

    def test_races_with_logins(self):
        # Each login of the device is wholly before or wholly behind: it is refused to forget it, or
        # the login is that of a new device. What a session saw acknowledged is never pushed to it.
        sam, phone = self.login(case.fresh("sam")), self.login(case.fresh("ann"), "phone")
        user = phone.user
        outcomes = set()
        started = time.monotonic()
        self.known(user)
        imsctl_s = time.monotonic() - started  # the login comes anywhere in it, or behind
        for i in range(1, 41):
            pad = self.login(user, "pad", ack=codes.EXPLICIT)
            self.send(sam, to=user)
            pad.wait_push()
            pad.leave()
            self.expect_code("ACK", OK, phone.ack(i))
            self.eventually("gone", False, lambda: self.known(user)["pad"][0], pause=0.001)
            pad = self.connect()
            process = subprocess.Popen(
                [str(server_module.IMSCTL), "--data", str(self.server.data), "user", "devices",
                 ORG, APPKEY, user, "--forget", "pad"], stderr=subprocess.PIPE, text=True)
            time.sleep(random.random() * 2 * imsctl_s)
            self.login(user, "pad", client=pad)
            stderr = process.communicate(timeout=30)[1]
            outcomes.add(process.returncode)
            if process.returncode == 0:
                self.expect("a new device", i, pad.conack.acked_seq)
            else:
                self.assertIn("has a session", stderr)
                self.expect("the old one", i - 1, pad.conack.acked_seq)
                self.expect_pushed_seqs("its row", [i], pad)
                self.expect_code("ACK", OK, pad.ack(i))
            self.expect("known", {"phone", "pad"}, set(self.known(user)))
            pad.leave()
        self.expect("both happened", {0, 1}, outcomes)


class ReceiptAndTyping(DeviceCase):
    def payload(self, type_):
        if type_ == TYPING:
            return b""
        return self.messages.ReceiptPayload(seq=7, read=True).SerializeToString()

    def test_relayed(self):
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        offline = case.fresh("off")
        self.make_users(offline)
        for type_ in (RECEIPT, TYPING):
            payload = self.payload(type_)
            self.send(sam, offline=False, to=rob.user, type=type_, payload=payload)
            body = rob.wait_push().body
            self.expect("push", (0, type_, payload, sam.user),
                        (body.seq, body.type, body.payload, getattr(body, "from")))
            self.send(sam, offline=False, to=offline, type=type_, payload=payload, expect=OFFLINE)
        self.expect("never stored", [], self.rows(rob))

    def test_stored(self):
        rob = self.login(case.fresh("rob"))
        phone, pad = self.devices("phone", "pad")
        for seq, type_ in enumerate((RECEIPT, TYPING), 1):
            payload = self.payload(type_)
            self.expect("seq", seq, self.send(phone, to=rob.user, type=type_,
                                              payload=payload).seq)
            body = rob.wait_push().body
            self.expect("push", (seq, type_, payload), (body.seq, body.type, body.payload))
            body = pad.wait_push().body
            self.expect("own-device copy", (seq, type_, payload, seq),
                        (body.seq, body.type, body.payload, body.peer_seq))
        self.expect("SYNC", [RECEIPT, TYPING], [m.type for m in self.rows(rob)])
        self.recall(phone, 1, to=rob.user)
        self.expect("recalled", [RECALL, TYPING, RECALL], [m.type for m in self.rows(rob)])

    def test_in_a_group(self):
        sam, rob = self.login(case.fresh("sam")), self.login(case.fresh("rob"))
        group = case.fresh("club")
        self.expect_code("CREATE", OK, sam.group(codes.CREATE, group, users=[rob.user])[0])
        rob.wait_push()
        for offline, seqs in ((False, (0, 0)), (True, (2, 3))):
            for seq, type_ in zip(seqs, (RECEIPT, TYPING)):
                self.send(sam, offline, group=group, type=type_, payload=self.payload(type_))
                body = rob.wait_push().body
                self.expect("push", (seq, type_, self.payload(type_)),
                            (body.seq, body.type, body.payload))


class Restart(case.OwnServer, DeviceCase):
    """A server of its own: stopped, killed and started again in the test."""

    def test_forgotten_devices_stay_forgotten(self):
        sam, phone = self.login("sam"), self.login("ann", "phone")
        for how in ("SIGTERM", "kill -9", "no server"):
            with self.subTest(how=how):
                # Not in memory: a server that has just started, or none at all.
                pad = self.login("ann", "pad")
                self.store(sam, 2, to="ann")
                head = pad.wait_pushes(2)[-1].seq
                self.expect_code("ACK", OK, pad.ack(head - 1))
                self.expect_code("ACK", OK, phone.ack(head))
                self.server.restart()
                if how == "no server":
                    self.expect("exit code", 0, self.server.stop())
                forget = ("user", "devices", ORG, APPKEY, "ann", "--forget")
                refused = self.server.ctl(*forget, "desk", check=False)
                self.expect("unknown", (1, "imsctl: the server knows no device 'desk' of user "
                                        "'ann'\n"), (refused.returncode, refused.stderr))
                self.server.ctl(*forget, "pad")
                if how == "kill -9":
                    self.server.kill()
                elif how == "SIGTERM":
                    self.expect("exit code", 0, self.server.stop())
                listed = self.server.ctl("user", "devices", ORG, APPKEY, "ann", "--json").stdout
                self.expect("without a server", [("phone", False, head, 0)],
                            [(d["device"], d["online"], d["acked_seq"], d["groups"])
                             for d in json.loads(listed)["devices"]])
                refused = self.server.ctl(*forget, "pad", check=False)
                self.expect("no more", 1, refused.returncode)
                self.server.start()
                sam, phone = self.login("sam"), self.login("ann", "phone")
                pad = self.login("ann", "pad")
                self.expect("a new device", head, pad.conack.acked_seq)
                self.expect_quiet("nothing", pad)
                pad.leave()
        self.expect("exit code", 0, self.server.stop())
        self.expect("imsctl verify", 0, self.server.verify().returncode)

    def test_state_survives(self):
        rob = self.login("rob")
        phone, pad = self.devices("phone", "pad")
        user, head = phone.user, 0
        self.expect_code("CREATE", OK, phone.group(codes.CREATE, "club", users=["rob"])[0])
        self.send(phone, group="club", payload=b"secret")
        self.recall(phone, 2, group="club")
        for round_, how in enumerate(("SIGTERM", "kill -9"), 1):
            with self.subTest(how=how):
                seq = self.send(phone, to="rob", payload=b"secret").seq
                self.recall(phone, seq, to="rob")
                kept = self.send(phone, to="rob", payload=b"kept").seq
                head += 3
                self.wait_head(phone, head)
                if how == "SIGTERM":
                    self.expect("exit code", 0, self.server.stop())
                else:
                    time.sleep(1)
                    self.server.kill()
                self.server.start()
                rob, phone = self.login("rob"), self.login(user, "phone")
                rows = self.rows(rob)
                self.expect("rows", [(RECALL, b""), (TXT, b"kept")],
                            [(m.type, m.payload) for m in rows if m.seq in (seq, kept)])
                self.expect("pushed as in SYNC", {str(m) for m in rows},
                            {str(p.body) for p in rob.wait_pushes(len(rows) + 3)
                             if p.type == codes.MESSAGE and not p.body.group})
                self.expect("the group's", [(2, RECALL, b""), (3, RECALL, b"\x08\x02")],
                            [(m.seq, m.type, m.payload) for m in self.rows(rob, group="club")])
                pad = self.login(user, "pad")
                self.expect("copies", [b"secret", b"\x08" + bytes([seq]), b"kept"],
                            [p.body.payload for p in pad.wait_pushes(head + 3)
                             if p.type == codes.MESSAGE and p.body.peer_seq][-3:])
                # A device that is known and has no session since the start is still one.
                pad.leave()
                self.send(phone, to="rob", payload=b"more")
                head += 1
                self.wait_head(phone, head)
        self.expect("exit code", 0, self.server.stop())
        self.expect("imsctl verify", 0, self.server.verify().returncode)


if __name__ == "__main__":
    case.main()
