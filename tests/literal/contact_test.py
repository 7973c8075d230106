#!/usr/bin/python3
"""Contacts: every operation against every state, events in the other's inbox, lists, limits, blocks
and what they stop, two who act at once, and both views after a crash.
Source: PROTOCOL.md sections 3, 5 and 6, CONTACT."""

import random
import threading
import time

import case
import codes
import wire
from codes import (ACCEPT, ADD, ALREADY_EXISTS, BAD_REQUEST, BLOCK, DECLINE, FORBIDDEN, FRIEND,
                   LIST, NONE, NOT_FOUND, OK, PENDING, QUEUE_FULL, REMOVE, REQUESTED, UNBLOCK,
                   UNSUPPORTED)
from server import APPKEY, ORG

shared_server = case.use_server()
small_limits = case.use_server(max_contacts=3, max_timeline_rows=10)

CHANGES = (ADD, ACCEPT, DECLINE, REMOVE, BLOCK, UNBLOCK)
MIRRORED = {NONE: NONE, REQUESTED: PENDING, PENDING: REQUESTED, FRIEND: FRIEND}


class ContactCase(case.Case):
    shared = shared_server

    def pages(self, client, limit=0, expect_size=None):
        """[Contact] over all pages, each at most `expect_size` long."""
        found, cursor = [], ""
        while True:
            response, page = client.contact(LIST, cursor=cursor, limit=limit)
            self.expect_code(f"LIST of {client.user}", OK, response)
            names = [contact.user for contact in page.contacts]
            if expect_size is not None:
                self.assertLessEqual(len(names), expect_size)
            found += page.contacts
            if not page.cursor:
                return found
            self.expect("cursor: the page's last name", names[-1], page.cursor)
            cursor = page.cursor

    def view(self, client):
        """{user: (state, blocked)}"""
        contacts = self.pages(client)
        names = [contact.user for contact in contacts]
        self.expect("names ascend by bytes, none twice", sorted(set(names), key=str.encode), names)
        return {contact.user: (contact.state, contact.blocked) for contact in contacts}

    def pair(self):
        return self.login(case.fresh("me")), self.login(case.fresh("them"))

    def events(self, client):
        """SYNC's contact_events: [(seq, op, user, note)]."""
        response, page = client.sync(limit=1000)
        self.expect_code("SYNC", OK, response)
        seqs = [event.seq for event in page.contact_events]
        self.expect("contact_events ascend", sorted(seqs), seqs)
        self.page = page
        return [(event.seq, event.op, event.user, event.note) for event in page.contact_events]


# state: steps that lead to it from NONE (True: by me), then my and their view of the other;
# None: not in the list.
STATES = {
    "NONE": ([], None, None),
    "REQUESTED": ([(True, ADD)], (REQUESTED, False), (PENDING, False)),
    "PENDING": ([(False, ADD)], (PENDING, False), (REQUESTED, False)),
    "FRIEND": ([(True, ADD), (False, ACCEPT)], (FRIEND, False), (FRIEND, False)),
    "BLOCKED": ([(True, BLOCK)], (NONE, True), None),
    "BLOCKED BY THEM": ([(False, BLOCK)], None, (NONE, True)),
    "BLOCKED BY BOTH": ([(True, BLOCK), (False, BLOCK)], (NONE, True), (NONE, True)),
}
BEFORE = "as before"  # both views are what they were, and nobody is told

# state: op: (code, my view, their view, the op of the event in their inbox)
TABLE = {
    "NONE": {
        ADD: (OK, (REQUESTED, False), (PENDING, False), ADD),
        ACCEPT: (NOT_FOUND, BEFORE),
        DECLINE: (NOT_FOUND, BEFORE),
        REMOVE: (NOT_FOUND, BEFORE),
        BLOCK: (OK, (NONE, True), None, None),
        UNBLOCK: (NOT_FOUND, BEFORE)},
    "REQUESTED": {
        ADD: (ALREADY_EXISTS, BEFORE),
        ACCEPT: (NOT_FOUND, BEFORE),
        DECLINE: (NOT_FOUND, BEFORE),
        REMOVE: (OK, None, None, REMOVE),
        BLOCK: (OK, (NONE, True), None, None),
        UNBLOCK: (NOT_FOUND, BEFORE)},
    "PENDING": {
        ADD: (OK, (FRIEND, False), (FRIEND, False), ACCEPT),
        ACCEPT: (OK, (FRIEND, False), (FRIEND, False), ACCEPT),
        DECLINE: (OK, None, None, DECLINE),
        REMOVE: (NOT_FOUND, BEFORE),
        BLOCK: (OK, (NONE, True), None, None),
        UNBLOCK: (NOT_FOUND, BEFORE)},
    "FRIEND": {
        ADD: (ALREADY_EXISTS, BEFORE),
        ACCEPT: (NOT_FOUND, BEFORE),
        DECLINE: (NOT_FOUND, BEFORE),
        REMOVE: (OK, None, None, REMOVE),
        BLOCK: (OK, (NONE, True), None, None),
        UNBLOCK: (NOT_FOUND, BEFORE)},
    "BLOCKED": {
        ADD: (OK, (REQUESTED, True), (PENDING, False), ADD),
        ACCEPT: (NOT_FOUND, BEFORE),
        DECLINE: (NOT_FOUND, BEFORE),
        REMOVE: (NOT_FOUND, BEFORE),
        BLOCK: (OK, (NONE, True), None, None),
        UNBLOCK: (OK, None, None, None)},
    # The blocker gets no request of the blocked; BLOCK and UNBLOCK are none to the blocker.
    "BLOCKED BY THEM": {
        ADD: (FORBIDDEN, BEFORE),
        ACCEPT: (FORBIDDEN, BEFORE),
        DECLINE: (FORBIDDEN, BEFORE),
        REMOVE: (FORBIDDEN, BEFORE),
        BLOCK: (OK, (NONE, True), (NONE, True), None),
        UNBLOCK: (NOT_FOUND, BEFORE)},
    "BLOCKED BY BOTH": {
        ADD: (FORBIDDEN, BEFORE),
        ACCEPT: (FORBIDDEN, BEFORE),
        DECLINE: (FORBIDDEN, BEFORE),
        REMOVE: (FORBIDDEN, BEFORE),
        BLOCK: (OK, (NONE, True), (NONE, True), None),
        UNBLOCK: (OK, None, (NONE, True), None)},
}


