#!/usr/bin/python3
"""kill -9 under load, IMS_KILL_ROUNDS (20) times over one data directory: nothing that was
answered or pushed is lost, nothing is there twice. IMS_SEED replays the choices, not the
scheduling."""

import os
import time

import case
import codes
import crash_load
import ims_client
import server as server_module
from server import APPKEY, ORG

ROUNDS = int(os.environ.get("IMS_KILL_ROUNDS", "20"))
SEED = int(os.environ.get("IMS_SEED", "0")) or time.time_ns() & 0xFFFFFFFF
UNANSWERED_MIN = 1000
DELAY_MAX_S = 0.150


class CrashCase(case.Case):
    @property
    def server(self):
        return self.own

    def reader(self, user):
        client = ims_client.Client(self.own.address, self.messages)
        self.addCleanup(client.close)
        conack = client.login(ORG, APPKEY, user, self.own.token(user), send_only=True)
        self.expect_code(f"login of {user}", codes.OK, conack)
        return client

    def make_fleet(self, seed):
        fleet = crash_load.Fleet(self.own, self.messages, seed)
        self.make_users(*fleet.sender_names, *fleet.receiver_names)
        fleet.make_groups(self.reader)
        return fleet

    def compare(self, fleet, round_):
        fleet.read_timelines(self.reader)
        lost = fleet.lost()
        self.expect(f"round {round_}: promised rows that are gone or changed ({len(lost)})",
                    [], lost[:5])
        fleet.connect()
        fleet.send_again()
        fleet.read_timelines(self.reader)
        self.expect(f"round {round_}: rows after sending again", [], fleet.lost()[:5])
        self.doCleanups()  # the readers of this round


class Kill(CrashCase):
    def test_rounds(self):
        self.own = server_module.Server()
        try:
            self.own.start()
            self.own.add_app()
            self.run_rounds()
            self.expect("exit code", 0, self.own.stop())
            self.expect("imsctl verify", 0, self.own.verify().returncode)
        finally:
            self.own.destroy()

    def kill(self, fleet):
        at = time.monotonic()
        self.own.kill()
        return at

    def run_rounds(self):
        print(f"seed {SEED}", flush=True)
        fleet = self.make_fleet(SEED)
        delay_max, round_, thin, in_last_10_ms = DELAY_MAX_S, 1, 0, 0
        fleet.connect()
        while round_ <= ROUNDS:
            # Log-uniform: as many kills right behind the burst as deep within it.
            delay = delay_max ** fleet.random.uniform(1, 2.5) if delay_max < 1 else delay_max
            unanswered, burst, last = fleet.load_until_crash(self.kill, delay)
            started = time.monotonic()
            self.own.start()
            started_in = time.monotonic() - started
            self.compare(fleet, round_)
            enough = unanswered >= UNANSWERED_MIN
            print(f"round {round_:2}: killed {delay * 1000:5.1f} ms into the burst, {unanswered:5} "
                  f"unanswered, {burst:5} OKs in it, {last:5} in the last 10 ms, restart "
                  f"{started_in:.2f} s{'' if enough else ' (too few unanswered, not counted)'}",
                  flush=True)
            in_last_10_ms += last
            if enough:
                round_ += 1
            else:
                thin += 1
                delay_max /= 2
                self.assertLess(thin, 10, "the server answers faster than the load asks")
        fleet.close()
        print(f"{ROUNDS} kills, {len(fleet.book.answered)} OKs, {in_last_10_ms} of them in the "
              f"last 10 ms before a kill, {len(fleet.book.pushed)} rows pushed, "
              f"{len(fleet.book.cursors)} cursors: none lost", flush=True)
        self.assertGreater(in_last_10_ms, 0, "expected OKs right before the kills: the load does "
                                             "not test what it should")
        self.assertGreater(len(fleet.book.cursors), 0, "expected acknowledged cursors, got none")


if __name__ == "__main__":
    case.main()
