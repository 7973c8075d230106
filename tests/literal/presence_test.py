#!/usr/bin/python3
"""Presence: who is answered for, what is pushed to who watches and what is not, when watching ends,
last_seen_ms over restarts. Pushes are Requests of type PRESENCE with id 0 (ims_client.py checks it)
and hold a PresenceResult.
Source: PROTOCOL.md section 6, PRESENCE."""

import time

import case
import codes
import server as server_module
import wire
from codes import (ADD, BAD_REQUEST, BLOCK, DECLINE, OK, RATE_LIMITED, REMOVE, UNBLOCK,
                   UNSUPPORTED)

shared_server = case.use_server()
small_limits = case.use_server(max_watches=3)
small_frames = case.use_server(max_frame_bytes=4096)

COALESCED_S = 3.0  # a change, with what follows within 1 s, has been pushed by then


class PresenceCase(case.Case):
    shared = shared_server

    def login(self, user, device="", ack=codes.AUTO, **options):
        """AUTO: the contact events of making friends are not pushed again at later logins."""
        return super().login(user, device, ack, **options)

    def friends(self, *devices, me=None):
        """A client and friends of his, one for each of `devices`, all online."""
        me = me or self.login(case.fresh("me"), "mine")
        peers = [self.login(case.fresh("friend"), device) for device in devices]
        self.befriend(me, *peers)
        return me, *peers

    def ask(self, client, users, watch=False, expect=OK):
        """{user: (online, devices)} of the answer; last_seen_ms in self.last_seen."""
        users = [user if isinstance(user, str) else user.user for user in users]
        response, result = client.presence(users, watch)
        self.expect_code(f"PRESENCE by {client.user}, watch={watch}", expect, response)
        self.expect("Response.seq", 0, response.seq)
        return self.shown(result)

    def shown(self, result):
        found = {}
        self.last_seen = {p.user: p.last_seen_ms for p in result.presence}
        for p in result.presence:
            self.assertNotIn(p.user, found, "twice in one result")
            self.expect("devices of one who is not online", [], [] if p.online else
                        list(p.devices))
            self.expect("last_seen_ms while online", 0, p.last_seen_ms if p.online else 0)
            found[p.user] = (p.online, sorted(p.devices))
        return found

    def wait_change(self, client, timeout=10):
        push = client.wait_push(timeout)
        self.expect("push type", codes.PRESENCE, push.type)
        return self.shown(push.body)

    def expect_change(self, what, expected, client):
        """The next push says exactly this."""
        self.expect(what, expected, self.wait_change(client))

    def expect_no_change(self, what, *clients):
        self.expect_quiet(what, *clients, seconds=COALESCED_S)

    def now_ms(self):
        return time.time() * 1000


