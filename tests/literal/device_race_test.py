#!/usr/bin/python3
"""10,000 rounds of one user logging in on two connections at once, while messages arrive and ACKs are
in flight: one session per device lives, cursors never go back, no row is skipped or comes twice.
Source: PROTOCOL.md sections 5 (Rows and cursors) and 8 (the same device again).

A round of one user (USERS of them side by side):
  messages on their way ─▶ two CONNECTs at once, mostly of one device ─▶ all answered; all but the
  newest session of each device REPLACED and ended ─▶ the books are compared ─▶ the newest sends ACKs

What is known of a device's cursor in a timeline, from the sessions that came before:
  floor    surely acknowledged: an ACK was answered OK; AUTO: the row was received
  ceiling  nothing above it can be: neither sent as an ACK, nor pushed to a session in AUTO
The newest session starts between the two and is pushed every row from there, once."""

import collections
import os
import random
import select
import socket
import time

import case
import codes
import crash_load
import wire
from server import APPKEY, ORG

shared_server = case.use_server()

ROUNDS = int(os.environ.get("IMS_RACE_ROUNDS", "10000"))
USERS = 20
DEVICES = ("", "pad")
INBOX = ""
# The newer session waits for the older one's last cursor, but not for ever: from here on what it
# was told may be less than what the older one had.
QUICK_S = 0.9


