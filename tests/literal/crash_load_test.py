#!/usr/bin/python3
"""The crash harness against a fake server that this file plays: over honest crashes it finds
nothing, and each defect that it is there for, played by the fake, it finds. Needs no imsd."""

import random
import selectors
import socket
import threading
import time
import unittest.mock

import case
import codes
import crash_load
import ims_client
import wire


class FakeImsd:
    """As much of imsd as the harness uses, in memory: what it holds outlives crash(). A defect is a
    name that makes one promise false:
      answer_early     answered and pushed before it is durable
      reuse_seq        the newest row of each timeline is gone, its seq is given again
      forget_dedupe    dedupe does not outlive the crash
      cursor_back      acknowledged cursors do not outlive the crash
      swap_order       two messages of one sender change places
    """

    def __init__(self, messages, defect=None):
        self.messages, self.defect = messages, defect
        self.rows, self.dedupe, self.cursors, self.members = {}, {}, {}, {}
        self.log_tail = lambda: "(fake)"
        self.token = lambda user: "t"
        self.running = False

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.address = self.listener.getsockname()
        self.sessions, self.running, self.pending = {}, True, []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def crash(self):
        self.running = False
        self.thread.join()
        for connection in self.sessions:
            connection.close()
        self.listener.close()
        if self.defect == "answer_early":
            for row in self.pending[-20:]:
                self._drop(*row)
        if self.defect == "reuse_seq":
            for timeline, rows in self.rows.items():
                if rows and isinstance(rows[-1], self.messages.Message):
                    self._drop(timeline, rows[-1])
        if self.defect == "forget_dedupe":
            self.dedupe.clear()
        if self.defect == "cursor_back":
            self.cursors = {key: seq // 2 for key, seq in self.cursors.items()}

    def _drop(self, timeline, row):
        rows = self.rows[timeline]
        if rows and rows[-1].seq == row.seq:
            rows.pop()
            self.dedupe.pop((getattr(row, "from"), timeline, row.client_id), None)

    def _run(self):
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ)
        self.listener.setblocking(False)
        while self.running:
            for key, _ in selector.select(0.002):
                if key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    self.sessions[connection] = {"frames": wire.FrameBuffer(), "user": None}
                    selector.register(connection, selectors.EVENT_READ)
                    continue
                session = self.sessions[key.fileobj]
                try:
                    data = key.fileobj.recv(4096)
                except ConnectionResetError:
                    data = b""
                if not data:
                    selector.unregister(key.fileobj)
                    del self.sessions[key.fileobj]
                    key.fileobj.close()
                    continue
                session["frames"].append(data)
                while self.running and (body := session["frames"].next()) is not None:
                    self._take(key.fileobj, session, self.messages.CommandV2.FromString(body))
        selector.close()

    def _send(self, connection, id=0, **kinds):
        command = self.messages.CommandV2(version=2, id=id)
        for kind, body in kinds.items():
            getattr(command, kind).CopyFrom(body)
        try:
            connection.sendall(wire.frame(command.SerializeToString()))
        except OSError:
            pass  # its own end is taken with the next event

    def _take(self, connection, session, command):
        m = self.messages
        if command.HasField("connect"):
            session.update(user=command.connect.user, pushes=not command.connect.send_only)
            user = session["user"]
            inbox = self.rows.setdefault(("to", user), [])
            acked = self.cursors.get((user, ("to", user)), 0)
            self._send(connection, command.id, conack=m.ConAck(
                acked_seq=acked, inbox_seq=len(inbox)))
            if session["pushes"]:
                for timeline in list(self.rows):
                    if timeline == ("to", user) or user in self.members.get(timeline, ()):
                        for row in self.rows[timeline][self.cursors.get((user, timeline), 0):]:
                            self._push(connection, row)
            return
        request = command.request
        response = m.Response()
        if request.type == codes.MESSAGE:
            response = self._store(session, m.Message.FromString(request.payload))
        elif request.type == codes.ACK:
            ack = m.AckRequest.FromString(request.payload)
            timeline = ("group", ack.group) if ack.group else ("to", session["user"])
            self.cursors[session["user"], timeline] = ack.seq
        elif request.type == codes.GROUP:
            create = m.GroupRequest.FromString(request.payload)
            timeline = ("group", create.group)
            self.members[timeline] = {session["user"], *create.users}
            self.rows[timeline] = [m.GroupEvent(op=codes.CREATE, group=create.group, seq=1,
                                                time_ms=1)]
        elif request.type == codes.SYNC:
            response.payload = self._sync(session, m.SyncRequest.FromString(request.payload))
        self._send(connection, command.id, response=response)

    def _push(self, connection, row):
        m = self.messages
        type_ = codes.GROUP if isinstance(row, m.GroupEvent) else codes.MESSAGE
        self._send(connection, request=m.Request(type=type_, payload=row.SerializeToString()))

    def _store(self, session, message):
        m = self.messages
        timeline = ("group", message.group) if message.group else ("to", message.to)
        key = (session["user"], timeline, message.client_id)
        if key in self.dedupe:
            seq, time_ms = self.dedupe[key]
            return m.Response(seq=seq, time_ms=time_ms, duplicate=True)
        rows = self.rows.setdefault(timeline, [])
        setattr(message, "from", session["user"])
        message.seq, message.time_ms = len(rows) + 1, int(time.time() * 1000)
        rows.append(message)
        if self.defect == "swap_order" and len(rows) > 30 and isinstance(rows[-2], m.Message):
            before = rows[-2]
            if getattr(before, "from") == session["user"]:
                for name in ("client_id", "payload"):
                    a, b = getattr(before, name), getattr(message, name)
                    setattr(before, name, b)
                    setattr(message, name, a)
        self.pending.append((timeline, message))
        self.dedupe[key] = (message.seq, message.time_ms)
        for connection, other in list(self.sessions.items()):
            if other["user"] and other.get("pushes") and (
                    timeline == ("to", other["user"])
                    or other["user"] in self.members.get(timeline, ())):
                self._push(connection, message)
        return m.Response(seq=message.seq, time_ms=message.time_ms)

    def _sync(self, session, sync):
        m = self.messages
        timeline = ("group", sync.group) if sync.group else ("to", session["user"])
        rows = self.rows.get(timeline, [])
        page = rows[sync.after_seq:sync.after_seq + 100]
        result = m.SyncResult(head_seq=len(rows), more=sync.after_seq + 100 < len(rows))
        for row in page:
            (result.messages if isinstance(row, m.Message) else result.group_events).append(row)
        return result.SerializeToString()