class Table(ContactCase):
    def cast(self, state):
        """Two clients in `state`, and how many rows are in each one's inbox."""
        me, them = self.pair()
        rows = {me: 0, them: 0}
        for is_mine, op in STATES[state][0]:
            actor, other = (me, them) if is_mine else (them, me)
            self.contact(actor, op, other.user)
            if op != BLOCK:
                rows[other] += 1
                self.expect("setup's event", (rows[other], op, actor.user),
                            self.shown(self.wait_contact_event(other)))
        return me, them, rows

    def shown(self, event):
        return event.seq, event.op, event.user

    def views(self, me, them):
        return self.view(me).get(them.user), self.view(them).get(me.user)

    def test_every_operation_in_every_state(self):
        for state, ops in TABLE.items():
            for op, (code, *after) in ops.items():
                for round_ in range(2):  # who of the two decides about the pair varies by name
                    with self.subTest(state=state, op=codes.CONTACT_OP_NAMES[op], round=round_):
                        self.try_cell(state, op, code, after)

    def try_cell(self, state, op, code, after):
        me, them, rows = self.cast(state)
        before = STATES[state][1:]
        self.expect("views before", before, self.views(me, them))
        mine, theirs, event = (*before, None) if after == [BEFORE] else after
        contact = self.contact(me, op, them.user, expect=code, note="a nöte")
        self.expect("views after", (mine, theirs), self.views(me, them))
        if code == OK:
            self.expect("the answer's contact", mine or (NONE, False),
                        (contact.state, contact.blocked))
        if event is not None:
            rows[them] += 1
            got = self.wait_contact_event(them)
            self.expect("pushed live: seq, op, user, note",
                        (rows[them], event, me.user, "a nöte"), (*self.shown(got), got.note))
            self.assertLess(abs(got.time_ms - time.time() * 1000), 60_000)
            self.expect("last of contact_events", (rows[them], event, me.user, "a nöte"),
                        self.events(them)[-1])
        for client in (me, them):
            self.expect(f"events of {client.user}", rows[client], len(self.events(client)))
            self.expect(f"head of {client.user}", rows[client], self.page.head_seq)
            self.expect("pushes", [], list(client.pushes))
            client.close()

    def test_block_at_each_state_and_back(self):
        # BLOCK: both NONE. After UNBLOCK it is as if they had never met.
        for state in STATES:
            with self.subTest(state=state):
                me, them, _ = self.cast(state)
                theirs = (NONE, True) if "BY" in state else None
                self.contact(me, BLOCK, them.user)
                self.expect("blocked", ((NONE, True), theirs), self.views(me, them))
                self.contact(me, UNBLOCK, them.user)
                self.expect("unblocked", (None, theirs), self.views(me, them))
                self.contact(me, UNBLOCK, them.user, expect=NOT_FOUND)
                if theirs:
                    self.contact(them, UNBLOCK, me.user)
                self.contact(them, ADD, me.user)
                self.contact(me, ADD, them.user)
                self.expect("friends", ((FRIEND, False),) * 2, self.views(me, them))

    def test_blocker_may_ask_the_blocked(self):
        me, them, _ = self.cast("BLOCKED")
        self.contact(me, ADD, them.user)
        for op in (ADD, ACCEPT, DECLINE, REMOVE):
            self.contact(them, op, me.user, expect=FORBIDDEN)
        self.expect("views", ((REQUESTED, True), (PENDING, False)), self.views(me, them))
        self.contact(me, UNBLOCK, them.user)
        self.expect("views", ((REQUESTED, False), (PENDING, False)), self.views(me, them))
        self.contact(them, ACCEPT, me.user)
        self.expect("views", ((FRIEND, False),) * 2, self.views(me, them))