class Asked(PresenceCase):
    def test_friends_and_oneself_only(self):
        me, friend, blocker, blocked, removed = self.friends("phone", "b", "c", "d")
        stranger, asked, asker = (self.login(case.fresh("other")) for _ in range(3))
        self.contact(me, ADD, asked.user)
        self.contact(asker, ADD, me.user)
        self.contact(blocker, BLOCK, me.user)
        self.contact(me, BLOCK, blocked.user)
        self.contact(removed, REMOVE, me.user)
        everybody = [me, friend, stranger, asked, asker, blocker, blocked, removed]
        for edition in (1, 2):
            me = self.login(me.user, "mine", edition=edition)
            self.expect("answered for", {me.user: (True, ["mine"]), friend.user: (True, ["phone"])},
                        self.ask(me, [*everybody, case.fresh("nobody")]))
        for other in everybody[2:]:
            self.expect("nor the other way", {}, self.ask(other, [me]))
        self.expect("of nobody", {}, self.ask(me, []))
        self.expect("oneself, not named", {friend.user: (True, ["phone"])}, self.ask(me, [friend]))
        self.expect("named twice", {friend.user: (True, ["phone"])},
                    self.ask(me, [friend, friend, stranger, stranger]))

    def test_a_friend_only_once_accepted(self):
        me, peer = self.login(case.fresh("me")), self.login(case.fresh("peer"))
        self.contact(me, ADD, peer.user)
        self.expect("asked", {}, self.ask(me, [peer]))
        self.contact(peer, DECLINE, me.user)
        self.expect("declined", {}, self.ask(me, [peer]))
        self.contact(me, ADD, peer.user)
        self.contact(peer, codes.ACCEPT, me.user)
        self.expect("accepted", {peer.user}, set(self.ask(me, [peer])))
        self.expect("and back", {me.user}, set(self.ask(peer, [me])))

    def test_several_devices(self):
        me, phone = self.friends("phone")
        pad, default = self.login(phone.user, "pad"), self.login(phone.user, "")
        self.login(phone.user, "bot", send_only=True)
        self.expect("devices, no send_only one", {phone.user: (True, ["", "pad", "phone"])},
                    self.ask(me, [phone]))
        pad.leave()
        default.leave()
        self.eventually("those that left", {phone.user: (True, ["phone"])},
                        lambda: self.ask(me, [phone]))
        phone.leave()
        self.eventually("a send_only session is no presence", {phone.user: (False, [])},
                        lambda: self.ask(me, [phone]))

    def test_last_seen(self):
        me, friend = self.friends("phone")
        self.assertEqual({friend.user: (True, ["phone"])}, self.ask(me, [friend]))
        pad = self.login(friend.user, "pad")
        friend.leave()
        time.sleep(0.3)
        self.expect("online by the other", {friend.user: (True, ["pad"])}, self.ask(me, [friend]))
        before = self.now_ms()
        pad.leave()
        after = self.now_ms()
        time.sleep(0.3)
        self.expect("offline", {friend.user: (False, [])}, self.ask(me, [friend]))
        seen = self.last_seen[friend.user]
        self.assertLessEqual(before - 50, seen)
        self.assertLessEqual(seen, after + 50)
        self.login(friend.user, "bot", send_only=True).leave()
        self.ask(me, [friend])
        self.expect("send_only changes nothing", seen, self.last_seen[friend.user])
        again = self.login(friend.user, "pad")
        self.expect("online", {friend.user: (True, ["pad"])}, self.ask(me, [friend]))
        before = self.now_ms()
        again.abort()
        self.eventually("offline", {friend.user: (False, [])}, lambda: self.ask(me, [friend]))
        self.assertLessEqual(before - 50, self.last_seen[friend.user])

    def test_a_friend_who_was_removed(self):
        me, friend = self.friends("phone")
        self.server.ctl("user", "remove", server_module.ORG, server_module.APPKEY, friend.user)
        self.expect_disconnect("removed", codes.KICKED, friend)
        self.expect("offline", {friend.user: (False, [])}, self.ask(me, [friend], watch=True))
        friend = self.login(friend.user, "phone")
        self.expect_change("back", {friend.user: (True, ["phone"])}, me)

    def test_who_never_had_a_session(self):
        bot = self.login(case.fresh("bot"), send_only=True)
        me = self.login(case.fresh("me"))
        self.contact(me, ADD, bot.user)
        self.contact(bot, codes.ACCEPT, me.user)
        self.expect("offline", {bot.user: (False, [])}, self.ask(me, [bot]))
        self.expect("never seen", 0, self.last_seen[bot.user])

    def test_500_and_501_users(self):
        me, friend = self.friends("phone")
        names = [case.fresh("nobody") for _ in range(500)]
        for watch in (False, True):
            self.expect("500", {friend.user: (True, ["phone"])},
                        self.ask(me, names[:499] + [friend.user], watch))
            self.ask(me, names + [friend.user], watch, expect=BAD_REQUEST)
        many = [case.fresh("friend") for _ in range(499)]
        ids = []
        for name in many:
            bot = self.login(name, send_only=True)
            bot.post(codes.CONTACT, self.messages.ContactRequest(op=ADD, user=me.user))
            bot.wait_response(1)
            bot.close()
        for name in many:
            ids.append(me.post(codes.CONTACT, self.messages.ContactRequest(op=ADD, user=name)))
            if len(ids) == 200 or name == many[-1]:
                for id in ids:
                    self.expect_code("ACCEPT", OK, me.wait_response(id))
                ids = []
        self.expect("500 friends", {friend.user: (True, ["phone"]),
                                    **{name: (False, []) for name in many}},
                    self.ask(me, [*many, friend], watch=True))

    def test_wrong_requests(self):
        me, friend = self.friends("phone")
        for rule, name in (("empty", ""), ("65 bytes", "x" * 65), ("space", "a b"), ("star", "*"),
                           ("NUL", "\0")):
            with self.subTest(rule=rule):
                self.ask(me, [friend.user, name], expect=BAD_REQUEST)
        for rule, payload in (("cut", b"\x0a\x05a"), ("not UTF-8", b"\x0a\x01\xff")):
            with self.subTest(rule=rule):
                self.expect_code(rule, BAD_REQUEST, me.request(codes.PRESENCE, payload))
        body = self.messages.Request(type=codes.PRESENCE)
        for _ in range(17):
            body.opts.add()
        me.send_raw(wire.frame(me.command("request", body, id=77)))
        self.expect_code("17 opts", BAD_REQUEST, me.wait_response(77))
        self.expect("lives", {friend.user}, set(self.ask(me, [friend])))

    def test_send_only_sessions(self):
        me, friend = self.friends("phone")
        bot = self.login(me.user, send_only=True)
        for watch in (False, True):
            for users in ([], [friend], [me], [case.fresh("nobody")]):
                self.ask(bot, users, watch, expect=UNSUPPORTED)
        for payload in (b"\x0a\x05a", b"\x0a\x01\xff"):  # no list of users at all
            self.expect_code("does not decode", UNSUPPORTED, bot.request(codes.PRESENCE, payload))
        self.login(friend.user, "pad")
        self.expect_no_change("nothing is pushed", bot)

    def test_other_tenant(self):
        app = case.fresh("other")
        self.server.add_app(appkey=app)
        me, friend = self.friends("phone")
        there = self.login(me.user, appkey=app)
        self.login(friend.user, "there", appkey=app)
        self.expect("no friend there", {}, self.ask(there, [friend], watch=True))
        self.ask(me, [friend], watch=True)
        friend.leave()
        self.expect_change("here", {friend.user: (False, [])}, me)
        self.expect_quiet("there", there)

    def test_answers_without_ids_come_in_order(self):
        me, friend = self.friends("phone")
        m = self.messages
        requests = [[friend.user], [me.user], [], [me.user, friend.user], ["x"]]
        me.send_raw(b"".join(me.request_frame(codes.PRESENCE, m.PresenceRequest(users=users))
                             for users in requests * 20))
        for i, users in enumerate(requests * 20):
            result = m.PresenceResult.FromString(me.wait_response(0).payload)
            self.expect(f"answer {i}", sorted(set(users) - {"x"}),
                        sorted(p.user for p in result.presence))

    def test_max_inflight(self):
        me, friend = self.friends("phone")
        ids = [me.post(codes.PRESENCE, self.messages.PresenceRequest(users=[friend.user]))
               for _ in range(256)]
        got = [me.wait_response(id).code for id in ids]
        self.expect("codes", {OK: 256}, {code: got.count(code) for code in set(got)})