class Harness(case.Case):
    SIZES = {"SENDERS": 6, "WINDOW": 60, "RECEIVERS": 3, "GROUPS": 2, "GROUP_MEMBERS": 2,
             "ACK_EVERY": 5}

    def setUp(self):
        for name, value in self.SIZES.items():
            patch = unittest.mock.patch.object(crash_load, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def rounds(self, defect, count=3):
        fake = FakeImsd(self.messages, defect)
        fake.start()
        clients = []

        def reader(user):
            client = ims_client.Client(fake.address, self.messages)
            clients.append(client)
            client.login("o", "a", user, "t", send_only=True)
            return client
        fleet = crash_load.Fleet(fake, self.messages, seed=random.randrange(1 << 30))

        def crash(fleet):
            at = time.monotonic()
            fake.crash()
            return at
        try:
            fleet.make_groups(reader)
            fleet.connect()
            for _ in range(count):
                fleet.load_until_crash(crash, 0.02)
                fake.start()
                fleet.read_timelines(reader)
                lost = fleet.lost()
                if lost:
                    raise AssertionError(f"lost {lost[:2]}")
                fleet.connect()
                fleet.send_again()
                fleet.read_timelines(reader)
                self.expect("lost after sending again", [], fleet.lost())
            return fleet
        finally:
            for client in clients:
                client.close()
            fleet.close()
            if fake.running:
                fake.crash()

    def test_honest_server_passes(self):
        fleet = self.rounds(None)
        self.assertGreater(len(fleet.book.answered), 1000)
        self.assertGreater(len(fleet.book.pushed), 500)
        self.assertGreater(len(fleet.book.cursors), 3)

    def test_defects_are_found(self):
        for defect, message in (("answer_early", "lost"), ("reuse_seq", "lost|expected"),
                                ("forget_dedupe", "expected a duplicate|stored twice"),
                                ("cursor_back", "cursor went back|first push"),
                                ("swap_order", "lost|behind number|answered|pushed as")):
            with self.subTest(defect=defect):
                with self.assertRaisesRegex(AssertionError, message):
                    self.rounds(defect)


if __name__ == "__main__":
    case.main()