class Events(ContactCase):
    def test_pushed_at_the_next_login_too(self):
        me, name = self.login(case.fresh("me")), case.fresh("them")
        self.make_users(name)
        steps = [(ADD, "one"), (REMOVE, "two"), (ADD, ""), (BLOCK, "none"), (UNBLOCK, "none"),
                 (ADD, "four")]
        for op, note in steps:
            self.contact(me, op, name, note=note)
        expected = [(1, ADD, me.user, "one"), (2, REMOVE, me.user, "two"), (3, ADD, me.user, ""),
                    (4, ADD, me.user, "four")]
        for round_ in range(2):  # nothing is acknowledged: again
            them = self.login(name, edition=1 + round_)
            self.expect("inbox_seq", 4, them.conack.inbox_seq)
            got = [self.wait_contact_event(them) for _ in range(4)]
            self.expect("events", expected, [(e.seq, e.op, e.user, e.note) for e in got])
            self.expect("SYNC", expected, self.events(them))
            self.expect("the same time_ms", [e.time_ms for e in got],
                        [e.time_ms for e in self.page.contact_events])
            times = [e.time_ms for e in got]
            self.expect("times do not go back", sorted(times), times)
            them.leave()
        them = self.login(name)
        self.expect_code("ACK of an event", OK, them.ack(3))
        them.leave()
        self.expect_pushed_seqs("behind the cursor", [4], self.login(name))

    def test_one_dense_timeline_with_messages(self):
        me, them = self.pair()
        phone = self.login(them.user, "phone", ack=codes.AUTO, edition=1)
        self.store(me, 2, to=them.user)                        # 1, 2
        self.contact(me, ADD, them.user)                       # 3
        self.store(me, 1, to=them.user)                        # 4
        self.contact(me, REMOVE, them.user)                    # 5
        self.expect("seq", 6, self.store(me, 1, to=them.user)[0].seq)
        types = [codes.MESSAGE] * 2 + [codes.CONTACT, codes.MESSAGE] * 2
        for client in (them, phone):
            pushes = self.expect_pushed_seqs("pushed", range(1, 7), client)
            self.expect("types", types, [push.type for push in pushes])
        for fields, seqs in (({}, [1, 2, 3, 4, 5, 6]), ({"limit": 3}, [1, 2, 3]),
                             ({"after_seq": 2, "limit": 2}, [3, 4]), ({"after_seq": 4}, [5, 6]),
                             ({"before_seq": 6, "limit": 3}, [3, 4, 5])):
            response, page = them.sync(**fields)
            self.expect_code("SYNC", OK, response)
            self.expect(f"rows of {fields}", [[s for s in seqs if s in (1, 2, 4, 6)],
                                              [s for s in seqs if s in (3, 5)]],
                        [[row.seq for row in page.messages],
                         [row.seq for row in page.contact_events]])
        self.expect("the sender's own inbox", 0, me.sync()[1].head_seq)

    def test_every_device_and_no_send_only_session(self):
        me, them = self.pair()
        phone, bot = self.login(them.user, "phone"), self.login(them.user, "bot", send_only=True)
        self.contact(me, ADD, them.user)
        for client in (them, phone):
            self.expect("event", ADD, self.wait_contact_event(client).op)
        self.expect_quiet("once each", them, phone, bot, me)

    def test_send_only_sessions_may_ask(self):
        me = self.login(case.fresh("me"), "bot", send_only=True, edition=1)
        them = self.login(case.fresh("them"), send_only=True)
        self.contact(me, ADD, them.user, note="hi")
        self.expect("my view", {them.user: (REQUESTED, False)}, self.view(me))
        self.expect("their SYNC", [(1, ADD, me.user, "hi")], self.events(them))
        self.contact(them, ACCEPT, me.user)
        self.expect("my view", {them.user: (FRIEND, False)}, self.view(me))
        self.contact(me, BLOCK, them.user)
        self.contact(them, ADD, me.user, expect=FORBIDDEN)
        self.expect_quiet("no push", me, them)

    def test_window_holds_events_back(self):
        # 256 unacknowledged rows of any kind fill the window.
        me, them = self.pair()
        self.store(me, 255, to=them.user)
        self.contact(me, ADD, them.user)
        self.contact(me, REMOVE, them.user)
        self.expect_pushed_seqs("a window", range(1, 257), them)
        self.expect_quiet("no more", them)
        self.expect_code("ack", OK, them.ack(1))
        self.expect_pushed_seqs("one more", [257], them)


class Fields(ContactCase):
    def test_notes(self):
        me, them = self.pair()
        rows = [("256 bytes", "n" * 256, OK), ("256 bytes of UTF-8", "ü" * 128, OK),
                ("257 bytes", "n" * 257, BAD_REQUEST),
                ("258 bytes of 129 characters", "ü" * 129, BAD_REQUEST),
                ("empty", "", OK), ("spaces", " a b ", OK), ("U+00A0", "\u00a0", OK)]
        rows += [(f"U+{ord(c):04X}", f"a{c}b", BAD_REQUEST)
                 for c in "\0\t\n\x1f\x7f\x80\x9f"]
        for rule, note, code in rows:
            for op in (ADD, REMOVE):
                with self.subTest(rule=rule, op=op):
                    if code != OK and op == REMOVE:
                        self.contact(me, ADD, them.user)
                        self.wait_contact_event(them)
                    self.contact(me, op, them.user, expect=code, note=note)
                    if code == OK:
                        self.expect("note", note, self.wait_contact_event(them).note)
            if code != OK:
                self.contact(me, REMOVE, them.user)
                self.wait_contact_event(them)
        self.expect_quiet("no event of a refusal", them)

    def test_note_in_the_list(self):
        me, them = self.pair()
        self.contact(me, ADD, them.user, note="it is me")
        self.expect("asked", ["it is me"], [c.note for c in self.pages(them)])
        self.contact(them, BLOCK, me.user, note="go away")
        self.assertNotIn("go away", [c.note for c in self.pages(me)])

    def test_user_names(self):
        me = self.login(case.fresh("me"))
        longest = case.fresh("long").ljust(64, "x")
        self.make_users(longest)
        self.contact(me, ADD, longest)
        self.contact(me, REMOVE, longest)
        for rule, name in (("none", ""), ("65 bytes", "x" * 65), ("slash", "a/b"), ("#", "a#b"),
                           ("star", "*"), (">", "a>"), ("space", "a b"), ("NUL", "a\0b"),
                           ("U+0085", "a\u0085"), ("U+2028", "a\u2028b")):
            for op in CHANGES:
                with self.subTest(rule=rule, op=codes.CONTACT_OP_NAMES[op]):
                    self.contact(me, op, name, expect=BAD_REQUEST)
        self.expect("list", {}, self.view(me))

    def test_oneself(self):
        me = self.login(case.fresh("me"))
        for op in CHANGES:
            with self.subTest(op=codes.CONTACT_OP_NAMES[op]):
                self.contact(me, op, me.user, expect=BAD_REQUEST)
        self.expect("list", {}, self.view(me))
        self.expect("head", 0, me.sync()[1].head_seq)

    def test_unknown_user(self):
        me, name = self.login(case.fresh("me")), case.fresh("nobody")
        for op in CHANGES:
            with self.subTest(op=codes.CONTACT_OP_NAMES[op]):
                self.contact(me, op, name, expect=NOT_FOUND)
        self.expect("list", {}, self.view(me))
        them = self.login(name)  # exists from now on, and nothing of before is left
        self.expect("their list", {}, self.view(them))
        self.expect("head", 0, them.sync()[1].head_seq)
        self.contact(me, ADD, name)
        self.expect("event", (1, ADD), (lambda e: (e.seq, e.op))(self.wait_contact_event(them)))

    def test_group_is_no_user(self):
        me, group = self.login(case.fresh("me")), case.fresh("club")
        self.expect_code("CREATE", OK, me.group(codes.CREATE, group)[0])
        self.contact(me, ADD, group, expect=NOT_FOUND)

    def test_unknown_op(self):
        me, them = self.pair()
        for op in (7, 99, 2**31 - 1):
            for user in (them.user, "", "a b"):
                with self.subTest(op=op, user=user):
                    self.contact(me, op, user, expect=UNSUPPORTED)
        request = self.messages.ContactRequest(op=-1, user=them.user)
        self.expect_code("op -1", UNSUPPORTED, me.request(codes.CONTACT, request))
        self.expect("list", {}, self.view(me))

    def test_payloads_that_do_not_decode(self):
        me = self.login(case.fresh("me"))
        for rule, payload in (("cut", b"\x12\x05ab"), ("user of another type", b"\x10\x05\x80"),
                              ("bad UTF-8 in user", b"\x08\x01\x12\x02\xff\xfe"),
                              ("bad UTF-8 in note", b"\x08\x01\x12\x01a\x1a\x01\xc0"),
                              ("bad UTF-8 in cursor", b"\x22\x01\xff")):
            with self.subTest(rule=rule):
                self.expect_code(rule, BAD_REQUEST, me.request(codes.CONTACT, payload))
        self.expect_code("empty: LIST", OK, me.request(codes.CONTACT, b""))

    def test_options(self):
        me, them = self.pair()
        request = self.messages.ContactRequest(op=ADD, user=them.user)
        for offline in (True, False):
            self.expect_code("ADD", OK if offline else ALREADY_EXISTS,
                             me.request(codes.CONTACT, request, offline))
        body = self.messages.Request(type=codes.CONTACT, payload=request.SerializeToString())
        for _ in range(17):
            body.opts.add()
        frame = me.command("request", body, id=77)
        me.send_raw(wire.frame(frame))
        self.expect_code("17 opts", BAD_REQUEST, me.wait_response(77))

    def test_other_tenant(self):
        # Two tenants with the same names: nothing of one is seen in the other.
        app = case.fresh("other")
        self.server.add_app(appkey=app)
        me, name = self.login(case.fresh("me")), case.fresh("them")
        there = self.login(name, appkey=app)
        for op in CHANGES:
            self.contact(me, op, name, expect=NOT_FOUND)
        here, my_double = self.login(name), self.login(me.user, appkey=app)
        self.contact(me, ADD, name)
        self.expect("event here", ADD, self.wait_contact_event(here).op)
        self.expect_quiet("nothing there", there, my_double)
        self.expect("lists there", ({}, {}), (self.view(there), self.view(my_double)))
        self.contact(there, ACCEPT, me.user, expect=NOT_FOUND)
        self.contact(there, BLOCK, me.user)
        self.expect_code("a block there", OK, me.send_text("x", True, to=name))
        self.expect_code("a block there", FORBIDDEN, my_double.send_text("x", True, to=name))


