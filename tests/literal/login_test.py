#!/usr/bin/python3
"""Who gets in: tokens, passwords, names, tenants, device limits. Source: PROTOCOL.md sections 3,
8."""

import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import case
import codes
import ims_client
import server as server_module
import tokens
import wire
from server import APPKEY, ORG, SECRET

shared_server = case.use_server(max_devices=8, max_send_only=32)
few_devices = case.use_server(gateways=1, workers=1, max_known_devices=3, max_devices=3)

# Every character that a name may not hold, and neighbours of the ranges, which it may.
CONTROL = [0x00, 0x01, 0x09, 0x0A, 0x1F, 0x7F, 0x80, 0x85, 0x9F]
WHITE = [0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
FORBIDDEN_CHARACTERS = [*map(ord, "/#*>"), *CONTROL, *WHITE]
ALLOWED_CHARACTERS = [0x21, 0x2B, ord("."), ord(":"), ord("<"), ord("\\"), 0x7E, 0xA1, 0x1FFF,
                      0x200B, 0x2027, 0x202A, 0x2030, 0x2060, 0x2FFF, 0x3001, 0xFEFF, 0xFFFD,
                      0x1F600, 0x10FFFF]
BAD_NAMES = [("65 bytes", "n" * 65), ("65 bytes, 2 each", "n" + "é" * 32),
             *((f"U+{c:04X} within", f"a{chr(c)}b") for c in FORBIDDEN_CHARACTERS),
             ("a blank in front", " a"), ("a blank behind", "a "), ("only a slash", "/")]
GOOD_NAMES = [("1 byte", "n"), ("64 bytes", "n" * 64), ("64 bytes, 2 each", "é" * 32),
              ("64 bytes, 4 each", "\U0001F600" * 16),
              *((f"U+{c:04X} within", f"a{chr(c)}b") for c in ALLOWED_CHARACTERS)]


class Tokens(case.Case):
    shared = shared_server

    def attempt(self, user, token, org=ORG, appkey=APPKEY, edition=2, id=7, **additions):
        client = self.connect(edition)
        conack = client.login(org, appkey, user, token, id=id, **additions)
        self.expect("id of the login answer", id, client.conack_id)
        self.expect("status is OK only with code 0", 0 if conack.code == codes.OK else 1,
                    conack.status)
        if conack.code != codes.OK:
            self.expect_closed_after_answer("a refused login", client)
        return conack

    def test_good_tokens(self):
        now = int(time.time())
        user = case.fresh("ann")
        for rule, token in (
                ("exp alone", tokens.sign(SECRET, user)),
                ("nbf passed", tokens.sign(SECRET, user, nbf=now - 10)),
                ("org and app that match", tokens.sign(SECRET, user, org=ORG, app=APPKEY)),
                ("unknown claims", tokens.sign(SECRET, user, iat=now + 1000, role="x", aud="y")),
                ("a fractional exp", tokens.sign(SECRET, user, exp=now + 60.5)),
                ("no typ", tokens.sign_parts(SECRET, {"alg": "HS256"},
                                             {"sub": user, "exp": now + 60})),
                ("a far exp", tokens.sign(SECRET, user, ttl_s=10 * 365 * 86400))):
            for edition in (1, 2):
                with self.subTest(rule=rule, edition=edition):
                    self.expect_code(rule, codes.OK, self.attempt(user, token, edition=edition))

    def test_token_of_imsctl(self):
        user = case.fresh("ann")
        token = self.server.ctl("token", "--org", ORG, "--appkey", APPKEY, "--user", user,
                                "--ttl", "1h").stdout.strip()
        self.expect("parts of the token", 3, len(token.split(".")))
        self.expect_code("imsctl's token", codes.OK, self.attempt(user, token))

    def test_bad_tokens_are_refused_without_a_hint(self):
        now = int(time.time())
        user = case.fresh("ann")
        self.make_users(user)
        good = tokens.sign(SECRET, user)
        head, body, signature = good.split(".")
        flipped = signature[:-2] + ("A" if signature[-2] != "A" else "B") + signature[-1]
        rows = [
            ("another secret", tokens.sign(SECRET + "x", user)),
            ("expired", tokens.sign(SECRET, user, ttl_s=-1)),
            ("no exp", tokens.sign(SECRET, user, exp=None)),
            ("exp is a string", tokens.sign(SECRET, user, exp=str(now + 60))),
            ("not yet valid", tokens.sign(SECRET, user, nbf=now + 60)),
            ("another sub", tokens.sign(SECRET, user + "x")),
            ("no sub", tokens.sign(SECRET, None)),
            ("another org", tokens.sign(SECRET, user, org="other")),
            ("another app", tokens.sign(SECRET, user, app="other")),
            ("crit", tokens.sign(SECRET, user, header={"crit": ["exp"]})),
            ("alg none", tokens.sign(SECRET, user, alg="none")),
            ("alg none, no signature", tokens.base64url(b'{"alg":"none"}') + "." + body + "."),
            ("alg HS512", tokens.sign(SECRET, user, alg="HS512")),
            ("alg hs256", tokens.sign(SECRET, user, alg="hs256")),
            ("alg EdDSA with the HMAC of the secret", tokens.sign(SECRET, user, alg="EdDSA")),
            ("alg is a number", tokens.sign(SECRET, user, alg=256)),
            ("a changed signature", f"{head}.{body}.{flipped}"),
            ("a cut signature", good[:-4]),
            ("no signature", f"{head}.{body}."),
            ("a fourth part", good + ".x"),
            ("two parts", f"{head}.{body}"),
            ("body is no JSON", tokens.base64url(b'{"alg":"HS256"}') + ".eA.eA"),
            ("a password where none is set", "secret"),
            ("empty", ""),
        ]
        reasons = set()
        for rule, token in rows:
            with self.subTest(rule=rule):
                conack = self.attempt(user, token)
                self.expect_code(rule, codes.UNAUTHENTICATED, conack)
                reasons.add(conack.reason)
        for rule, org, appkey, name in (("unknown org", "nowhere", APPKEY, user),
                                        ("unknown appkey", ORG, "nothing", user),
                                        ("unknown user", ORG, APPKEY, "nobody")):
            with self.subTest(rule=rule):
                conack = self.attempt(name, "wrong", org, appkey)
                self.expect_code(rule, codes.UNAUTHENTICATED, conack)
                reasons.add(conack.reason)
        self.expect("number of different reasons: none hints at the wrong part", 1, len(reasons))

    def test_nothing_of_a_refused_login_is_served(self):
        receiver = self.login(case.fresh("rob"))
        client = self.connect()
        client.send_raw(
            client.connect_frame(ORG, APPKEY, "ann", "wrong", id=1)
            + client.request_frame(codes.MESSAGE, self.message(to=receiver.user), True, id=2)
            + wire.HEARTBEAT + client.disconnect_frame())
        self.expect_code("login", codes.UNAUTHENTICATED, client.wait_conack())
        self.expect_closed_after_answer("refused", client)
        self.expect("answers", {}, client.responses)
        self.expect("heartbeats", 0, client.heartbeats)
        self.expect("head of the receiver", 0, receiver.sync()[1].head_seq)

    def test_session_ends_with_its_token(self):
        user = case.fresh("ann")
        exp = int(time.time()) + 2
        client = self.login(user, token=tokens.sign(SECRET, user, exp=exp))
        self.expect_disconnect("token expired", codes.TOKEN_EXPIRED, client)
        self.assertGreaterEqual(time.time(), exp, "ended before exp")

    def test_connect_answer(self):
        first = self.login(case.fresh("ann"), id=2**64 - 1)
        self.expect("echoed id", 2**64 - 1, first.conack_id)
        second = self.login(case.fresh("bob"), edition=1)
        for conack in (first.conack, second.conack):
            self.expect("status", 0, conack.status)
            self.expect("max_frame_bytes", codes.MAX_FRAME_BYTES, conack.max_frame_bytes)
            self.expect("durability (SYNC)", 0, conack.durability)
            self.expect("inbox_seq, acked_seq, first_seq of a new user", (0, 0, 1),
                        (conack.inbox_seq, conack.acked_seq, conack.first_seq))
            self.assertLess(abs(conack.server_time_ms - time.time() * 1000), 60_000,
                            "server_time_ms is far from this machine's clock")
            self.assertTrue(conack.epoch, "expected an epoch, got none")
            self.assertNotEqual(0, conack.session)
        self.assertNotEqual(first.conack.session, second.conack.session)
        self.expect("epoch", first.conack.epoch, second.conack.epoch)


class EdDsa(case.Case):
    """Tokens signed by the app's Ed25519 key; the server has the public key alone."""

    shared = shared_server
    KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
    APP = "ed"

    def add_key(self, key, kid, check=True):
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return self.server.ctl("app", "add", ORG, self.APP, "--public-key",
                               tokens.base64url(public), "--kid", kid, check=check)

    def attempt(self, user, token, edition=2):
        return self.connect(edition).login(ORG, self.APP, user, token)

    def sign(self, key, user, **options):
        return tokens.sign(key, user, alg="EdDSA", **options)

    def test_keys_come_and_go(self):
        self.add_key(self.KEY, "first")
        user = case.fresh("ann")
        head = {"kid": "first"}
        for edition in (1, 2):
            self.expect_code(f"edition {edition}", codes.OK, self.attempt(
                user, self.sign(self.KEY, user, header=head), edition))
        self.expect_code("no kid", codes.OK, self.attempt(user, self.sign(self.KEY, user)))
        good = self.sign(self.KEY, user, header=head)
        public = self.KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        signed, _, signature = good.rpartition(".")
        for rule, token in (
                ("another key", self.sign(self.OTHER, user, header=head)),
                ("a kid that nobody has", self.sign(self.KEY, user, header={"kid": "second"})),
                ("another sub", self.sign(self.KEY, user + "x", header=head)),
                ("expired", self.sign(self.KEY, user, ttl_s=-1, header=head)),
                ("HS256 with the public key as the secret",
                 tokens.sign(public, user, header=head)),
                ("HS256 with the public key's text as the secret",
                 tokens.sign(tokens.base64url(public), user, header=head)),
                ("a changed signature", signed + "." + ("B" if signature[0] == "A" else "A") +
                 signature[1:]),
                ("no signature", signed + ".")):
            with self.subTest(rule=rule):
                self.expect_code(rule, codes.UNAUTHENTICATED, self.attempt(user, token))

        # Rotation: both keys work, then the new one alone.
        self.add_key(self.OTHER, "second")
        renewed = self.sign(self.OTHER, user, header={"kid": "second"})
        self.expect_code("the old key, beside a new one", codes.OK, self.attempt(user, good))
        self.expect_code("the new key", codes.OK, self.attempt(user, renewed))
        self.server.ctl("app", "remove", ORG, self.APP, "--kid", "first")
        self.expect_code("the old key, removed", codes.UNAUTHENTICATED, self.attempt(user, good))
        self.expect_code("the new key, alone", codes.OK, self.attempt(user, renewed))
        self.assertIn("EdDSA:second", self.server.ctl("app", "list").stdout)

    def test_public_keys_that_are_none(self):
        for rule, text in (("31 bytes", tokens.base64url(bytes(31))),
                           ("33 bytes", tokens.base64url(bytes(33))), ("padded", "A" * 43 + "="),
                           ("no base64url", "+" * 43)):
            with self.subTest(rule=rule):
                done = self.server.ctl("app", "add", ORG, self.APP + "-none", "--public-key",
                                       text, check=False)
                self.assertNotEqual(0, done.returncode, f"{rule}: expected a refusal")
                self.assertTrue(done.stderr.strip(), f"{rule}: expected a sentence")
        self.assertNotIn(self.APP + "-none", self.server.ctl("app", "list").stdout)


class Passwords(case.Case):
    shared = shared_server

    def test_password(self):
        user = case.fresh("ann")
        self.server.ctl("user", "add", ORG, APPKEY, user, "--password", "correct horse")
        for edition in (1, 2):
            with self.subTest(edition=edition):
                client = self.login(user, token="correct horse", edition=edition)
                client.leave()
        for wrong in ("correct horsE", "correct", "", "correct horse ", "a.b.c"):
            with self.subTest(wrong=wrong):
                client = self.connect()
                conack = client.login(ORG, APPKEY, user, wrong)
                self.expect_code(wrong, codes.UNAUTHENTICATED, conack)
                self.expect_closed_after_answer("wrong password", client)

    def test_pipelined_behind_a_password(self):
        user = case.fresh("ann")
        self.server.ctl("user", "add", ORG, APPKEY, user, "--password", "secret")
        client = self.connect()
        client.send_raw(client.connect_frame(ORG, APPKEY, user, "secret", id=1)
                        + wire.HEARTBEAT * 3
                        + client.request_frame(codes.SYNC, self.messages.SyncRequest(), id=2)
                        + client.disconnect_frame())
        self.expect_code("login", codes.OK, client.wait_conack())
        self.expect_code("sync", codes.OK, client.wait_response(2))
        self.expect_closed_after_answer("Disconnect", client)
        self.expect("heartbeats", 3, client.heartbeats)

    def test_user_created_without_password_exists(self):
        user = case.fresh("ann")
        sender = self.login(case.fresh("sam"))
        self.expect_code("before", codes.NOT_FOUND, sender.send_text("x", True, to=user))
        self.server.ctl("user", "add", ORG, APPKEY, user)
        self.expect_code("after", codes.OK, sender.send_text("x", True, to=user))
        self.expect_code("relayed", codes.OFFLINE, sender.send_text("x", to=user))

    def test_kick(self):
        client = self.login(case.fresh("ann"), device="phone")
        self.server.ctl("user", "kick", ORG, APPKEY, client.user)
        self.expect_disconnect("kicked by an operator", codes.KICKED, client)


class Names(case.Case):
    shared = shared_server

    def test_user_at_login(self):
        for rows, expected in ((GOOD_NAMES, codes.OK), (BAD_NAMES + [("empty", "")],
                                                        codes.BAD_REQUEST)):
            for rule, name in rows:
                with self.subTest(rule=rule):
                    client = self.connect()
                    conack = client.login(ORG, APPKEY, name, self.server.token(name))
                    self.expect_code(rule, expected, conack)
                    if expected != codes.OK:
                        self.expect_closed_after_answer(rule, client)

    def test_org_appkey_and_device_at_login(self):
        user = case.fresh("ann")
        for rule, name in BAD_NAMES[:12] + [("empty", "")]:
            for field in ("org", "appkey", "device"):
                if (field, name) == ("device", ""):
                    continue  # the default device
                with self.subTest(rule=rule, field=field):
                    client = self.connect()
                    names = {"org": ORG, "appkey": APPKEY, "device": "d", field: name}
                    conack = client.login(names["org"], names["appkey"], user,
                                          self.server.token(user), device=names["device"])
                    self.expect_code(f"{field} {rule}", codes.BAD_REQUEST, conack)
                    self.expect_closed_after_answer(rule, client)

    def test_no_utf8_at_login(self):
        token = self.server.token("ann")
        for field in (1, 2, 3, 4, 5):
            for edition in (1, 2):
                with self.subTest(field=field, edition=edition):
                    strings = {1: ORG.encode(), 2: APPKEY.encode(), 3: b"ann", 4: token.encode(),
                               5: b"d", field: b"a\xff"}
                    connect = b"".join(wire.delimited(n, s) for n, s in strings.items())
                    client = self.connect(edition)
                    client.send_raw(wire.frame(wire.number(1, edition)
                                               + wire.delimited(3, connect)))
                    self.expect_code("login", codes.BAD_REQUEST, client.wait_conack())
                    self.expect_closed_after_answer("no UTF-8", client)

    def test_unknown_ack_mode(self):
        for edition in (1, 2):
            for mode in (2, 3, 77, -1):
                with self.subTest(edition=edition, mode=mode):
                    client = self.connect(edition)
                    user = case.fresh("ann")
                    conack = client.login(ORG, APPKEY, user, self.server.token(user), ack=mode)
                    self.expect_code("AckMode", codes.UNSUPPORTED, conack)
                    self.expect_closed_after_answer("AckMode", client)

    def test_to_and_group_of_requests(self):
        # A name that keeps the rule is unknown here: NOT_FOUND tells it from BAD_REQUEST.
        client = self.login(case.fresh("ann"))
        m = self.messages
        carriers = {
            "Message.to": lambda name: client.send_text("x", True, to=name),
            "Message.group": lambda name: client.send_text("x", True, group=name),
            "SyncRequest.group": lambda name: client.sync(name)[0],
            "AckRequest.group": lambda name: client.ack(0, name),
            "GroupRequest.group": lambda name: client.group(codes.INFO, name)[0],
        }
        stem = case.fresh("unknown")
        for carrier, send in carriers.items():
            for rule, name in BAD_NAMES:
                with self.subTest(carrier=carrier, rule=rule):
                    self.expect_code(rule, codes.BAD_REQUEST, send(name))
            for rule, name in GOOD_NAMES:
                # Names of this table exist as users by now; made unknown where room is left.
                name = name if len(name.encode()) > 40 else stem + name
                if carrier == "Message.to" and len(name.encode()) > 40:
                    continue
                with self.subTest(carrier=carrier, rule=rule):
                    self.expect_code(rule, codes.NOT_FOUND, send(name))
        self.expect_code("GroupRequest.users", codes.BAD_REQUEST, client.request(
            codes.GROUP, m.GroupRequest(op=codes.CREATE, group=stem, users=["a b"])))

    def test_names_are_compared_byte_by_byte(self):
        composed, upper = case.fresh("é"), case.fresh("Ann")
        for name, other in ((composed, composed.replace("é", "e\u0301")), (upper, upper.lower())):
            with self.subTest(name=name):
                receiver = self.login(name)
                sender = self.login(case.fresh("sam"))
                self.expect_code("the other", codes.NOT_FOUND,
                                 sender.send_text("x", True, to=other))
                self.expect_code("the same", codes.OK, sender.send_text("x", True, to=name))
                self.expect("seq", 1, receiver.wait_push().seq)


class Tenants(case.Case):
    shared = shared_server

    def test_same_names_in_two_tenants(self):
        apps = [(ORG, case.fresh("app"), "secret-one-secret-one-secret-one-1"),
                (ORG, case.fresh("app"), "secret-two-secret-two-secret-two-2"),
                (case.fresh("org"), APPKEY, "secret-three-secret-three-secret-3")]
        user, group = case.fresh("ann"), case.fresh("club")
        for app in apps:
            self.expect("imsctl app add prints the secret", app[2], self.server.add_app(*app))
            self.expect("repeated with the same secret", app[2], self.server.add_app(*app))

        def login(app, name):
            return self.login(name, org=app[0], appkey=app[1], token=tokens.sign(app[2], name))

        receivers = [login(app, user) for app in apps]
        senders = [login(app, "sam") for app in apps]
        for index, sender in enumerate(senders):
            response, _ = sender.group(codes.CREATE, group, users=[user])
            self.expect_code("the same group in each tenant", codes.OK, response)
            for _ in range(index + 1):
                self.expect_code("1:1", codes.OK, sender.send_text(f"of {index}", True, to=user))
                self.expect_code("group", codes.OK,
                                 sender.send_text(f"of {index}", True, group=group))
        for index, receiver in enumerate(receivers):
            pushes = receiver.wait_pushes(1 + 2 * (index + 1))
            texts = {self.messages.MessageTxt.FromString(push.body.payload).txt
                     for push in pushes if push.type == codes.MESSAGE}
            self.expect("texts", {f"of {index}"}, texts)
            self.expect("inbox", index + 1, receiver.sync()[1].head_seq)
            self.expect("group", index + 2, receiver.sync(group)[1].head_seq)
        self.expect_quiet("other tenants", *receivers)

    def test_token_of_another_tenant(self):
        app = (ORG, case.fresh("app"), "another-secret-another-secret-another")
        self.server.add_app(*app)
        user = case.fresh("ann")
        self.login(user, org=app[0], appkey=app[1], token=tokens.sign(SECRET, user),
                   expect=codes.UNAUTHENTICATED)
        self.login(user, token=tokens.sign(app[2], user), expect=codes.UNAUTHENTICATED)

    def test_unknown_user_of_another_tenant(self):
        app = (case.fresh("org"), APPKEY, "another-secret-another-secret-another")
        self.server.add_app(*app)
        user = case.fresh("ann")
        self.make_users(user)
        sender = self.login("sam", org=app[0], appkey=app[1], token=tokens.sign(app[2], "sam"))
        self.expect_code("stored", codes.NOT_FOUND, sender.send_text("x", True, to=user))
        self.expect_code("relayed", codes.NOT_FOUND, sender.send_text("x", to=user))

    def test_removed_app_lets_nobody_in(self):
        app = (ORG, case.fresh("app"), "a-secret-to-be-removed-a-secret-to-be")
        self.server.add_app(*app)
        self.assertIn(app[1], self.server.ctl("app", "list").stdout)
        self.server.ctl("app", "remove", app[0], app[1])
        self.assertNotIn(app[1], self.server.ctl("app", "list").stdout)
        user = case.fresh("ann")
        self.login(user, org=app[0], appkey=app[1], token=tokens.sign(app[2], user),
                   expect=codes.UNAUTHENTICATED)


class Devices(case.Case):
    shared = shared_server

    def test_same_device_replaces(self):
        for first, second in ((1, 2), (2, 1), (2, 2)):
            with self.subTest(first=first, second=second):
                user = case.fresh("ann")
                for device in ("", "phone"):
                    older = self.login(user, device, edition=first)
                    newer = self.login(user, device, edition=second)
                    self.expect_disconnect(f"device {device!r}", codes.REPLACED, older)
                    self.expect_quiet("the newer lives", newer)

    def test_replaced_answers_what_it_took(self):
        user = case.fresh("ann")
        self.make_users(peer := case.fresh("rob"))
        older = self.login(user, "phone")
        ids = [older.post(codes.MESSAGE, self.message(to=peer, payload=b"x"), True)
               for _ in range(50)]
        for id in ids:
            self.expect_code("before", codes.OK, older.wait_response(id))
        self.login(user, "phone")
        self.expect_disconnect("replaced", codes.REPLACED, older)

    def test_max_devices(self):
        user = case.fresh("ann")
        clients = [self.login(user, f"d{i}") for i in range(8)]
        ninth = self.login(user, "d9", expect=codes.FORBIDDEN)
        self.expect_closed_after_answer("a ninth device", ninth)
        again = self.login(user, "d3")  # replaces, so it is no further one
        self.expect_disconnect("d3", codes.REPLACED, clients[3])
        self.login(user, "d10", send_only=True)  # does not count
        clients[0].leave()

        def ninth_code():
            client = self.connect()
            return client.login(ORG, APPKEY, user, self.server.token(user), device="d9").code
        self.eventually("a ninth device once one is gone", codes.OK, ninth_code)
        self.expect_quiet("the others", again, *clients[4:8])

    def test_max_send_only(self):
        user = case.fresh("ann")
        clients = [self.login(user, "bot", send_only=True) for _ in range(32)]
        refused = self.login(user, "bot", send_only=True, expect=codes.RATE_LIMITED)
        self.expect_closed_after_answer("the 33rd", refused)
        self.expect_quiet("send_only replaces nobody", *clients)
        self.login(user, "bot")

    def test_new_device_starts_at_the_most_advanced_cursor(self):
        user = case.fresh("ann")
        sender = self.login(case.fresh("sam"))
        first, second = self.login(user, "first"), self.login(user, "second")
        self.store(sender, 8, to=user)
        first.wait_pushes(8)
        second.wait_pushes(8)
        self.expect_code("ack 5", codes.OK, first.ack(5))
        self.expect_code("ack 3", codes.OK, second.ack(3))
        third = self.login(user, "third")
        self.expect("acked_seq", 5, third.conack.acked_seq)
        self.expect("inbox_seq", 8, third.conack.inbox_seq)
        self.expect_pushed_seqs("third", [6, 7, 8], third)
        second.leave()
        self.expect_pushed_seqs("second, again", [4, 5, 6, 7, 8], self.login(user, "second"))

    def test_new_device_counts_cursors_that_are_not_stored_yet(self):
        user = case.fresh("ann")
        sender, first = self.login(case.fresh("sam")), self.login(user, "first")
        for i in range(1, 21):
            self.store(sender, 1, to=user)
            first.wait_push()
            first.send_raw(first.request_frame(codes.ACK, self.messages.AckRequest(seq=i), id=0))
            first.sync()  # to the same owner, behind the ACK
            self.expect("acked_seq", i, self.login(user, f"d{i % 4}").conack.acked_seq
                        if i <= 4 else i)

    def test_first_device_starts_at_the_beginning(self):
        user = case.fresh("ann")
        self.make_users(user)
        self.store(self.login(case.fresh("sam")), 4, to=user)
        self.expect_pushed_seqs("first", [1, 2, 3, 4], self.login(user, "first"))


class KnownDevices(case.Case):
    shared = few_devices

    def test_the_one_not_seen_for_longest_is_forgotten(self):
        user = case.fresh("ann")
        sender = self.login(case.fresh("sam"))
        self.make_users(user)
        self.store(sender, 9, to=user)
        for device, acked in (("a", 1), ("b", 3), ("c", 7)):
            client = self.login(user, device)
            self.expect_code("ack", codes.OK, client.ack(acked))
            client.leave()
            time.sleep(0.05)  # last seen at different times
        fourth = self.login(user, "d")  # forgets a
        self.expect("d: starts at the most advanced", 7, fourth.conack.acked_seq)
        again = self.login(user, "b")
        self.expect("b: still known", 3, again.conack.acked_seq)
        self.expect("a: forgotten, a new device", 7, self.login(user, "a").conack.acked_seq)


class Tool(case.Case):
    """imsctl without a running server: it opens the store itself, creating DIR if absent."""

    def test_before_the_first_start(self):
        server = server_module.Server()
        self.addCleanup(server.destroy)
        self.assertFalse(server.data.exists())
        printed = server.ctl("app", "add", ORG, "made-up").stdout.strip()
        self.assertTrue(printed, "expected a generated secret, got nothing")
        self.expect("given secret", SECRET, server.add_app())
        server.ctl("user", "add", ORG, APPKEY, "ann", "--password", "pw")
        token = server.ctl("token", "--org", ORG, "--appkey", "made-up", "--user",
                           "bob").stdout.strip()
        server.start()
        for appkey, user, secret in ((APPKEY, "ann", "pw"), ("made-up", "bob", token),
                                     ("made-up", "eve", tokens.sign(printed, "eve"))):
            with self.subTest(user=user):
                client = ims_client.Client(server.address, self.messages)
                self.addCleanup(client.close)
                self.expect_code("login", codes.OK, client.login(ORG, appkey, user, secret))
        self.expect("exit code", 0, server.stop())
        self.expect("imsctl verify", 0, server.verify().returncode)

    def test_usage_errors(self):
        server = server_module.Server()
        self.addCleanup(server.destroy)
        for arguments in (("no-such-command",), ("app", "add"), ("app", "add", "a/b", "c"),
                          ("user", "add", "nowhere", "nothing", "ann"),
                          ("token", "--org", "nowhere", "--appkey", "x", "--user", "u")):
            with self.subTest(arguments=arguments):
                done = server.ctl(*arguments, check=False)
                self.assertNotEqual(0, done.returncode, "expected a non-zero exit, got 0")
                self.assertTrue(done.stderr.strip(), "expected a sentence on standard error")


if __name__ == "__main__":
    case.main()
