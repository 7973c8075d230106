#!/usr/bin/python3
"""Groups: every operation against every role, events and messages in one timeline, who sees what.
Source: PROTOCOL.md sections 5 and 6, GROUP."""

import case
import codes
from codes import (ADMIN, ALREADY_EXISTS, BAD_REQUEST, CREATE, DISMISS, FORBIDDEN, INFO, INVITE,
                   JOIN, KICK, LEAVE, LIST_MINE, MEMBER, MEMBERS, MUTE, NOT_FOUND, OK, OWNER,
                   QUEUE_FULL, RENAME, SET_ROLE, UNMUTE)
from server import APPKEY, ORG

shared_server = case.use_server()
small_limits = case.use_server(max_group_members=4, max_groups_per_user=3, max_timeline_rows=20,
                               push_window=8)


class GroupCase(case.Case):
    shared = shared_server

    def ask(self, client, op, group="", expect=OK, **fields):
        response, result = client.group(op, group, **fields)
        self.expect_code(f"{codes.OP_NAMES[op]} of {group} by {client.user} {fields}"[:200], expect,
                         response)
        self.last = response
        return result

    def create(self, owner, *members, group=None, **fields):
        group = group or case.fresh("club")
        self.ask(owner, CREATE, group, users=[m if isinstance(m, str) else m.user
                                              for m in members], **fields)
        return group

    def members(self, client, group):
        """{user: (role, muted)} over all pages."""
        found, cursor = {}, ""
        while True:
            page = self.ask(client, MEMBERS, group, cursor=cursor)
            for member in page.members:
                self.assertNotIn(member.user, found, "listed twice")
                found[member.user] = (member.role, member.muted)
            cursor = page.cursor
            if not cursor:
                return found

    def head(self, client, group):
        return self.ask(client, INFO, group).head_seq

    def say(self, client, group, text="x", expect=OK, offline=True, **fields):
        response = client.send_text(text, offline, group=group, **fields)
        self.expect_code(f"{client.user} to {group}", expect, response)
        return response

    def rows(self, client, group, **fields):
        """SYNC of a group: {seq: "op" or text}."""
        response, page = client.sync(group, limit=1000, **fields)
        self.expect_code(f"SYNC of {group} by {client.user}", OK, response)
        for name in ("messages", "group_events"):
            seqs = [row.seq for row in getattr(page, name)]
            self.expect(f"{name} ascend", sorted(seqs), seqs)
        rows = {event.seq: codes.OP_NAMES[event.op] for event in page.group_events}
        rows.update({message.seq: self.text(message) for message in page.messages})
        self.page = page
        return dict(sorted(rows.items()))

    def text(self, message):
        return self.messages.MessageTxt.FromString(message.payload).txt

    def shown(self, push):
        """A push as (seq, "OP" or text)."""
        if push.type == codes.GROUP:
            return push.seq, codes.OP_NAMES[push.body.op]
        return push.seq, self.text(push.body)

    def expect_pushes(self, what, expected, client):
        got = [self.shown(push) for push in client.wait_pushes(len(expected))]
        self.expect(what, expected, got)