class Lists(ContactCase):
    def test_pages(self):
        me, stem = self.login(case.fresh("me")), case.fresh("p")
        tails = [f"{i:03}" for i in range(240)]
        tails += ["", "ä", "Z", "z", "中", "0", "00", "😀", "~"]
        names = [stem + tail for tail in tails]
        self.make_users(*names)
        random.Random(1).shuffle(names)
        ids = [me.post(codes.CONTACT, self.messages.ContactRequest(
            op=(ADD, BLOCK)[i % 5 == 0], user=name)) for i, name in enumerate(names)]
        for id in ids:
            self.expect_code("ADD or BLOCK", OK, me.wait_response(id))
        expected = {name: (NONE, True) if i % 5 == 0 else (REQUESTED, False)
                    for i, name in enumerate(names)}
        ordered = sorted(names, key=str.encode)
        for limit, size in ((0, 100), (1, 1), (7, 7), (100, 100), (248, 248), (249, 249),
                            (250, 250), (1000, 1000), (1001, 1000), (2**32 - 1, 1000)):
            with self.subTest(limit=limit):
                contacts = self.pages(me, limit, expect_size=size)
                self.expect("names", ordered, [contact.user for contact in contacts])
                self.expect("contacts", expected,
                            {c.user: (c.state, c.blocked) for c in contacts})
        response, page = me.contact(LIST)
        self.expect("limit 0 is 100", 100, len(page.contacts))
        response, page = me.contact(LIST, limit=249)
        self.expect("cursor of the last page", "", page.cursor)
        # A cursor is a name: it need not be in the list, and what it names may have gone.
        gone = ordered[100]
        self.contact(me, UNBLOCK if expected[gone][1] else REMOVE, gone)
        for cursor, first in ((gone, ordered[101]), (ordered[99], ordered[101]),
                              (stem[:-1], ordered[0])):
            response, page = me.contact(LIST, cursor=cursor, limit=1)
            self.expect(f"behind {cursor}", [first], [c.user for c in page.contacts])
        response, page = me.contact(LIST, cursor="\U0010ffff")
        self.expect_code("behind all", OK, response)
        self.expect("behind all", (0, ""), (len(page.contacts), page.cursor))

    def test_full_pages_stay_below_the_frame(self):
        me = self.login(case.fresh("me"))
        names = [case.fresh("w").ljust(64, "w") for _ in range(400)]
        self.make_users(*names)
        ids = [me.post(codes.CONTACT, self.messages.ContactRequest(op=ADD, user=n, note="n" * 256))
               for n in names]
        for id in ids:
            self.expect_code("ADD", OK, me.wait_response(id))
        for edition in (1, 2):
            reader = self.login(me.user, send_only=True, edition=edition)
            contacts = self.pages(reader, limit=1000)
            self.expect("names", sorted(names), [contact.user for contact in contacts])
            self.assertLessEqual(reader.frame_bytes_max, codes.MAX_FRAME_BYTES)

    def test_lists_are_the_askers(self):
        me, them = self.pair()
        self.contact(me, ADD, them.user)
        other = self.login(case.fresh("other"))
        response, page = other.contact(LIST, me.user)  # `user` says nothing in LIST
        self.expect("contacts of another", 0, len(page.contacts))

    def test_bad_cursor(self):
        me = self.login(case.fresh("me"))
        for cursor in ("x" * 65, "a b", "a\0", "*", "x" * 60_000):
            response, page = me.contact(LIST, cursor=cursor)
            self.assertIn(response.code, (OK, BAD_REQUEST))
            self.expect("contacts", 0, len(page.contacts))