class Session(crash_load.Peer):
    """One connection: what came on it and what it sent, per timeline (by group; the inbox is "")."""

    def __init__(self, address, messages, book, device, mode):
        self.book, self.device, self.mode = book, device, mode
        self.pushed = collections.defaultdict(list)   # seqs, as they came
        self.ok = collections.Counter()               # highest ACK that was answered OK
        self.sent = collections.Counter()             # highest ACK sent
        self.unanswered = {}
        self.disconnect, self.answered_s, self.leaves = None, None, False
        self.next_id = 1
        self.started_s = time.monotonic()
        super().__init__(address, messages, book.user, book.token, device=device, ack=mode)
        self.fd = self.socket.fileno()

    def read(self):
        had_answer = self.conack is not None
        got = super().read()
        if not had_answer and self.conack is not None:
            self.answered_s = time.monotonic() - self.started_s
        return got

    def take(self, command):
        if self.disconnect is not None:
            raise AssertionError(f"{self}: expected nothing behind Disconnect, got {command}")
        if command.HasField("disconnect"):
            self.disconnect = command.disconnect.code
        elif command.HasField("response"):
            group, seq = self.unanswered.pop(command.id)
            if command.response.code != codes.OK:
                raise AssertionError(f"{self}: ACK of {seq} in {group!r}: got {command.response}")
            self.ok[group] = max(self.ok[group], seq)
        else:
            request = command.request
            kind = (self.messages.GroupEvent if request.type == codes.GROUP
                    else self.messages.Message)
            row = kind.FromString(request.payload)
            self.pushed[row.group].append(row.seq)

    def send_ack(self, group, seq, has_answer):
        m = self.messages
        command = m.CommandV2(version=2)
        ack = m.AckRequest(group=group, seq=seq)
        command.request.CopyFrom(m.Request(type=codes.ACK, payload=ack.SerializeToString()))
        if has_answer:
            command.id = self.next_id
            self.unanswered[self.next_id] = (group, seq)
            self.next_id += 1
        self.sent[group] = max(self.sent[group], seq)
        self.out += wire.frame(command.SerializeToString())

    def leave(self):
        self.leaves = True
        command = self.messages.CommandV2(version=2)
        command.disconnect.CopyFrom(self.messages.Disconnect())
        self.out += wire.frame(command.SerializeToString())

    def abort(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def floor(self, group):
        received = self.pushed[group][-1:] if self.mode == codes.AUTO else []
        return max(self.ok[group], *received, 0)

    def ceiling(self, group):
        received = self.pushed[group][-1:] if self.mode == codes.AUTO else []
        return max(self.sent[group], *received, 0)

    def __repr__(self):
        if self.conack is None:
            return f"{self.user}/{self.device} not answered, eof {self.eof}"
        mode = "AUTO" if self.mode == codes.AUTO else "EXPLICIT"
        return (f"{self.user}/{self.device} {mode} session {self.conack.session} acked_seq "
                f"{self.conack.acked_seq}, eof {self.eof}, Disconnect {self.disconnect}")


class Cursor:
    """Of one device in one timeline, as its sessions that have ended left it."""

    def __init__(self):
        self.floor = self.ceiling = 0


class Book:
    """One user: its devices' sessions, and what is known of their cursors."""

    def __init__(self, user, token, group):
        self.user, self.token, self.group = user, token, group
        self.live = {}       # device -> Session
        self.new = []
        self.newest = {}     # device -> highest session number seen
        self.told = collections.Counter()      # device -> acked_seq of its newest ConAck
        self.cursors = collections.defaultdict(Cursor)  # (device, timeline)
        self.promised = {}   # (device, timeline) -> floor when the round began

    def known_floor(self, device, group):
        """What was answered OK before the round began."""
        live = self.live.get(device)
        return max(self.cursors[device, group].floor, live.ok[group] if live else 0)

    def begin(self, sessions, tally):
        self.new = sessions
        tally["ACKs in flight at a login"] += sum(len(s.unanswered) for s in self.live.values())
        self.promised = {(session.device, group): self.known_floor(session.device, group)
                         for session in sessions for group in (INBOX, self.group)}

    def open_sessions(self):
        return [s for s in (*self.live.values(), *self.new) if not s.socket._closed]

    def losers(self):
        """All of the round's sessions but the newest of each device; None: not all answered yet."""
        if any(session.conack is None for session in self.new):
            return None
        losers = []
        for device in {session.device for session in self.new}:
            mine = [session for session in self.new if session.device == device]
            mine.sort(key=lambda session: session.conack.session)
            old = self.live.get(device)
            losers += [old] if old else []
            losers += mine[:-1]
        return losers

    def settled(self):
        losers = self.losers()
        return losers is not None and all(s.eof or s.socket._closed for s in losers)

    def end(self, tally):
        """Everything that the round's losers were sent is here: compares, and keeps the books."""
        for session in self.losers():
            if session.disconnect != codes.REPLACED and not session.leaves:
                raise AssertionError(f"{session}: expected Disconnect REPLACED, got "
                                     f"{session.disconnect}")
            tally["ACKs without an answer when replaced"] += len(session.unanswered)
        new, self.new = self.new, []
        if len(new) == 2 and new[0].device == new[1].device:
            first_lost = new[0].conack.session < new[1].conack.session
            tally["the first one lost" if first_lost else "the second one lost"] += 1
        else:
            tally["of two devices"] += 1
        new.sort(key=lambda session: session.conack.session)
        for session in new:
            if session.device in self.live:
                self.close(self.live.pop(session.device))
            self.live[session.device] = session
            is_newest = not any(other.device == session.device for other in new
                                if other.conack.session > session.conack.session)
            self.compare(session, is_newest, tally)
        for session in self.live.values():
            if session.eof:
                raise AssertionError(f"{session}: expected the newest session to live; it got "
                                     f"Disconnect {session.disconnect}")

    def compare(self, session, is_newest, tally):
        device, number = session.device, session.conack.session
        if number <= self.newest.get(device, 0):
            raise AssertionError(f"{session}: expected a number above {self.newest[device]}")
        self.newest[device] = number
        acked = session.conack.acked_seq
        if acked < self.told[device]:
            raise AssertionError(f"{session}: an earlier session was told {self.told[device]}")
        self.told[device] = acked
        is_quick = session.answered_s < QUICK_S
        tally["slow"] += not is_quick
        for group in (INBOX, self.group):
            cursor, pushed = self.cursors[device, group], session.pushed[group]
            if group == INBOX:
                start = acked
            elif pushed:
                start = pushed[0] - 1
            else:
                continue
            floor = cursor.floor if is_newest and is_quick else self.promised[device, group]
            if not floor <= start <= cursor.ceiling:
                raise AssertionError(
                    f"{session}, timeline {group!r}: expected it to start behind {floor} to "
                    f"{cursor.ceiling}, got {start}")
            tally["rows pushed again"] += session.mode == codes.EXPLICIT and len(pushed)
            self.compare_pushes(session, group, start)

    def compare_pushes(self, session, group, start):
        """Dense; what is left out was acknowledged on an older session that ended late."""
        ceiling = self.cursors[session.device, group].ceiling
        for before, seq in zip([start, *session.pushed[group]], session.pushed[group]):
            if seq <= before or (seq > before + 1 and seq - 1 > ceiling):
                raise AssertionError(f"{session}, timeline {group!r}: expected row {before + 1}, "
                                     f"got {seq} of {session.pushed[group]}")

    def close(self, session):
        """Its books go to its device's."""
        session.socket.close()
        for group in (INBOX, self.group):
            cursor = self.cursors[session.device, group]
            cursor.floor = max(cursor.floor, session.floor(group))
            cursor.ceiling = max(cursor.ceiling, cursor.floor, session.ceiling(group))
            self.compare_pushes(session, group, session.pushed[group][0] - 1
                                if session.pushed[group] else 0)


class Races(case.Case):
    shared = shared_server

    def setUp(self):
        seed = int(os.environ.get("IMS_RACE_SEED", random.randrange(1 << 32)))
        print(f"IMS_RACE_SEED={seed}", flush=True)
        self.random = random.Random(seed)
        self.epoll = select.epoll()
        self.by_fd = {}
        self.tally = collections.Counter()

    def run_until(self, is_done, what, timeout=30, about=list):
        deadline = time.monotonic() + timeout
        while not is_done():
            if time.monotonic() > deadline:
                raise AssertionError(f"expected {what} within {timeout} s, got {about()}; log:\n"
                                     f"{self.server.log_tail()}")
            self.step(0.05)

    def step(self, timeout):
        for session in self.by_fd.values():
            if session.out:
                session.write()
        for fd, _ in self.epoll.poll(timeout):
            session = self.by_fd[fd]
            session.read()
            if session.eof:
                self.forget(session)

    def watch(self, session):
        self.by_fd[session.fd] = session
        self.epoll.register(session.fd, select.EPOLLIN)

    def forget(self, session):
        if self.by_fd.get(session.fd) is session:  # numbers are used again
            del self.by_fd[session.fd]
            self.epoll.unregister(session.fd)

    def open(self, book, device, mode=None):
        if mode is None:
            mode = self.random.choice((codes.EXPLICIT, codes.EXPLICIT, codes.AUTO))
        session = Session(self.server.address, self.messages, book, device, mode)
        self.watch(session)
        return session

    def send_messages(self, books):
        """Not waited for: they are stored while the logins are under way."""
        frames = []
        for book in books:
            for _ in range(self.random.choice((0, 0, 1, 2))):
                frames.append(self.sender.request_frame(
                    codes.MESSAGE, self.message(to=book.user, payload=b"x"), True,
                    id=self.sender.take_id()))
        if self.random.random() < 0.3:
            frames.append(self.sender.request_frame(
                codes.MESSAGE, self.message(group=self.group, payload=b"x"), True,
                id=self.sender.take_id()))
        self.stored += len(frames)
        if frames:
            self.sender.send_raw(b"".join(frames))

    def wait_responses(self):
        for id in range(self.first_id, self.sender._next_id):
            self.expect_code("message", codes.OK, self.sender.wait_response(id))
        self.first_id = self.sender._next_id

    def begin_round(self, book):
        chance = self.random.random
        first = self.random.choice(DEVICES)
        second = DEVICES[1 - DEVICES.index(first)] if chance() < 0.15 else first
        pair = [self.open(book, first), self.open(book, second)]
        for device in {first, second} & set(book.live):
            old = book.live[device]
            if chance() < 0.15:
                old.leave()
            elif chance() < 0.1 and old.mode == codes.EXPLICIT:
                old.read()  # what was answered so far
                self.forget(old)
                old.leaves = True
                old.abort()
                continue
            old.write()
        book.begin(pair, self.tally)
        pair[0].write()
        if chance() < 0.2:
            time.sleep(chance() * 0.001)
        pair[1].write()

    def acknowledge(self, book):
        for session in book.live.values():
            for group in (INBOX, self.group):
                pushed = session.pushed[group]
                if session.mode == codes.AUTO or not pushed:
                    continue
                # Mostly all, so that backlogs stay short; never above what was pushed.
                seq = pushed[-1] if self.random.random() < 0.7 else self.random.choice(pushed)
                session.send_ack(group, seq, self.random.random() < 0.7)

    def test_two_logins_at_once(self):
        self.sender = self.login("sender", send_only=True)
        self.group, self.stored, self.first_id = "race", 0, self.sender._next_id
        users = [f"user{i}" for i in range(USERS)]
        self.make_users(*users)
        response, _ = self.sender.group(codes.CREATE, self.group, users=users)
        self.expect_code("CREATE", codes.OK, response)
        self.first_id = self.sender._next_id
        books = [Book(user, self.server.token(user), self.group) for user in users]
        for book in books:  # a first login of a new device has a start of its own: device_test.py
            for device in DEVICES:
                book.begin([self.open(book, device, codes.EXPLICIT)], self.tally)
                self.run_until(book.settled, "the first login")
                book.end(self.tally)
        for _ in range(ROUNDS // USERS):
            self.send_messages(books)
            for book in books:
                self.begin_round(book)
            self.run_until(lambda: all(book.settled() for book in books),
                           "each login answered and all but the newest sessions ended",
                           about=lambda: [(book.live, book.new) for book in books
                                          if not book.settled()][:3])
            for book in books:
                for session in book.losers():
                    self.forget(session)
                book.end(self.tally)
                self.acknowledge(book)
            if self.random.random() < 0.5:
                self.run_until(lambda: not any(s.unanswered for book in books
                                               for s in book.live.values()), "answers to ACKs")
            self.wait_responses()
        self.finish(books)
        print(dict(self.tally), f"{self.stored} messages", flush=True)
        if ROUNDS >= 2000:
            for what in ("the first one lost", "the second one lost", "of two devices",
                         "ACKs in flight at a login", "rows pushed again"):
                self.assertGreater(self.tally[what], ROUNDS // 100, what)

    def finish(self, books):
        """Everybody is given all that is owed; what is left is one session per device."""
        head = self.sender.group(codes.INFO, self.group)[1].head_seq
        for book in books:
            book.begin([self.open(book, device, codes.EXPLICIT) for device in DEVICES],
                       self.tally)
        self.run_until(lambda: all(book.settled() for book in books), "the last logins")
        for book in books:
            book.end(self.tally)
        self.run_until(lambda: all(
            session.conack.acked_seq == session.conack.inbox_seq
            or session.pushed[INBOX][-1:] == [session.conack.inbox_seq]
            for book in books for session in book.live.values()), "the inboxes' rows")
        self.run_until(lambda: all(
            max([book.cursors[device, self.group].ceiling, *session.pushed[self.group]]) == head
            for book in books for device, session in book.live.items()), "the group's rows")
        sessions = {book.user: len(book.live) for book in books}
        self.expect("live sessions", {book.user: len(DEVICES) for book in books}, sessions)
        self.eventually("sessions at the server: theirs and the sender's",
                        USERS * len(DEVICES) + 1, lambda: self.server.stats()["ims_sessions"])
        for book in books:
            for session in book.live.values():
                book.compare_pushes(session, INBOX, session.conack.acked_seq)
                session.socket.close()
        self.expect("imsctl verify", 0, self.server.verify().returncode)


if __name__ == "__main__":
    case.main()
