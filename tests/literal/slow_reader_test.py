#!/usr/bin/python3
"""Clients that never read while messages flow to them: the server's memory stays bounded, others
are not held up, and what was stored is delivered once they read again. Source: PROTOCOL.md section
5."""

import os
import threading
import time

import case
import codes
import wire

SLOW = int(os.environ.get("IMS_SLOW_READERS", "200"))
ROUNDS = int(os.environ.get("IMS_SLOW_ROUNDS", "500"))  # x SLOW messages of 1,000 bytes
PAYLOAD = bytes(1000)
SEND_QUEUE_BYTES = 256 * 1024
RSS_SLACK = 192 << 20  # the store's memtables, block cache and jemalloc's own

shared_server = case.use_server(stall_timeout="600s")
impatient = case.use_server(gateways=1, workers=1, stall_timeout="1s")


class Flood(case.Case):
    shared = shared_server

    def flood(self, sender, users, rounds, offline):
        """rounds x one message to each user, with a bounded number unanswered; codes seen."""
        seen, waiting = {}, []
        for round_ in range(rounds):
            data = []
            for user in users:
                id = sender.take_id()
                data.append(sender.request_frame(codes.MESSAGE, self.message(
                    to=user, payload=b"%06d" % round_ + PAYLOAD), offline, id))
                waiting.append(id)
            sender.send_raw(b"".join(data))
            for id in waiting:
                code = sender.wait_response(id).code
                seen[code] = seen.get(code, 0) + 1
            waiting.clear()
        return seen

    def probe(self, reader, over, delays):
        """One who writes to one who reads, over and over, until `over`."""
        writer = self.login(case.fresh("writer"))
        while not over.wait(0.02):
            asked = time.monotonic()
            self.expect_code("to one who reads", codes.OK,
                             writer.send_text("x", True, to=reader.user))
            reader.wait_push(timeout=10)
            delays.append(time.monotonic() - asked)

    def turn_counts(self):
        stats = self.server.stats()
        return stats["ims_sends_total"], stats["ims_turns_total"]

    def test_memory_is_bounded_and_nothing_stored_is_lost(self):
        slow = [self.login(case.fresh("slow"), ack=codes.AUTO,
                           client=self.connect(receive_buffer=4096)) for _ in range(SLOW)]
        users = [client.user for client in slow]
        reader = self.login(case.fresh("reader"), ack=codes.AUTO)
        sender = self.login(case.fresh("sam"))
        before = self.server.rss_bytes()
        started, turns = time.monotonic(), self.turn_counts()
        over, delays = threading.Event(), []
        prober = threading.Thread(target=self.probe, args=(reader, over, delays))
        prober.start()
        try:
            for _ in range(10):
                seen = self.flood(sender, users, ROUNDS // 10, offline=True)
                self.expect("codes", {codes.OK}, set(seen))
        finally:
            over.set()
            prober.join()
        grown = self.server.rss_bytes() - before
        delays.sort()
        self.assertGreater(len(delays), 20, "expected somebody who reads to be served meanwhile")
        sends, all_turns = (after - first for after, first in zip(self.turn_counts(), turns))
        print(f"{SLOW * ROUNDS} messages in {time.monotonic() - started:.1f} s, RSS grew by "
              f"{grown >> 20} MiB; stored, answered and pushed to the one who reads: "
              f"p50 {delays[len(delays) // 2] * 1000:.1f} ms, "
              f"p99 {delays[len(delays) * 99 // 100] * 1000:.1f} ms of {len(delays)}; "
              f"{sends / all_turns:.2f} sends a turn", flush=True)
        # Turns are bounded by 64 sends of a fan-out each (gateway's fan_out_test): so is their mean.
        self.assertLess(sends / all_turns, 64)
        self.assertLess(grown, SLOW * SEND_QUEUE_BYTES + RSS_SLACK,
                        f"expected the send queues' bound, RSS grew by {grown}")
        for client in slow:
            pushes = client.wait_pushes(ROUNDS // 10 * 10)
            self.expect(f"seqs of {client.user}", list(range(1, len(pushes) + 1)),
                        [push.seq for push in pushes])
        self.expect_quiet("nothing twice", *slow[:20])

    def test_relayed_are_dropped_not_queued(self):
        slow = [self.login(case.fresh("slow"), client=self.connect(receive_buffer=4096))
                for _ in range(20)]
        sender = self.login(case.fresh("sam"))
        before = self.server.rss_bytes()
        dropped = self.server.stats()['ims_relayed_total{result="dropped"}']
        rounds = 1500  # 1.5 MB to each: above 256 KiB and any socket buffer of the kernel
        self.flood(sender, [client.user for client in slow], rounds, offline=False)
        grown = self.server.rss_bytes() - before
        self.assertLess(grown, 20 * SEND_QUEUE_BYTES + (64 << 20), "RSS grew by more than queues")
        self.assertGreater(self.server.stats()['ims_relayed_total{result="dropped"}'], dropped,
                           "expected dropped relayed messages to be counted")
        for client in slow:
            # Stored ones come behind what had been queued: the connection lives.
            self.expect_code("stored", codes.OK, sender.send_text("end", True, to=client.user))
            last, got = -1, 0
            while (push := client.wait_push()).seq == 0:
                number = int(push.body.payload[:6])
                self.assertGreater(number, last, "relayed messages in another order")
                last, got = number, got + 1
            self.assertLess(got, rounds, "expected that some were dropped")

    def test_answers_are_never_dropped(self):
        # SYNC answers of 60 KB to one who does not read: taking of frames stops, nothing is lost.
        sender, user = self.login(case.fresh("sam")), case.fresh("ann")
        self.make_users(user)
        for _ in range(60):
            self.expect_code("store", codes.OK, sender.request(
                codes.MESSAGE, self.message(to=user, payload=PAYLOAD), True))
        client = self.login(user, send_only=True, client=self.connect(receive_buffer=4096))
        before = self.server.rss_bytes()
        client.send_raw(b"".join(client.request_frame(codes.SYNC, b"", id=i) + wire.HEARTBEAT
                                 for i in range(1, 201)))
        time.sleep(1)
        self.assertLess(self.server.rss_bytes() - before, 32 << 20)
        for i in range(1, 201):
            response = client.wait_response(i)
            self.expect_code("SYNC", codes.OK, response)
            self.expect("rows", 60,
                        len(self.messages.SyncResult.FromString(response.payload).messages))
        client.wait_heartbeats(200)


class Stall(case.Case):
    shared = impatient

    def test_slow_consumer(self):
        slow = self.login(case.fresh("slow"), ack=codes.AUTO,
                          client=self.connect(receive_buffer=4096))
        sender = self.login(case.fresh("sam"))
        self.store(sender, 2000, to=slow.user, stem="x" * 2000)
        time.sleep(4)  # owed bytes, takes none: stall_timeout is 1 s
        slow.wait_eof()
        # What the kernel had is still read, in order; the rest comes at the next login.
        seqs = [push.seq for push in slow.pushes]
        self.expect("seqs", list(range(1, len(seqs) + 1)), seqs)
        self.assertLess(len(seqs), 2000, "expected to be cut off, got everything")
        if slow.disconnect is not None:
            self.expect("Disconnect", codes.SLOW_CONSUMER, slow.disconnect.code)
        self.expect("counted", 1,
                    int(self.server.stats()['ims_closed_total{reason="slow_consumer"}']))
        again = self.login(slow.user, ack=codes.AUTO)
        self.assertLessEqual(again.conack.acked_seq, 2000)
        self.expect_pushed_seqs("the rest", range(again.conack.acked_seq + 1, 2001), again)


if __name__ == "__main__":
    case.main()