class Blocked(ContactCase):
    """What a block stops and what it does not."""

    def setUp(self):
        self.me, self.them = self.pair()
        self.befriend(self.me, self.them)
        self.contact(self.me, BLOCK, self.them.user)

    def test_messages(self):
        me, them = self.me, self.them
        for offline in (True, False):
            self.expect_code(f"blocked, offline={offline}", FORBIDDEN,
                             them.send_text("x", offline, to=me.user))
            self.expect_code(f"the blocker may, offline={offline}", OK,
                             me.send_text("x", offline, to=them.user))
        self.expect("pushed", [0, 2], sorted(push.seq for push in them.wait_pushes(2)))
        self.expect_quiet("nothing came, BLOCK is no event", me, them)
        for type_ in (codes.RECEIPT, codes.TYPING, codes.IMAGE):
            self.expect_code("any type", FORBIDDEN, them.request(
                codes.MESSAGE, self.message(to=me.user, type=type_), True))
        for device in ("other", "bot"):
            other = self.login(them.user, device, send_only=device == "bot")
            self.expect_code("any device", FORBIDDEN, other.send_text("x", True, to=me.user))
        me.leave()
        self.expect_code("offline: not told", FORBIDDEN, them.send_text("x", to=me.user))
        self.expect_code("stored", FORBIDDEN, them.send_text("x", True, to=me.user))
        me = self.login(me.user)
        self.expect("inbox: the ACCEPT alone", 1, me.conack.inbox_seq)
        self.contact(me, UNBLOCK, them.user)
        self.expect_code("lifted", OK, them.send_text("x", True, to=me.user))
        self.expect_code("lifted", OK, them.send_text("x", to=me.user))

    def test_dedupe_comes_before_the_block(self):
        me, them = self.pair()
        body = self.message(to=me.user, payload=b"x", client_id=b"c")
        first = them.request(codes.MESSAGE, body, True)
        self.expect_code("first", OK, first)
        self.contact(me, BLOCK, them.user)
        again = them.request(codes.MESSAGE, body, True)
        self.expect_code("repeat of what was answered OK", OK, again)
        self.expect("seq, duplicate", (first.seq, True), (again.seq, again.duplicate))

    def test_refusals_are_not_remembered(self):
        me, them = self.me, self.them
        body = self.message(to=me.user, payload=b"x", client_id=b"c")
        self.expect_code("blocked", FORBIDDEN, them.request(codes.MESSAGE, body, True))
        self.contact(me, UNBLOCK, them.user)
        response = them.request(codes.MESSAGE, body, True)
        self.expect("code, duplicate", (OK, False), (response.code, response.duplicate))

    def test_recall_to_the_blocker(self):
        me, them = self.pair()
        seq = self.store(them, 1, to=me.user)[0].seq
        self.contact(me, BLOCK, them.user)
        payload = self.messages.RecallPayload(seq=seq).SerializeToString()
        self.expect_code("RECALL", FORBIDDEN, them.request(codes.MESSAGE, self.message(
            to=me.user, type=codes.RECALL, payload=payload), True))
        self.expect("not altered", [b"m-1"], [m.payload for m in me.sync()[1].messages])

    def test_create_and_invite_leave_out_who_blocked_the_actor(self):
        me, them = self.me, self.them
        other = self.login(case.fresh("other"))
        group = case.fresh("club")
        response, result = them.group(codes.CREATE, group, users=[me.user, other.user])
        self.expect_code("CREATE", OK, response)
        self.expect("added", {them.user, other.user} - {them.user},
                    {m.user for m in result.members} - {them.user})
        self.expect_code("INVITE of the blocker alone", NOT_FOUND,
                         them.group(codes.INVITE, group, users=[me.user])[0])
        self.expect_code("another may invite", OK, them.group(
            codes.SET_ROLE, group, users=[other.user], role=codes.ADMIN)[0])
        self.expect_code("another may invite", OK,
                         other.group(codes.INVITE, group, users=[me.user])[0])
        mine = case.fresh("club")
        response, result = me.group(codes.CREATE, mine, users=[them.user])
        self.expect("the blocker may invite the blocked", True,
                    them.user in {m.user for m in result.members})

    def test_no_effect_inside_groups(self):
        me, them = self.me, self.them
        group = case.fresh("club")
        self.expect_code("CREATE", OK, me.group(codes.CREATE, group, users=[them.user])[0])
        them.wait_push()
        for offline in (True, False):
            self.expect_code("to the group", OK, them.send_text("x", offline, group=group))
        self.expect("pushed to the blocker", [0, 2], sorted(p.seq for p in me.wait_pushes(2)))
        self.expect_code("SET_ROLE", OK, me.group(codes.SET_ROLE, group, users=[them.user],
                                                  role=codes.OWNER)[0])
        self.expect_code("MUTE of the blocker", OK,
                         them.group(codes.MUTE, group, users=[me.user])[0])

    def test_presence(self):
        me, them = self.me, self.them
        for client, other in ((me, them), (them, me)):
            response, result = client.presence([other.user])
            self.expect_code("PRESENCE", OK, response)
            self.expect("answered for", 0, len(result.presence))

    def test_is_of_one_pair(self):
        other = self.login(case.fresh("other"))
        self.expect_code("another to the blocker", OK, other.send_text("x", True, to=self.me.user))
        self.expect_code("the blocked to another", OK,
                         self.them.send_text("x", True, to=other.user))

    def test_others_are_not_held_up(self):
        # Who blocked somebody is written to by 250 others at once.
        names = [case.fresh("sam") for _ in range(250)]
        senders = [self.login(name, send_only=True) for name in names]
        frames = [sender.request_frame(codes.MESSAGE, self.message(
            to=self.me.user, payload=b"x"), True, id=5) for sender in senders]
        for sender, frame in zip(senders, frames):
            sender.send_raw(frame)
        got = [sender.wait_response(5).code for sender in senders]
        self.expect("codes", {OK: 250}, {code: got.count(code) for code in set(got)})

    def test_messages_right_behind_it(self):
        # Once BLOCK is answered no message of the blocked is taken; one in flight is either.
        for _ in range(20):
            me, them = self.pair()
            ids = [them.post(codes.MESSAGE, self.message(to=me.user, payload=b"%d" % i), True)
                   for i in range(30)]
            self.contact(me, BLOCK, them.user)
            head = me.sync()[1].head_seq
            self.expect_code("after it", FORBIDDEN, them.send_text("x", True, to=me.user))
            got = [them.wait_response(id).code for id in ids]
            passed = got.count(OK)
            self.expect("codes: OK, then FORBIDDEN", [OK] * passed + [FORBIDDEN] * (30 - passed),
                        got)
            self.assertLessEqual(head, passed)
            me.close(), them.close()