class Watched(PresenceCase):
    def test_comes_and_goes(self):
        me, friend = self.friends("phone")
        pad = self.login(me.user, "second", edition=1)
        for watcher in (me, pad):
            self.expect("the answer", {friend.user: (True, ["phone"])},
                        self.ask(watcher, [friend], watch=True))
        before = self.now_ms()
        friend.leave()
        after = self.now_ms()
        for watcher in (me, pad):
            self.expect_change("gone", {friend.user: (False, [])}, watcher)
            seen = self.last_seen[friend.user]
            self.assertLessEqual(before - 50, seen)
            self.assertLessEqual(seen, after + 50)
        friend = self.login(friend.user, "phone")
        for watcher in (me, pad):
            self.expect_change("back", {friend.user: (True, ["phone"])}, watcher)
        friend.abort()
        for watcher in (me, pad):
            self.expect_change("reset", {friend.user: (False, [])}, watcher)
        self.expect_no_change("once each", me, pad)

    def test_who_was_offline_when_the_watch_began(self):
        me, friend = self.friends("phone")
        friend.leave()
        self.expect("offline", {friend.user: (False, [])}, self.ask(me, [friend], watch=True))
        # The leave may be told once more: it is within 1 s of the watch.
        me.settle(COALESCED_S)
        me.pushes.clear()
        friend = self.login(friend.user, "pad")
        self.expect_change("comes", {friend.user: (True, ["pad"])}, me)

    def test_devices(self):
        me, phone = self.friends("phone")
        self.ask(me, [phone], watch=True)
        pad = self.login(phone.user, "pad")
        self.expect_change("a second device", {phone.user: (True, ["pad", "phone"])}, me)
        phone.leave()
        self.expect_change("the first one goes", {phone.user: (True, ["pad"])}, me)
        pad.leave()
        self.expect_change("the last one goes", {phone.user: (False, [])}, me)
        self.login(phone.user, "bot", send_only=True)
        self.expect_no_change("send_only", me)

    def test_oneself(self):
        me = self.login(case.fresh("me"), "mine")
        self.expect("answer", {me.user: (True, ["mine"])}, self.ask(me, [me], watch=True))
        other = self.login(me.user, "other")
        self.expect_change("another device", {me.user: (True, ["mine", "other"])}, me)
        other.leave()
        self.expect_change("it goes", {me.user: (True, ["mine"])}, me)

    def test_replaced_device_makes_no_push(self):
        me, phone = self.friends("phone")
        self.ask(me, [phone], watch=True)
        for edition in (1, 2, 1):
            newer = self.login(phone.user, "phone", edition=edition)
            self.expect_disconnect("older", codes.REPLACED, phone)
            phone = newer
        self.expect_no_change("replaced", me)
        self.expect("still there", {phone.user: (True, ["phone"])}, self.ask(me, [phone]))

    def test_quick_reconnect_makes_no_push(self):
        me, phone = self.friends("phone")
        self.ask(me, [phone], watch=True)
        for end in ("leave", "abort", "leave"):
            getattr(phone, end)()
            time.sleep(0.3)
            phone = self.login(phone.user, "phone")
            time.sleep(0.3)
        self.expect_no_change("back in time", me)
        self.expect("still there", {phone.user: (True, ["phone"])},
                    self.ask(me, [phone], watch=True))
        phone.leave()
        self.expect_change("gone for good", {phone.user: (False, [])}, me)

    def test_back_for_an_instant_makes_no_push(self):
        me, phone = self.friends("phone")
        self.ask(me, [phone], watch=True)
        for _ in range(3):
            phone.leave()
            time.sleep(0.5)
            phone = self.login(phone.user, "phone")
        self.expect_no_change("back each time", me)
        self.expect("still there", {phone.user: (True, ["phone"])}, self.ask(me, [phone]))

    def test_who_began_to_watch_in_the_gap_hears_of_its_end(self):
        me, phone = self.friends("phone")
        late = self.login(case.fresh("late"), "mine")
        self.befriend(late, phone)
        self.ask(me, [phone], watch=True)
        phone.leave()
        time.sleep(0.3)
        self.expect("in the gap", {phone.user: (False, [])}, self.ask(late, [phone], watch=True))
        phone = self.login(phone.user, "phone")
        self.expect_change("back in time", {phone.user: (True, ["phone"])}, late)

    def test_many_changes_end_in_the_truth(self):
        # However many are made one push: the last one says how it is.
        me, phone = self.friends("phone")
        self.ask(me, [phone], watch=True)
        for i in range(15):
            phone.leave()
            phone = self.login(phone.user, ("phone", "pad")[i % 2])
        me.settle(COALESCED_S)
        changes = [self.shown(push.body)[phone.user] for push in me.pushes]
        self.assertLessEqual(len(changes), 31)
        if changes:
            self.expect("the last push", (True, ["phone"]), changes[-1])
        me.pushes.clear()
        for _ in range(10):
            phone.leave()
            phone = self.login(phone.user, "phone")
        phone.leave()
        me.settle(COALESCED_S)
        self.expect("the last push", (False, []),
                    self.shown(list(me.pushes)[-1].body)[phone.user])

    def test_friends_only(self):
        me, friend = self.friends("phone")
        stranger, asked = self.login(case.fresh("other")), self.login(case.fresh("other"))
        self.contact(me, ADD, asked.user)
        self.ask(me, [friend, stranger, asked], watch=True)
        for client in (stranger, asked):
            client.leave()
        self.expect_no_change("not of those", me)

    def test_only_who_watches(self):
        me, first, second = self.friends("a", "b")
        other = self.login(me.user, "other")
        self.ask(other, [first, second])  # asked, not watched
        self.ask(me, [first], watch=True)
        first.leave()
        second.leave()
        self.expect_change("watched", {first.user: (False, [])}, me)
        self.expect_no_change("not watched", me, other)

    def test_watch_false_ends_it_for_the_named(self):
        me, first, second = self.friends("a", "b")
        self.ask(me, [first, second], watch=True)
        self.expect("the answer", {first.user: (True, ["a"])}, self.ask(me, [first]))
        first.leave()
        second.leave()
        self.expect_change("the other", {second.user: (False, [])}, me)
        self.expect_no_change("the named", me)

    def test_ends_with_the_session(self):
        me, friend = self.friends("phone")
        self.ask(me, [friend], watch=True)
        me.leave()
        me = self.login(me.user, "mine")
        friend.leave()
        self.expect_no_change("a new session watches nobody", me)
        self.ask(me, [friend], watch=True)
        newer = self.login(me.user, "mine")
        self.expect_disconnect("older", codes.REPLACED, me)
        self.login(friend.user, "phone")
        self.expect_no_change("nor does one that replaced", newer)

    def test_watched_twice_is_pushed_once(self):
        me, friend = self.friends("phone")
        for _ in range(3):
            self.ask(me, [friend, friend], watch=True)
        friend.leave()
        self.expect_change("gone", {friend.user: (False, [])}, me)
        self.expect_no_change("once", me)
        self.ask(me, [friend])  # and ended by one watch=false
        self.login(friend.user, "phone")
        self.expect_no_change("ended", me)

    def test_remove_and_block_end_it_within_a_second(self):
        for op, is_mine in ((REMOVE, True), (REMOVE, False), (BLOCK, True), (BLOCK, False)):
            for _ in range(2):  # the two users' workers vary by name
                with self.subTest(op=codes.CONTACT_OP_NAMES[op], by_the_watcher=is_mine):
                    me, friend, kept = self.friends("phone", "pad")
                    self.ask(me, [friend, kept, me], watch=True)
                    self.ask(friend, [me], watch=True)
                    actor, other = (me, friend) if is_mine else (friend, me)
                    self.contact(actor, op, other.user)
                    if op == REMOVE:
                        self.expect("event", REMOVE, self.wait_contact_event(other).op)
                    time.sleep(1)
                    friend.leave()
                    pad = self.login(me.user, "pad")
                    self.expect_change("of oneself", {me.user: (True, ["mine", "pad"])}, me)
                    friend = self.login(friend.user, "pad")
                    self.expect_no_change("ended at both", me, friend)
                    kept.leave()
                    self.expect_change("the other watch", {kept.user: (False, [])}, me)
                    for client in (me, pad, friend):
                        client.close()

    def test_who_becomes_a_friend_again_has_to_be_watched_again(self):
        me, friend = self.friends("phone")
        self.ask(me, [friend], watch=True)
        self.contact(me, BLOCK, friend.user)
        self.contact(me, UNBLOCK, friend.user)
        time.sleep(1)
        self.befriend(me, friend)
        friend.leave()
        self.expect_no_change("not watched", me)
        friend = self.login(friend.user, "phone")
        me.settle(1)
        me.pushes.clear()
        self.ask(me, [friend], watch=True)
        friend.leave()
        self.expect_change("watched", {friend.user: (False, [])}, me)

    def test_many_watchers_of_one(self):
        friend = self.login(case.fresh("friend"), "phone")
        watchers = []
        for i in range(40):
            me = self.login(case.fresh("me"), edition=1 + i % 2)
            self.befriend(me, friend)
            self.ask(me, [friend], watch=True)
            watchers.append(me)
        friend.leave()
        for me in watchers:
            self.expect_change("gone", {friend.user: (False, [])}, me)
        friend = self.login(friend.user, "pad")
        for me in watchers:
            self.expect_change("back", {friend.user: (True, ["pad"])}, me)
        self.expect_quiet("once each", *watchers)

    def test_one_watches_many(self):
        me, *friends = self.friends(*(["phone"] * 60))
        self.ask(me, [me, *friends], watch=True)
        for friend in friends:
            friend.send_raw(friend.disconnect_frame())
        gone = {}
        while len(gone) < 60:
            gone.update(self.wait_change(me))
        self.expect("all gone", {friend.user: (False, []) for friend in friends}, gone)
        self.expect_quiet("once each", me)

    def test_right_behind_the_answer(self):
        # A change that follows the answer is not lost, wherever the two users live.
        for _ in range(12):
            me, friend = self.friends("phone")
            self.ask(me, [friend], watch=True)
            pad = self.login(friend.user, "pad")
            self.expect_change("comes", {friend.user: (True, ["pad", "phone"])}, me)
            for client in (me, friend, pad):
                client.close()

    def test_does_not_disturb_rows(self):
        me, friend = self.friends("phone")
        self.ask(me, [friend], watch=True)
        friend.leave()
        self.wait_change(me)
        self.expect("no row", 1, me.sync()[1].head_seq)


