#!/usr/bin/python3
"""A long backlog: IMS_BACKLOG (100,000) stored messages to one user who is away, then the login. In
order and complete, in AUTO and in EXPLICIT, and over a kill -9 of the server in between."""

import collections
import os
import time

import case
import codes
import server as server_module

COUNT = int(os.environ.get("IMS_BACKLOG", "100000"))
IN_FLIGHT = 250


class Backlog(case.Case):
    @property
    def server(self):
        return Backlog.own

    @classmethod
    def setUpClass(cls):
        cls.own = server_module.Server()
        cls.addClassCleanup(cls.own.destroy)
        cls.own.start()
        cls.own.add_app()
        filler = cls("fill")
        try:
            filler.fill()
        finally:
            filler.doCleanups()

    def fill(self):
        self.make_users("rob")
        senders = [self.login(f"sam{i}", edition=1 + i % 2) for i in range(4)]
        share = COUNT // len(senders)
        waiting = collections.deque()
        started = time.monotonic()

        def settle_one():
            client, id = waiting.popleft()
            self.expect_code("stored", codes.OK, client.wait_response(id))
        for i in range(share):
            for client in senders:
                id = client.post(codes.MESSAGE, self.message(
                    to="rob", payload=b"%s %d" % (client.user.encode(), i)), True)
                waiting.append((client, id))
            while len(waiting) > IN_FLIGHT * len(senders):
                settle_one()
        while waiting:
            settle_one()
        for client in senders:
            client.leave()
        Backlog.total = share * len(senders)
        print(f"stored {Backlog.total} in {time.monotonic() - started:.1f} s", flush=True)

    def read(self, device, mode):
        """Logs in, reads all; checks seqs, per-sender order and completeness; the seconds."""
        receiver = self.login("rob", device, ack=mode)
        self.expect("inbox_seq", self.total, receiver.conack.inbox_seq)
        started = time.monotonic()
        seq, next_of = receiver.conack.acked_seq, collections.Counter()
        first = seq
        while seq < self.total:
            push = receiver.wait_push()
            seq += 1
            self.expect("seq", seq, push.seq)
            name, _, number = push.body.payload.partition(b" ")
            if first == 0:
                self.expect(f"order of {name}", next_of[name], int(number))
            next_of[name] += 1
            if mode == codes.EXPLICIT and (seq % 128 == 0 or seq == self.total):
                receiver.send_raw(receiver.request_frame(
                    codes.ACK, self.messages.AckRequest(seq=seq)))
        self.expect("messages", self.total - first, sum(next_of.values()))
        self.expect_quiet("no more than was stored", receiver)
        self.expect_code("ack", codes.OK, receiver.ack(self.total))
        receiver.leave()
        again = self.login("rob", device, ack=mode)
        self.expect("acked_seq afterwards", self.total, again.conack.acked_seq)
        self.expect_quiet("nothing again", again)
        again.leave()
        print(f"{device}: {self.total - first} in {time.monotonic() - started:.1f} s", flush=True)

    def test_1_explicit_and_auto(self):
        # Both devices log in before either acknowledged, so both start at 1.
        holders = [self.login("rob", device, ack=codes.EXPLICIT)
                   for device in ("explicit", "auto", "later")]
        for holder in holders:
            self.expect("acked_seq", 0, holder.conack.acked_seq)
            holder.abort()
        self.read("explicit", codes.EXPLICIT)
        self.read("auto", codes.AUTO)

    def test_2_after_kill(self):
        self.server.kill()
        self.server.start()
        probe = self.login("rob", "later", ack=codes.AUTO)
        first = probe.conack.acked_seq
        self.expect_pushed_seqs("after kill -9", range(first + 1, first + 1001), probe)
        probe.abort()
        self.read("later", codes.AUTO)

    def test_3_sync_pages(self):
        reader = self.login("rob", send_only=True)
        after, seqs = 0, 0
        while True:
            response, page = reader.sync(after_seq=after, limit=1000)
            self.expect_code("page", codes.OK, response)
            for message in page.messages:
                after += 1
                self.expect("seq", after, message.seq)
            seqs += len(page.messages)
            if not page.more:
                break
        self.expect("rows", self.total, seqs)

    def test_4_verify(self):
        self.expect("exit code", 0, self.server.stop())
        self.expect("imsctl verify", 0, self.server.verify().returncode)
        self.server.start()


if __name__ == "__main__":
    case.main()