class Limits(ContactCase):
    """max_contacts 3, max_timeline_rows 10."""

    shared = small_limits

    def test_who_asks(self):
        me = self.login(case.fresh("me"))
        names = [case.fresh("them") for _ in range(5)]
        self.make_users(*names)
        for name in names[:3]:
            self.contact(me, ADD, name)
        full = {name: (REQUESTED, False) for name in names[:3]}
        self.contact(me, ADD, names[3], expect=QUEUE_FULL)
        self.expect("list", full, self.view(me))
        fourth = self.login(names[3])
        self.expect("theirs", ({}, 0), (self.view(fourth), fourth.sync()[1].head_seq))
        self.contact(me, ADD, names[0], expect=ALREADY_EXISTS)
        self.contact(me, ADD, case.fresh("nobody"), expect=NOT_FOUND)
        self.contact(me, BLOCK, names[0])  # one of them already
        self.contact(me, REMOVE, names[1])
        self.contact(me, ADD, names[3])
        self.expect("list", {names[0]: (NONE, True), names[2]: (REQUESTED, False),
                             names[3]: (REQUESTED, False)}, self.view(me))
        self.contact(me, ADD, names[4], expect=QUEUE_FULL)
        self.contact(me, UNBLOCK, names[0])
        self.contact(me, ADD, names[4])

    def test_who_is_asked(self):
        them = self.login(case.fresh("them"))
        clients = [self.login(case.fresh("me")) for _ in range(5)]
        for client in clients[:3]:
            self.contact(client, ADD, them.user)
        self.contact(clients[3], ADD, them.user, expect=QUEUE_FULL)
        self.expect("list", {c.user: (PENDING, False) for c in clients[:3]}, self.view(them))
        self.expect("who was refused", {}, self.view(clients[3]))
        self.contact(them, ACCEPT, clients[0].user)  # adds nobody
        self.contact(them, ADD, clients[1].user)
        self.contact(them, DECLINE, clients[2].user)
        self.contact(clients[3], ADD, them.user)
        self.contact(clients[4], ADD, them.user, expect=QUEUE_FULL)
        clients[0].contact(REMOVE, them.user)
        self.contact(clients[4], ADD, them.user)

    def test_many_at_once(self):
        # 12 users ask one at the same time, over 2 workers: never more than 3.
        for _ in range(10):
            them = self.login(case.fresh("them"))
            clients = [self.login(case.fresh("me")) for _ in range(12)]
            ids = [client.post(codes.CONTACT, self.messages.ContactRequest(
                op=ADD, user=them.user)) for client in clients]
            got = [client.wait_response(id).code for client, id in zip(clients, ids)]
            self.expect("codes", {OK, QUEUE_FULL}, set(got))
            view = self.view(them)
            self.expect("contacts are who was answered OK",
                        {c.user for c, code in zip(clients, got) if code == OK}, set(view))
            self.expect("3 of them", 3, len(view))
            for client, code in zip(clients, got):
                self.expect("their view", {them.user: (REQUESTED, False)} if code == OK else {},
                            self.view(client))
                client.close()
            them.close()

    def test_one_asks_many_at_once(self):
        for _ in range(10):
            me = self.login(case.fresh("me"))
            names = [case.fresh("them") for _ in range(10)]
            self.make_users(*names)
            ids = [me.post(codes.CONTACT, self.messages.ContactRequest(op=ADD, user=name))
                   for name in names]
            got = [me.wait_response(id).code for id in ids]
            self.expect("codes", [OK] * 3 + [QUEUE_FULL] * 7, sorted(got))
            self.expect("list", {name for name, code in zip(names, got) if code == OK},
                        set(self.view(me)))

    def test_full_inbox(self):
        # Refuses messages and ADD; other events are always stored.
        sender, them = self.login(case.fresh("sam")), self.login(case.fresh("them"))
        asked, accepter, third = (self.login(case.fresh("me")) for _ in range(3))
        self.contact(asked, ADD, them.user)                                      # 1
        self.contact(them, ADD, accepter.user)
        self.store(sender, 9, to=them.user)                                      # 2 to 10
        self.expect_code("message", QUEUE_FULL, sender.send_text("x", True, to=them.user))
        self.contact(third, ADD, them.user, expect=QUEUE_FULL)
        self.expect("nothing half done", ({}, {asked.user, accepter.user}),
                    (self.view(third), set(self.view(them))))
        self.contact(asked, REMOVE, them.user)                                   # 11
        self.contact(accepter, ADD, them.user)                                   # 12: ACCEPT
        self.contact(accepter, REMOVE, them.user)                                # 13
        self.contact(them, ADD, accepter.user)
        self.contact(accepter, DECLINE, them.user)                               # 14
        self.expect("events", [(1, ADD), (11, REMOVE), (12, ACCEPT), (13, REMOVE), (14, DECLINE)],
                    [(seq, op) for seq, op, _, _ in self.events(them)])
        self.contact(third, ADD, them.user, expect=QUEUE_FULL)
        self.contact(them, ADD, third.user)  # it is the other's inbox that counts
        self.contact(third, BLOCK, them.user)