class Limits(PresenceCase):
    """max_watches 3."""

    shared = small_limits

    def test_max_watches(self):
        me, a, b, c, d = self.friends("a", "b", "c", "d")
        self.ask(me, [a, b, c], watch=True)
        self.ask(me, [d], watch=True, expect=RATE_LIMITED)
        self.ask(me, [a, b, c], watch=True)  # no more than before
        self.ask(me, [case.fresh("nobody")], watch=True)  # no friend: not watched
        self.ask(me, [a, b, c, d], watch=True, expect=RATE_LIMITED)
        self.expect("asking needs no place", {d.user: (True, ["d"])}, self.ask(me, [d]))
        d.leave()
        a.leave()
        self.expect_change("those before", {a.user: (False, [])}, me)
        self.expect_no_change("who was refused", me)
        self.ask(me, [a])
        self.ask(me, [d], watch=True)
        d = self.login(d.user, "d")
        self.expect_change("the new one", {d.user: (True, ["d"])}, me)
        # A session each.
        other = self.login(me.user, "other")
        self.ask(other, [a, b, c], watch=True)
        # What ends by REMOVE makes room.
        self.contact(me, REMOVE, d.user)
        time.sleep(1)
        self.ask(me, [a], watch=True)

    def test_refused_as_a_whole(self):
        me, a, b, c, d = self.friends("a", "b", "c", "d")
        self.ask(me, [a, b, c, d], watch=True, expect=RATE_LIMITED)
        a.leave()
        d.leave()
        self.expect_no_change("none of them is watched", me)
        self.ask(me, [b, c, me], watch=True)