class Roles(GroupCase):
    """Who may do what: each row tries one request as owner, admin, member, muted member and
    outsider, each in a group of its own."""

    ACTORS = ("owner", "admin", "member", "muted", "outsider")

    def cast(self):
        """Clients by role in a fresh group, besides two more admins, members and users outside."""
        names = {role: case.fresh(role) for role in (*self.ACTORS, "admin2", "member2", "outsider2",
                                                     "member3")}
        self.make_users(names["outsider2"], names["member3"])
        clients = {role: self.login(names[role])
                   for role in (*self.ACTORS, "admin2", "member2")}
        owner = clients["owner"]
        group = self.create(owner, *(names[r] for r in ("admin", "admin2", "member", "member2",
                                                        "member3", "muted")))
        self.ask(owner, SET_ROLE, group, users=[names["admin"], names["admin2"]], role=ADMIN)
        self.ask(owner, MUTE, group, users=[names["muted"]])
        return group, names, clients

    def test_table(self):
        F, N = FORBIDDEN, NOT_FOUND
        # request, target, further fields, then the code for each of ACTORS
        table = [
            (INFO, None, {}, (OK, OK, OK, OK, F)),
            (MEMBERS, None, {}, (OK, OK, OK, OK, F)),
            (RENAME, None, {"name": "new"}, (OK, OK, F, F, F)),
            (INVITE, "outsider2", {}, (OK, OK, F, F, F)),
            (KICK, "member2", {}, (OK, OK, F, F, F)),
            (KICK, "admin2", {}, (OK, F, F, F, F)),
            (KICK, "owner", {}, (F, F, F, F, F)),
            (KICK, "self", {}, (F, F, F, F, F)),
            (KICK, "outsider2", {}, (N, N, F, F, F)),
            (MUTE, "member2", {}, (OK, OK, F, F, F)),
            (MUTE, "admin2", {}, (OK, F, F, F, F)),
            (MUTE, "owner", {}, (F, F, F, F, F)),
            (MUTE, "outsider2", {}, (N, N, F, F, F)),
            (UNMUTE, "muted", {}, (OK, OK, F, F, F)),
            (UNMUTE, "outsider2", {}, (N, N, F, F, F)),
            (SET_ROLE, "member2", {"role": ADMIN}, (OK, F, F, F, F)),
            (SET_ROLE, "admin2", {"role": MEMBER}, (OK, F, F, F, F)),
            (SET_ROLE, "member2", {"role": OWNER}, (OK, F, F, F, F)),
            (SET_ROLE, "self", {"role": MEMBER}, (F, F, F, F, F)),
            (SET_ROLE, "outsider2", {"role": ADMIN}, (N, F, F, F, F)),
            (JOIN, None, {}, (None, None, None, None, F)),
            (LEAVE, None, {}, (F, OK, OK, OK, F)),
            (DISMISS, None, {}, (OK, F, F, F, F)),
        ]
        for op, target, fields, expected in table:
            changes = OK in expected and op not in (INFO, MEMBERS)
            cast = None
            for actor, code in zip(self.ACTORS, expected):
                if code is None:
                    continue
                with self.subTest(op=codes.OP_NAMES[op], target=target, actor=actor, **fields):
                    if cast is None or changes and code == OK:
                        cast = self.cast()
                    group, names, clients = cast
                    client = clients[actor]
                    if target:
                        fields = {**fields, "users": [names[actor if target == "self"
                                                            else target]]}
                    before = self.head(clients["owner"], group)
                    self.ask(client, op, group, expect=code, **fields)
                    if code == OK and changes:
                        self.expect("seq of the event", before + 1, self.last.seq)
                        self.assertGreater(self.last.time_ms, 0)
                        cast = None
                    else:
                        self.expect("head: no event", before, self.head(clients["owner"], group))

    def test_sending(self):
        group, names, clients = self.cast()
        for actor, expected in zip(self.ACTORS, (OK, OK, OK, FORBIDDEN, FORBIDDEN)):
            for offline in (True, False):
                with self.subTest(actor=actor, offline=offline):
                    self.say(clients[actor], group, expect=expected, offline=offline)
        self.rows(clients["muted"], group)
        self.expect_code("a muted member may ACK", OK, clients["muted"].ack(1, group))
        self.ask(clients["owner"], UNMUTE, group, users=[names["muted"]])
        self.say(clients["muted"], group)
        self.expect_code("SYNC by an outsider", FORBIDDEN, clients["outsider"].sync(group)[0])
        self.expect_code("ACK by an outsider", FORBIDDEN, clients["outsider"].ack(1, group))

    def test_set_role_above_member_unmutes(self):
        group, names, clients = self.cast()
        self.ask(clients["owner"], SET_ROLE, group, users=[names["muted"]], role=ADMIN)
        self.say(clients["muted"], group)
        self.expect("role, muted", (ADMIN, False),
                    self.members(clients["owner"], group)[names["muted"]])

    def test_owner_hands_over(self):
        group, names, clients = self.cast()
        self.ask(clients["owner"], SET_ROLE, group, users=[names["member"]], role=OWNER)
        members = self.members(clients["member"], group)
        self.expect("new owner", OWNER, members[names["member"]][0])
        self.expect("old owner", ADMIN, members[names["owner"]][0])
        self.ask(clients["owner"], DISMISS, group, expect=FORBIDDEN)
        self.ask(clients["member"], LEAVE, group, expect=FORBIDDEN)
        self.ask(clients["owner"], LEAVE, group)
        self.ask(clients["member"], DISMISS, group)

    def test_open_group(self):
        owner, joiner = self.login(case.fresh("own")), self.login(case.fresh("joe"))
        closed = self.create(owner, "nobody")
        self.ask(joiner, JOIN, closed, expect=FORBIDDEN)
        group = self.create(owner, "nobody", open=True)
        self.ask(joiner, SET_ROLE, group, users=[owner.user], role=MEMBER, expect=FORBIDDEN)
        self.ask(joiner, JOIN, group)
        self.expect("seq of the event", 2, self.last.seq)
        self.ask(joiner, JOIN, group, expect=ALREADY_EXISTS)
        self.ask(owner, JOIN, group, expect=ALREADY_EXISTS)
        self.expect("members", {owner.user: (OWNER, False), joiner.user: (MEMBER, False)},
                    self.members(joiner, group))
        info = self.ask(joiner, INFO, group)
        self.expect("open, member_count, head_seq", (True, 2, 2),
                    (info.open, info.member_count, info.head_seq))
        self.ask(joiner, JOIN, "no-such-group", expect=NOT_FOUND)