class Order(ContactCase):
    def test_answers_without_ids_come_in_order(self):
        me, them = self.pair()
        m = self.messages
        requests = [m.ContactRequest(op=op, user=them.user) for op in
                    (ADD, ADD, LIST, REMOVE, LIST, REMOVE, BLOCK, UNBLOCK, UNBLOCK, ADD)]
        for _ in range(20):
            me.send_raw(b"".join(me.request_frame(codes.CONTACT, r) for r in requests))
            got = [me.wait_response(0) for _ in requests]
            self.expect("codes", [OK, ALREADY_EXISTS, OK, OK, OK, NOT_FOUND, OK, OK, NOT_FOUND,
                                  OK], [response.code for response in got])
            lists = [[c.state for c in m.ContactResult.FromString(got[i].payload).contacts]
                     for i in (2, 4)]
            self.expect("lists", [[REQUESTED], []], lists)
            self.contact(me, REMOVE, them.user)
        self.expect("events", [ADD, REMOVE] * 40, [op for _, op, _, _ in self.events(them)])

    def test_pipelined_requests_about_one_user_keep_their_order(self):
        for round_ in range(60):
            me, name = self.login(case.fresh("me"), edition=1 + round_ % 2), case.fresh("them")
            self.make_users(name)
            ops = [ADD, REMOVE, ADD, BLOCK, UNBLOCK, ADD]
            me.send_raw(b"".join(me.request_frame(codes.CONTACT, self.messages.ContactRequest(
                op=op, user=name), id=i) for i, op in enumerate(ops, 1)))
            self.expect("codes", [OK] * 6, [me.wait_response(i).code for i in range(1, 7)])
            them = self.login(name)
            self.expect("events", [(1, ADD), (2, REMOVE), (3, ADD), (4, ADD)],
                        [(seq, op) for seq, op, _, _ in self.events(them)])
            self.expect("views", ({name: (REQUESTED, False)}, {me.user: (PENDING, False)}),
                        (self.view(me), self.view(them)))
            me.close(), them.close()

    def test_max_inflight_about_one_user(self):
        # Up to 256 unanswered requests are no error, whichever worker decides about the pair.
        for _ in range(8):
            me, name = self.login(case.fresh("me")), case.fresh("them")
            self.make_users(name)
            me.send_raw(b"".join(me.request_frame(codes.CONTACT, self.messages.ContactRequest(
                op=(ADD, REMOVE)[i % 2], user=name), id=i + 1) for i in range(256)))
            got = [me.wait_response(i + 1).code for i in range(256)]
            self.expect("codes", {OK: 256}, {code: got.count(code) for code in set(got)})
            reader = self.login(name, send_only=True)
            self.expect("events", [ADD, REMOVE] * 128,
                        [op for _, op, _, _ in self.events(reader)])
            me.close(), reader.close()

    def test_max_inflight_about_many_users(self):
        me = self.login(case.fresh("me"))
        names = [case.fresh("them") for _ in range(256)]
        self.make_users(*names)
        me.send_raw(b"".join(me.request_frame(codes.CONTACT, self.messages.ContactRequest(
            op=ADD, user=name), id=i) for i, name in enumerate(names, 1)))
        got = [me.wait_response(i).code for i in range(1, 257)]
        self.expect("codes", {OK: 256}, {code: got.count(code) for code in set(got)})
        self.expect("list", set(names), set(self.view(me)))

    def test_one_segment_with_login_and_end(self):
        name = case.fresh("them")
        self.make_users(name)
        for edition in (1, 2):
            user = case.fresh("me")
            client = self.connect(edition)
            client.send_raw(
                client.connect_frame(ORG, APPKEY, user, self.server.token(user), send_only=True)
                + b"".join(client.request_frame(codes.CONTACT, self.messages.ContactRequest(
                    op=op, user=name), id=i) for i, op in enumerate((ADD, REMOVE, ADD), 1))
                + client.disconnect_frame())
            self.expect_code("login", OK, client.wait_conack())
            self.expect("codes", [OK] * 3, [client.wait_response(i).code for i in (1, 2, 3)])
            self.expect_closed_after_answer("DISCONNECT", client)

    def test_answer_means_both_are_durable(self):
        # What was answered is in both lists and in the inbox, whoever asks at once.
        me, them = self.pair()
        for i in range(1, 101):
            self.contact(me, (ADD, REMOVE)[(i - 1) % 2], them.user)
            self.expect("head", i, them.sync()[1].head_seq)
            self.expect("their view", (PENDING, False) if i % 2 else None,
                        self.view(them).get(me.user))
        self.expect("events", [ADD, REMOVE] * 50,
                    [self.wait_contact_event(them).op for _ in range(100)])