class SmallFrames(PresenceCase):
    """max_frame_bytes 4096."""

    shared = small_frames

    def test_devices_are_left_out(self):
        me = self.login(case.fresh("me"), "mine")
        friends, sessions = [], []
        for i in range(30):
            name = case.fresh("friend").ljust(50, "f")
            devices = [f"{i}-{j}".ljust(64, "d") for j in range(8)]
            mine = [self.login(name, device) for device in devices]
            sessions += mine
            self.contact(me, ADD, name)
            self.contact(mine[0], codes.ACCEPT, me.user)
            self.wait_contact_event(me)
            friends.append((name, sorted(devices)))
        found = self.ask(me, [name for name, _ in friends])
        self.expect("everybody is answered for", {name for name, _ in friends}, set(found))
        self.expect("online", {True}, {online for online, _ in found.values()})
        for name, devices in friends:
            self.assertIn(found[name][1], ([], devices))
        self.assertTrue(any(devices for _, devices in found.values()), "devices where they fit")
        self.assertLessEqual(me.frame_bytes_max, 4096)
        self.expect("one alone", {friends[-1][0]: (True, friends[-1][1])},
                    self.ask(me, [friends[-1][0]]))


class Restart(case.OwnServer, PresenceCase):
    """A server of its own: stopped, killed and started again in the test."""

    def test_last_seen_of_a_session_that_a_crash_ended(self):
        # The moment of its end is not known, but it is not before its start, and never 0.
        me, friend = self.friends("phone")
        for _ in range(2):
            friend.leave()
            time.sleep(1.2)
            started = self.now_ms()
            friend = self.login(friend.user, "phone")
            time.sleep(1.2)
            self.server.kill()
            ended = self.now_ms()
            self.server.start()
            me = self.login(me.user, "mine")
            self.expect("offline", {friend.user: (False, [])}, self.ask(me, [friend]))
            seen = self.last_seen[friend.user]
            self.assertLessEqual(started - 50, seen, "before the session's start")
            self.assertLessEqual(seen, ended + 50)
            friend = self.login(friend.user, "phone")

    def test_last_seen_of_a_long_session_that_a_crash_ended(self):
        # The server notes every 10 s that it lives.
        me, friend = self.friends("phone")
        begun = self.now_ms()
        time.sleep(13)
        self.server.kill()
        ended = self.now_ms()
        self.server.start()
        me = self.login(me.user, "mine")
        self.expect("offline", {friend.user: (False, [])}, self.ask(me, [friend]))
        self.assertLess(begun + 2000, self.last_seen[friend.user], "its begin, not its end")
        self.assertLessEqual(self.last_seen[friend.user], ended + 50)

    def test_last_seen_survives(self):
        me, friend, online = self.friends("phone", "pad")
        friend.leave()
        time.sleep(1.5)
        self.ask(me, [friend])
        seen = self.last_seen[friend.user]
        self.assertGreater(seen, 0)
        for how in ("SIGTERM", "kill -9"):
            before = self.now_ms()
            if how == "SIGTERM":
                self.expect("exit code", 0, self.server.stop())
            else:
                self.server.kill()
            after = self.now_ms()
            self.server.start()
            me = self.login(me.user, "mine")
            self.expect(f"after {how}", {friend.user: (False, []), online.user: (False, []),
                                         me.user: (True, ["mine"])},
                        self.ask(me, [friend, online, me]))
            self.expect(f"after {how}: last_seen_ms", seen, self.last_seen[friend.user])
            if how == "SIGTERM":  # its session ended with the server
                ended = self.last_seen[online.user]
                self.assertLessEqual(before - 50, ended)
                self.assertLessEqual(ended, after + 50)
            online = self.login(online.user, "pad")
            self.ask(me, [online], watch=True)
            online.leave()
            self.expect_change("watched anew", {online.user: (False, [])}, me)
            online = self.login(online.user, "pad")
            self.wait_change(me)


if __name__ == "__main__":
    case.main()