class Changes(GroupCase):
    """What a change does: results, events, and requests that change nothing."""

    def test_create(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        group = case.fresh("club")
        result = self.ask(owner, CREATE, group, name="The club",
                          users=[member.user, "nobody", owner.user, member.user])
        self.expect("id, name, count, open, head", (group, "The club", 2, False, 1),
                    (result.group, result.name, result.member_count, result.open,
                     result.head_seq))
        self.expect("added", {member.user}, {m.user for m in result.members} - {owner.user})
        self.expect("seq", 1, self.last.seq)
        push = member.wait_push()
        event = push.body
        self.expect("type, op, group, by, seq, time_ms, name",
                    (codes.GROUP, CREATE, group, owner.user, 1, self.last.time_ms, "The club"),
                    (push.type, event.op, event.group, event.by, event.seq, event.time_ms,
                     event.name))
        self.expect("users", {member.user}, set(event.users) - {owner.user})
        self.expect_quiet("own event", owner)
        self.ask(member, CREATE, group, users=["x"], expect=ALREADY_EXISTS)
        self.expect("members", {owner.user: (OWNER, False), member.user: (MEMBER, False)},
                    self.members(member, group))

    def test_server_made_ids(self):
        owner = self.login(case.fresh("own"))
        ids = {self.ask(owner, CREATE, "", users=["nobody"]).group for _ in range(3)}
        self.expect("different ids", 3, len(ids))
        for group in ids:
            self.assertTrue(1 <= len(group.encode()) <= 64, group)
            self.ask(owner, INFO, group)

    def test_group_and_user_may_have_one_name(self):
        owner = self.login(case.fresh("own"))
        self.create(owner, "nobody", group=owner.user)
        self.say(owner, owner.user)
        self.expect("inbox", 0, owner.sync()[1].head_seq)

    def test_names_of_groups(self):
        owner = self.login(case.fresh("own"))
        group = self.create(owner, "nobody", name="é" * 128)
        self.expect("name", "é" * 128, self.ask(owner, INFO, group).name)
        for rule, name, code in (("256 bytes", "n" * 256, OK), ("257 bytes", "n" * 257,
                                                                BAD_REQUEST),
                                 ("blanks and slashes", "a / b # *", OK),
                                 ("control", "a\x1fb", BAD_REQUEST),
                                 ("U+009F", "a\u009fb", BAD_REQUEST),
                                 ("line end", "a\n", BAD_REQUEST)):
            with self.subTest(rule=rule):
                self.ask(owner, RENAME, group, name=name, expect=code)
                self.ask(owner, CREATE, case.fresh("club"), name=name, users=["x"], expect=code)

    def test_events(self):
        owner, watcher = self.login(case.fresh("own")), self.login(case.fresh("wat"))
        a, b = self.login(case.fresh("a")), self.login(case.fresh("b"))
        group = self.create(owner, watcher)
        watcher.wait_push()
        rows = [(owner, INVITE, {"users": [a.user, "nobody", b.user]}, [a, b]),
                (owner, SET_ROLE, {"users": [a.user], "role": ADMIN}, [a]),
                (a, MUTE, {"users": [b.user]}, [b]), (a, UNMUTE, {"users": [b.user]}, [b]),
                (a, RENAME, {"name": "another"}, []), (a, KICK, {"users": [b.user]}, [b]),
                (a, LEAVE, {}, None), (owner, DISMISS, {}, [])]
        for seq, (actor, op, fields, users) in enumerate(rows, 2):
            with self.subTest(op=codes.OP_NAMES[op]):
                self.ask(actor, op, group, **fields)
                self.expect("seq of the answer", seq, self.last.seq)
                event = watcher.wait_push().body
                self.expect("op, group, by, seq, time_ms",
                            (op, group, actor.user, seq, self.last.time_ms),
                            (event.op, event.group, event.by, event.seq, event.time_ms))
                if users:
                    self.expect("users", {u.user for u in users}, set(event.users))
                if op == RENAME:
                    self.expect("name", "another", event.name)
                if op == SET_ROLE:
                    self.expect("role", ADMIN, event.role)
        # a: its own MUTE, UNMUTE, RENAME, KICK and LEAVE are not pushed on its session.
        self.expect_pushes("a", [(2, "INVITE"), (3, "SET_ROLE")], a)
        self.expect_pushes("b", [(2, "INVITE"), (3, "SET_ROLE"), (4, "MUTE"), (5, "UNMUTE"),
                                 (6, "RENAME"), (7, "KICK")], b)
        self.expect_pushes("owner: what others did", [(4, "MUTE"), (5, "UNMUTE"), (6, "RENAME"),
                                                      (7, "KICK"), (8, "LEAVE")], owner)
        self.expect_quiet("left, kicked, own events", a, b, owner)

    def test_no_change_is_no_event(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        group = self.create(owner, member, name="n")
        head = self.head(owner, group)
        for op, fields in ((RENAME, {"name": "n"}), (UNMUTE, {"users": [member.user]}),
                           (SET_ROLE, {"users": [member.user], "role": MEMBER})):
            with self.subTest(op=codes.OP_NAMES[op]):
                self.ask(owner, op, group, **fields)
                self.expect("head", head, self.head(owner, group))
        self.ask(owner, MUTE, group, users=[member.user])
        self.ask(owner, MUTE, group, users=[member.user])
        self.expect("head after MUTE twice", head + 1, self.head(owner, group))

    def test_several_users(self):
        owner = self.login(case.fresh("own"))
        names = [case.fresh("m") for _ in range(3)]
        outside = case.fresh("out")
        self.make_users(*names, outside)
        group = self.create(owner, *names)
        self.ask(owner, KICK, group, users=[outside, names[0], "nobody"])
        self.ask(owner, KICK, group, users=[outside, names[0]], expect=NOT_FOUND)
        self.ask(owner, KICK, group, users=[owner.user, outside], expect=FORBIDDEN)
        self.ask(owner, INVITE, group, users=[names[1], names[2]], expect=ALREADY_EXISTS)
        self.ask(owner, INVITE, group, users=[names[1], "nobody"], expect=NOT_FOUND)
        self.ask(owner, INVITE, group, users=["nobody"], expect=NOT_FOUND)
        result = self.ask(owner, INVITE, group, users=[names[1], "nobody", names[0], outside])
        self.expect("added", {names[0], outside}, {m.user for m in result.members})
        self.expect("count", 5, result.member_count)

    def test_missing_or_too_many_users(self):
        owner = self.login(case.fresh("own"))
        group = self.create(owner, "nobody")
        many = [f"no-{i}" for i in range(501)]
        for op in (INVITE, KICK, MUTE, UNMUTE, SET_ROLE):
            with self.subTest(op=codes.OP_NAMES[op]):
                self.ask(owner, op, group, expect=BAD_REQUEST)
                self.ask(owner, op, group, users=many, expect=BAD_REQUEST)
                self.ask(owner, op, group, users=many[:500], expect=NOT_FOUND)
        self.ask(owner, CREATE, case.fresh("club"), users=many, expect=BAD_REQUEST)
        self.ask(owner, CREATE, case.fresh("club"), users=many[:500])

    def test_ten_thousand_users(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        group = self.create(owner, member)
        head = self.head(owner, group)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"
        many = [a + b + c for a in digits for b in digits for c in digits][:9_999] + [member.user]
        for op in (INVITE, KICK, MUTE, UNMUTE, SET_ROLE):
            with self.subTest(op=codes.OP_NAMES[op]):
                self.ask(owner, op, group, users=many, expect=BAD_REQUEST)
        self.ask(owner, CREATE, case.fresh("club"), users=many, expect=BAD_REQUEST)
        self.expect("nothing happened", head, self.head(owner, group))

    def test_a_removed_user(self):
        owner, gone = self.login(case.fresh("own")), self.login(case.fresh("gone"))
        group = self.create(owner, gone)
        self.server.ctl("user", "remove", ORG, APPKEY, gone.user)
        self.expect_disconnect("removed", codes.KICKED, gone)
        alone = self.ask(owner, CREATE, case.fresh("club"), users=[gone.user])
        self.expect("left out", 1, alone.member_count)
        other = self.create(owner, "nobody")
        self.ask(owner, INVITE, other, users=[gone.user], expect=NOT_FOUND)
        self.expect_code("message", NOT_FOUND, owner.send_text("x", True, to=gone.user))
        self.expect_code("contact", NOT_FOUND, owner.contact(codes.ADD, gone.user)[0])
        back = self.login(gone.user)
        self.expect("a member still", 2, self.ask(back, INFO, group).member_count)
        self.ask(owner, INVITE, other, users=[gone.user])

    def test_unknown_group(self):
        client = self.login(case.fresh("ann"))
        for op in (INFO, JOIN, LEAVE, INVITE, KICK, DISMISS, MEMBERS, SET_ROLE, RENAME, MUTE,
                   UNMUTE):
            self.ask(client, op, "no-such-group", users=["u"], name="n", expect=NOT_FOUND)
        self.say(client, "no-such-group", expect=NOT_FOUND)
        self.say(client, "no-such-group", expect=NOT_FOUND, offline=False)
        self.expect_code("ACK", NOT_FOUND, client.ack(1, "no-such-group"))

    def test_dismissed(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        group = self.create(owner, member, open=True)
        self.say(owner, group)
        self.ask(owner, DISMISS, group)
        self.expect_pushes("up to and including the event",
                           [(1, "CREATE"), (2, "x"), (3, "DISMISS")], member)
        for client in (owner, member, self.login(case.fresh("out"))):
            for op in (INFO, MEMBERS, JOIN, LEAVE, DISMISS):
                self.ask(client, op, group, expect=NOT_FOUND)
            self.say(client, group, expect=NOT_FOUND)
            self.expect_code("SYNC", NOT_FOUND, client.sync(group)[0])
            self.ask(client, CREATE, group, users=["x"], expect=ALREADY_EXISTS)
        self.expect_code("who was a member may ACK it", OK, member.ack(3, group))

    def test_list_mine(self):
        user = case.fresh("ann")
        client, owner = self.login(user), self.login(case.fresh("own"))
        self.expect("none", [], list(self.ask(client, LIST_MINE).groups))
        stem = case.fresh("g")
        groups = sorted(f"{stem}-{i:03d}" for i in range(25))
        for group in reversed(groups):
            self.create(owner, user, group=group)

        def listed(limit=0):
            found, cursor = [], ""
            while True:
                page = self.ask(client, LIST_MINE, cursor=cursor, limit=limit)
                self.assertLessEqual(len(page.groups), limit or 100)
                found += page.groups
                if not page.cursor:
                    return found
                self.expect("cursor", page.groups[-1], page.cursor)
                cursor = page.cursor
        self.eventually("after CREATE", groups, listed)
        self.expect("pages of 7", groups, listed(7))
        self.expect("pages of 25", groups, listed(25))
        self.ask(client, LEAVE, groups[0])
        self.ask(owner, KICK, groups[1], users=[user])
        self.ask(owner, DISMISS, groups[2])
        self.eventually("after LEAVE, KICK, DISMISS", groups[3:], listed)

    def test_members_pages(self):
        owner = self.login("own-" + case.fresh("z"))
        names = [case.fresh("m") for _ in range(120)]
        self.make_users(*names)
        group = self.create(owner, *names)
        everyone = sorted((n.encode() for n in (*names, owner.user)))
        for limit, sizes in ((0, [100, 21]), (50, [50, 50, 21]), (121, [121]), (5000, [121])):
            with self.subTest(limit=limit):
                got, seen, cursor = [], [], ""
                while True:
                    page = self.ask(owner, MEMBERS, group, cursor=cursor, limit=limit)
                    got += [m.user.encode() for m in page.members]
                    seen.append(len(page.members))
                    self.expect("member_count", 121, page.member_count)
                    cursor = page.cursor
                    if not cursor:
                        break
                self.expect("ascending by bytes, each once", everyone, got)
                self.expect("page sizes", sizes, [s for s in seen if s])


class Timeline(GroupCase):
    """Messages and events share one dense seq; who sees which part of it."""

    def test_messages(self):
        user = case.fresh("own")
        owner, other_device = self.login(user, "a"), self.login(user, "b")
        member = self.login(case.fresh("mem"), "pad", edition=1)
        group = self.create(owner, member)
        response = self.say(owner, group, "hello")
        self.expect("seq", 2, response.seq)
        for receiver in (other_device, member):
            self.expect("CREATE", 1, receiver.wait_push().seq)
            body = receiver.wait_push().body
            self.expect("from, device, to, group, seq, time_ms, text",
                        (user, "a", "", group, 2, response.time_ms, "hello"),
                        (getattr(body, "from"), body.device, body.to, body.group, body.seq,
                         body.time_ms, self.text(body)))
        self.expect("member's seq", 3, self.say(member, group, "hi").seq)
        self.expect_pushes("owner", [(3, "hi")], owner)
        self.expect_pushes("owner's other device", [(3, "hi")], other_device)
        self.expect_quiet("own ones are not pushed", owner, other_device, member)
        self.expect("rows", {1: "CREATE", 2: "hello", 3: "hi"}, self.rows(member, group))
        self.expect("inboxes", (0, 0), (owner.sync()[1].head_seq, member.sync()[1].head_seq))

    def test_relayed(self):
        owner = self.login(case.fresh("own"))
        online, offline = self.login(case.fresh("on")), case.fresh("off")
        self.make_users(offline)
        group = self.create(owner, online, offline)
        online.wait_push()
        response = self.say(owner, group, "now", offline=False)
        self.expect("seq", 0, response.seq)
        body = online.wait_push().body
        self.expect("seq, from, group, time_ms", (0, owner.user, group, response.time_ms),
                    (body.seq, getattr(body, "from"), body.group, body.time_ms))
        online.leave()
        self.say(owner, group, "nobody is online", offline=False)  # OK all the same
        self.expect_pushes("never stored", [(1, "CREATE")], self.login(offline))
        self.expect("head", 1, self.head(owner, group))

    def test_one_order_for_all(self):
        clients = [self.login(case.fresh("m"), ack=codes.AUTO, edition=1 + i % 2)
                   for i in range(6)]
        group = self.create(clients[0], *clients[1:])
        for client in clients:
            client.send_raw(b"".join(client.request_frame(
                codes.MESSAGE, self.message(group=group, payload=b"%d" % i), True,
                id=1000 + i) for i in range(40)))
        seen = {}
        for client in clients:
            own = [client.wait_response(1000 + i).seq for i in range(40)]
            self.expect("own seqs ascend", sorted(own), own)
            first = 0 if client is clients[0] else 1
            pushes = client.wait_pushes(200 + first)
            seqs = [p.seq for p in pushes]
            self.expect("dense but for its own", list(range(2 - first, 242)), sorted(seqs + own))
            self.expect("ascending", sorted(seqs), seqs)
            for push in pushes[first:]:
                row = (getattr(push.body, "from"), push.body.payload)
                self.expect(f"row {push.seq}", row, seen.setdefault(push.seq, row))

    def test_joiner_sees_from_the_join_on(self):
        owner, joiner = self.login(case.fresh("own")), self.login(case.fresh("joe"))
        group = self.create(owner, "nobody", open=True)
        for text in ("one", "two"):
            self.say(owner, group, text)
        self.ask(joiner, JOIN, group)
        self.say(owner, group, "five")
        self.expect_pushes("joiner", [(5, "five")], joiner)  # its own JOIN is row 4
        self.expect("rows", {4: "JOIN", 5: "five"}, self.rows(joiner, group))
        self.expect("first_seq, head_seq", (4, 5), (self.page.first_seq, self.page.head_seq))
        self.expect("scrolling back", {4: "JOIN"}, self.rows(joiner, group, before_seq=5))
        self.expect("more", False, self.page.more)
        self.expect("owner's first_seq", 1, (self.rows(owner, group), self.page.first_seq)[1])
        joiner.leave()
        # The first device's cursor passed its own JOIN; a new device starts at the most advanced.
        self.expect_pushes("another device starts behind the JOIN",
                           [(5, "five")], self.login(joiner.user, "new"))

    def test_create_and_message_in_one_segment(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        for _ in range(20):
            group = case.fresh("club")
            request = self.messages.GroupRequest(op=CREATE, group=group, users=[member.user])
            message = self.message(group=group, payload=b"x")
            owner.send_raw(owner.request_frame(codes.GROUP, request, id=901)
                           + owner.request_frame(codes.MESSAGE, message, True, id=902))
            self.expect_code("CREATE", OK, owner.wait_response(901))
            response = owner.wait_response(902)
            self.expect("code, seq", (OK, 2), (response.code, response.seq))
            self.expect("pushed", [1, 2], [push.seq for push in member.wait_pushes(2)])

    def test_kicked_sees_up_to_its_event(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        group = self.create(owner, member)
        self.say(owner, group, "two")
        self.ask(owner, KICK, group, users=[member.user])
        self.say(owner, group, "four")
        self.expect_pushes("up to and including KICK", [(1, "CREATE"), (2, "two"), (3, "KICK")],
                           member)
        self.say(member, group, expect=FORBIDDEN)
        self.say(member, group, expect=FORBIDDEN, offline=False)
        self.expect_code("SYNC", FORBIDDEN, member.sync(group)[0])
        self.ask(member, INFO, group, expect=FORBIDDEN)
        self.say(owner, group, "relayed", offline=False)
        self.expect_quiet("nothing behind it", member)
        self.expect_code("ACK of what it saw", OK, member.ack(1, group))
        member.leave()
        again = self.login(member.user)
        self.expect_pushes("at the next login too", [(2, "two"), (3, "KICK")], again)
        self.expect_quiet("nothing behind it", again)
        self.expect_code("ACK to the end", OK, again.ack(3, group))
        again.leave()
        self.expect_quiet("all acknowledged", self.login(member.user))

    def test_kicked_while_away(self):
        owner, name = self.login(case.fresh("own")), case.fresh("mem")
        self.make_users(name)
        group = self.create(owner, name)
        self.say(owner, group, "two")
        self.ask(owner, KICK, group, users=[name])
        self.say(owner, group, "four")
        member = self.login(name)
        self.expect_pushes("backlog", [(1, "CREATE"), (2, "two"), (3, "KICK")], member)
        self.expect_quiet("nothing behind it", member)

    def test_leaver_and_rejoiner(self):
        owner, user = self.login(case.fresh("own")), case.fresh("joe")
        joiner, other = self.login(user, "a"), self.login(user, "b")
        group = self.create(owner, "nobody", open=True)
        self.ask(joiner, JOIN, group)                                    # 2
        self.say(owner, group, "three")
        self.ask(joiner, LEAVE, group)                                   # 4
        self.say(owner, group, "five")
        self.expect_pushes("leaver", [(3, "three")], joiner)
        self.expect_pushes("its other device", [(2, "JOIN"), (3, "three"), (4, "LEAVE")], other)
        self.expect_code("SYNC", FORBIDDEN, joiner.sync(group)[0])
        self.ask(joiner, JOIN, group)                                    # 6
        self.say(owner, group, "seven")
        self.expect_pushes("rejoined", [(7, "seven")], joiner)
        self.expect_pushes("its other device", [(6, "JOIN"), (7, "seven")], other)
        self.expect("rows: from the new join on", {6: "JOIN", 7: "seven"},
                    self.rows(joiner, group))
        self.expect("first_seq", 6, self.page.first_seq)

    def test_offline_members_get_the_backlog(self):
        owner, name = self.login(case.fresh("own")), case.fresh("mem")
        self.make_users(name)
        groups = [self.create(owner, name) for _ in range(3)]
        for i in range(20):
            for group in groups:
                self.say(owner, group, f"g{i}")
            self.expect_code("1:1", OK, owner.send_text(f"u{i}", True, to=name))
        for mode in (codes.EXPLICIT, codes.AUTO):
            member = self.login(name, ack=mode)
            pushes = member.wait_pushes(3 * 21 + 20)
            by_timeline = {}
            for push in pushes:
                by_timeline.setdefault(push.body.group, []).append(push.seq)
            self.expect("inbox", list(range(1, 21)), by_timeline.pop(""))
            self.expect("groups", {group: list(range(1, 22)) for group in groups}, by_timeline)
            self.expect("the inbox starts first", "", pushes[0].body.group)
            self.expect_quiet("nothing twice", member)
            member.leave()
        self.expect_quiet("AUTO: taken", self.login(name, ack=codes.AUTO))

    def test_group_cursors(self):
        owner, name = self.login(case.fresh("own")), case.fresh("mem")
        member = self.login(name)
        group = self.create(owner, member)
        for i in range(2, 7):
            self.say(owner, group, f"{i}")
        member.wait_pushes(6)
        for rule, seq, code in (("in the middle", 4, OK), ("below", 2, OK), ("the newest", 6, OK),
                                ("above the newest", 7, BAD_REQUEST), ("below again", 1, OK)):
            self.expect_code(rule, code, member.ack(seq, group))
        self.say(owner, group, "7")
        member.wait_push()
        self.say(owner, group, "8")
        member.wait_push()
        self.expect_code("ack right behind a new row", OK, member.ack(7, group))
        member.leave()
        self.expect_pushes("redelivered", [(8, "8")], self.login(name))

    def test_own_rows_and_the_cursor(self):
        user = case.fresh("own")
        owner, member = self.login(user), self.login(case.fresh("mem"))
        group = self.create(owner, member)                               # 1 own
        self.say(owner, group, "two")                                    # own
        self.say(member, group, "three")
        self.say(owner, group, "four")                                   # own
        self.expect_pushes("owner", [(3, "three")], owner)
        owner.leave()
        # Not acknowledged: row 3, and the own one behind it, come at the next login.
        owner = self.login(user)
        self.expect_pushes("again", [(3, "three"), (4, "four")], owner)
        self.say(member, group, "five")
        self.say(owner, group, "six")
        self.say(owner, group, "seven")
        self.expect_pushes("owner", [(5, "five")], owner)
        self.expect_code("reaches the row before its own", OK, owner.ack(5, group))
        owner.leave()
        owner = self.login(user)
        self.expect_quiet("the cursor passed six and seven", owner)
        self.say(member, group, "eight")
        self.expect_pushes("next", [(8, "eight")], owner)

    def test_own_rows_in_auto(self):
        user = case.fresh("own")
        owner, member = self.login(user, ack=codes.AUTO), self.login(case.fresh("mem"))
        group = self.create(owner, member)
        for i in range(10):
            self.say(owner, group, f"own {i}")
            self.say(member, group, f"theirs {i}")
        owner.wait_pushes(10)
        self.say(owner, group, "last")
        owner.leave()
        self.expect_quiet("nothing is pushed again", self.login(user, ack=codes.AUTO))

    def test_own_rows_do_not_count_in_the_window(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        group = self.create(owner, member)
        self.store(owner, 300, group=group)
        self.say(member, group, "302")
        self.expect_pushes("behind 301 own rows", [(302, "302")], owner)
        self.expect_pushed_seqs("the other's window", range(1, 257), member)
        self.expect_quiet("is full", member)

    def test_group_of_a_thousand(self):
        owner = self.login(case.fresh("own"))
        names = [case.fresh("m") for _ in range(999)]
        self.make_users(*names)
        group = self.create(owner, *names[:500], name="thousand")
        self.expect("invited", 499, len(self.ask(owner, INVITE, group,
                                                 users=names[500:]).members))
        self.expect("member_count", 1000, self.ask(owner, INFO, group).member_count)
        self.expect("members", {*names, owner.user}, set(self.members(owner, group)))
        online = [self.login(name, edition=1 + i % 2) for i, name in enumerate(names[::5])]
        for i, client in enumerate(online):
            joined = 1 if i * 5 < 500 else 2
            self.expect_pushed_seqs("events", range(joined, 3), client)
        for i in range(3, 13):
            self.expect("seq", i, self.say(owner, group, f"{i}").seq)
        self.say(owner, group, "relayed", offline=False)
        for client in online:
            got = sorted(push.seq for push in client.wait_pushes(11))
            self.expect(f"pushed to {client.user}", [0, *range(3, 13)], got)
        late = self.login(names[1])
        self.expect_pushed_seqs("backlog of one who was offline", range(1, 13), late)
        self.ask(owner, KICK, group, users=names[:500])
        self.expect("member_count", 500, self.ask(owner, INFO, group).member_count)
        self.expect_pushed_seqs("kicked", [13], late)


class SmallLimits(GroupCase):
    """max_group_members 4, max_groups_per_user 3, max_timeline_rows 20, push_window 8."""

    shared = small_limits

    def test_max_group_members(self):
        owner = self.login(case.fresh("own"))
        names = [case.fresh("m") for _ in range(6)]
        self.make_users(*names)
        group = self.create(owner, *names[:2], open=True)
        fourth, fifth = self.login(names[2]), self.login(names[3])
        self.ask(fourth, JOIN, group)
        self.ask(fifth, JOIN, group, expect=QUEUE_FULL)
        self.ask(owner, INVITE, group, users=[names[4]], expect=QUEUE_FULL)
        self.expect("member_count", 4, self.ask(owner, INFO, group).member_count)
        self.ask(fourth, LEAVE, group)
        self.ask(fifth, JOIN, group)

    def test_max_groups_per_user(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        groups = [self.create(member, "nobody") for _ in range(3)]
        self.ask(member, CREATE, case.fresh("club"), users=["x"], expect=QUEUE_FULL)
        group = self.create(owner, "nobody", open=True)
        self.ask(member, JOIN, group, expect=QUEUE_FULL)
        self.ask(owner, INVITE, group, users=[member.user], expect=NOT_FOUND)
        self.ask(member, DISMISS, groups[0])

        def invited():
            return owner.group(INVITE, group, users=[member.user])[0].code
        self.eventually("once one is gone", OK, invited)

    def test_who_was_refused_or_left_out_has_lost_no_place(self):
        full, filler = self.login(case.fresh("full")), case.fresh("filler")
        self.make_users(filler)
        for _ in range(3):
            self.create(full)
        victim, left_out = self.login(case.fresh("vic")), self.login(case.fresh("out"))
        for _ in range(3):
            self.ask(full, CREATE, case.fresh("club"), users=[victim.user, filler],
                     expect=QUEUE_FULL)
        owner = self.login(case.fresh("own"))
        others = [case.fresh("m") for _ in range(5)]
        self.make_users(*others)
        self.ask(owner, CREATE, case.fresh("club"), users=[victim.user, *others[:4]],
                 expect=QUEUE_FULL)  # too many members
        for _ in range(3):
            group = self.create(owner, *others[:2])
            self.ask(owner, INVITE, group, users=[others[2], left_out.user])
            self.expect("one place left", 4, self.ask(owner, INFO, group).member_count)
            self.ask(owner, DISMISS, group)
        for user in (victim, left_out):
            for _ in range(3):
                self.create(user)
            self.ask(user, CREATE, case.fresh("club"), expect=QUEUE_FULL)

    def test_ack_above_the_end_of_a_dismissed_group(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        group = self.create(owner, member)
        self.ask(owner, DISMISS, group)
        end = self.last.seq
        member.wait_pushes(2)
        self.expect_code("above", NOT_FOUND, member.ack(end + 5, group))
        self.expect_code("the event", OK, member.ack(end, group))
        self.expect_code("above, again", NOT_FOUND, member.ack(end + 1, group))

    def test_full_timeline(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        group = self.create(owner, member)
        self.store(owner, 19, group=group)
        self.say(owner, group, expect=QUEUE_FULL)
        self.say(owner, group, offline=False)
        self.ask(owner, RENAME, group, name="events are always stored")
        self.expect("seq", 21, self.last.seq)

    def test_window_per_timeline(self):
        owner, member = self.login(case.fresh("own")), self.login(case.fresh("mem"))
        groups = [self.create(owner, member) for _ in range(2)]
        for group in groups:
            self.store(owner, 15, group=group)
        self.store(owner, 15, to=member.user)

        def seqs(count):
            found = {}
            for push in member.wait_pushes(count):
                found.setdefault(push.body.group, []).append(push.seq)
            return found
        window = list(range(1, 9))
        self.expect("a window each", {groups[0]: window, groups[1]: window, "": window}, seqs(24))
        self.expect_quiet("no more", member)
        self.expect_code("ack one group", OK, member.ack(3, groups[1]))
        self.expect("3 more of it", {groups[1]: [9, 10, 11]}, seqs(3))
        self.expect_quiet("no more", member)
        self.expect_code("ack the inbox", OK, member.ack(8))
        self.expect("the rest of the inbox", {"": list(range(9, 16))}, seqs(7))


if __name__ == "__main__":
    case.main()