class Races(ContactCase):
    def ask(self, client, op, user):
        return client.post(codes.CONTACT, self.messages.ContactRequest(op=op, user=user))

    def test_both_add_at_once(self):
        # Whoever is first asks, the other accepts: both OK, both FRIEND, one event each.
        for round_ in range(150):
            me, them = self.pair()
            ids = self.ask(me, ADD, them.user), self.ask(them, ADD, me.user)
            got = me.wait_response(ids[0]).code, them.wait_response(ids[1]).code
            self.expect(f"codes of round {round_}", (OK, OK), got)
            self.expect("views", ({them.user: (FRIEND, False)}, {me.user: (FRIEND, False)}),
                        (self.view(me), self.view(them)))
            ops = [[op for _, op, _, _ in self.events(client)] for client in (me, them)]
            self.expect("an ADD and an ACCEPT", [[ACCEPT], [ADD]], sorted(ops, reverse=True))
            me.close(), them.close()

    def test_accept_meets_remove(self):
        for round_ in range(60):
            me, them = self.pair()
            self.contact(me, ADD, them.user)
            ids = self.ask(me, REMOVE, them.user), self.ask(them, ACCEPT, me.user)
            got = me.wait_response(ids[0]).code, them.wait_response(ids[1]).code
            self.assertIn(got, ((OK, OK), (OK, NOT_FOUND)), f"round {round_}")
            self.expect("views", ({}, {}), (self.view(me), self.view(them)))
            me.close(), them.close()

    def test_random_operations_of_both(self):
        # Pipelined from three sessions over several pairs: the views mirror each other afterwards,
        # and each inbox holds as many events as the other got OKs that make one.
        chance = random.Random(7)
        names = [case.fresh("ann") for _ in range(6)]
        clients = {name: [self.login(name, f"d{i}", send_only=True) for i in range(2)]
                   for name in names}
        for round_ in range(15):
            asked = []
            for _ in range(120):
                name, other = chance.sample(names, 2)
                client = chance.choice(clients[name])
                asked.append((client, self.ask(client, chance.choice(CHANGES), other)))
            for client, id in asked:
                self.assertIn(client.wait_response(id).code,
                              (OK, NOT_FOUND, ALREADY_EXISTS, FORBIDDEN))
            views = {name: self.view(clients[name][0]) for name in names}
            expect_mirrored(self, f"round {round_}", views)
        self.expect("imsctl verify", 0, self.server.verify().returncode)

    def test_threads_on_one_pair(self):
        me, them = self.pair()
        failures = []

        def run(client, other, seed):
            chance = random.Random(seed)
            for _ in range(200):
                code = client.contact(chance.choice(CHANGES), other)[0].code
                if code not in (OK, NOT_FOUND, ALREADY_EXISTS, FORBIDDEN):
                    failures.append(code)
        threads = [threading.Thread(target=run, args=(self.login(a, "t", send_only=True), b, seed))
                   for seed, (a, b) in enumerate(((me.user, them.user), (them.user, me.user)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.expect("other codes", [], failures)
        expect_mirrored(self, "afterwards", {me.user: self.view(me), them.user: self.view(them)})


def expect_mirrored(test, what, views):
    """Both views of each pair fit together: REQUESTED and PENDING, FRIEND and FRIEND; NONE at BLOCK
    but for what the blocker asked since."""
    for name, view in views.items():
        for other, (state, blocked) in view.items():
            theirs, by_them = views.get(other, {}).get(name, (NONE, False))
            test.expect(f"{what}: {other}'s view of {name}, who has {state} blocked={blocked}",
                        MIRRORED[state], theirs)
            if blocked or by_them:
                test.assertNotEqual(FRIEND, state, f"{what}: friends, and blocked")


class Restart(case.OwnServer, ContactCase):
    """A server of its own: stopped, killed and started again in the test."""

    def end(self, how):
        if how == "SIGTERM":
            self.expect("exit code", 0, self.server.stop())
        else:
            self.server.kill()
        self.server.start()

    def test_state_survives(self):
        steps = {state: steps for state, (steps, _, _) in STATES.items()}
        cast = {}
        for state in STATES:
            me, them = self.pair()
            for is_mine, op in steps[state]:
                actor, other = (me, them) if is_mine else (them, me)
                self.contact(actor, op, other.user, note=f"note of {state}")
            cast[state] = (me, them)
        before = {state: [list(map(str, self.pages(client))) for client in pair] +
                  [self.events(client) for client in pair] for state, pair in cast.items()}
        for how in ("SIGTERM", "kill -9"):
            self.end(how)
            for state, pair in cast.items():
                with self.subTest(how=how, state=state):
                    pair = [self.login(client.user, send_only=True) for client in pair]
                    self.expect("lists and events", before[state],
                                [list(map(str, self.pages(client))) for client in pair] +
                                [self.events(client) for client in pair])
        for how in ("SIGTERM", "kill -9"):
            for state, (me, them) in cast.items():
                with self.subTest(how=how, state=state):
                    me, them = self.login(me.user), self.login(them.user)
                    blocked = STATES[state][1:] != (None, None) and "BLOCKED" in state
                    code = FORBIDDEN if "BY" in state else OK
                    self.expect_code("message", code, me.send_text("x", True, to=them.user))
                    code = FORBIDDEN if blocked and state != "BLOCKED BY THEM" else OK
                    self.expect_code("message back", code, them.send_text("x", True, to=me.user))
            self.end(how)

    def test_kill_amid_requests(self):
        # An OK survives at both; what was not answered is at both or at neither.
        chance, in_flight = random.Random(3), 0
        for round_ in range(6):
            names = [case.fresh("ann") for _ in range(40)]
            peers = [case.fresh("bob") for _ in range(40)]
            self.make_users(*names, *peers)
            clients = [self.login(name, send_only=True) for name in names]
            asked = []
            for client, peer in zip(clients, peers):
                ids = [client.take_id() for _ in range(5)]
                client.send_raw(b"".join(client.request_frame(
                    codes.CONTACT, self.messages.ContactRequest(op=op, user=peer), id=id)
                    for op, id in zip((ADD, REMOVE, ADD, REMOVE, ADD), ids)))
                asked.append(ids)
            time.sleep(chance.uniform(0, 0.03))
            self.server.kill()
            for client in clients:
                client.wait_eof()
            self.server.start()
            for client, peer, ids in zip(clients, peers, asked):
                answered = sum(id in client.responses for id in ids)
                in_flight += answered < 5
                codes_got = {client.responses[id].code for id in ids if id in client.responses}
                self.assertLessEqual(codes_got, {OK}, f"round {round_}")
                me, them = (self.login(user, send_only=True) for user in (client.user, peer))
                self.eventually("both views fit", True, lambda: self.fits(me, them), timeout=10)
                events = self.events(them)
                self.expect("events", [(i, (REMOVE, ADD)[i % 2]) for i in
                                       range(1, len(events) + 1)],
                            [(seq, op) for seq, op, _, _ in events])
                self.assertGreaterEqual(len(events), answered, "events of what was answered OK")
                self.expect("state and events", {peer: (REQUESTED, False)}
                            if len(events) % 2 else {}, self.view(me))
                me.close(), them.close()
        print(f"{in_flight} clients had unanswered requests at the kill", flush=True)
        self.assertGreater(in_flight, 0, "expected kills amid requests")
        self.expect("exit code", 0, self.server.stop())
        self.expect("imsctl verify", 0, self.server.verify().returncode)

    def fits(self, me, them):
        mine, theirs = self.view(me).get(them.user), self.view(them).get(me.user)
        return (mine, theirs) in ((None, None), ((REQUESTED, False), (PENDING, False)))


if __name__ == "__main__":
    case.main()
