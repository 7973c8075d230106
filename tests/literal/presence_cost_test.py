#!/usr/bin/python3
"""What presence costs (DECISIONS.md): a login and a logout do not grow with the friends who do not
watch; who watches costs one record per worker and one push each for a change that is told. Counted by
the server, not timed; `bench/run costs` has the times."""

import time

import case
import codes
import server as server_module
from codes import ADD, OK
from presence_test import COALESCED_S, PresenceCase


class Cost(PresenceCase):
    shared = case.use_server()
    FRIENDS, WATCHERS, LOGINS = 5000, 50, 200
    COUNTED = ("ims_handoffs_total", 'ims_relayed_total{result="delivered"}',
               "ims_rows_loaded_total", "ims_reader_reads_total", "ims_frames_total{dir=\"out\"}")

    def make_friends(self, me, names):
        """Each asks over a short connection; then all are accepted."""
        m, waiting = self.messages, []
        for name in names:
            client = self.connect()
            client.send_raw(
                client.connect_frame(server_module.ORG, server_module.APPKEY, name,
                                     self.server.token(name), send_only=True) +
                client.request_frame(codes.CONTACT, m.ContactRequest(op=ADD, user=me.user), id=1) +
                client.disconnect_frame())
            waiting.append(client)
            if len(waiting) == 100 or name == names[-1]:
                for client in waiting:
                    client.wait_eof()
                    self.expect_code("ADD", OK, client.wait_response(1))
                    client.close()
                waiting.clear()
        for at in range(0, len(names), 200):
            ids = [me.post(codes.CONTACT, m.ContactRequest(op=codes.ACCEPT, user=name))
                   for name in names[at:at + 200]]
            for id in ids:
                self.expect_code("ACCEPT", OK, me.wait_response(id))

    def counted(self, work):
        """{counter: growth} by `work` and what follows from it; nothing else is under way."""
        before = self.server.stats()
        work()
        time.sleep(COALESCED_S)
        after = self.server.stats()
        return {name: after[name] - before[name] for name in self.COUNTED}

    def come_and_go(self, user, times):
        for _ in range(times):
            self.login(user, "phone").leave()

    def test_friends_who_do_not_watch_and_those_who_do(self):
        handoffs, pushes = self.COUNTED[:2]
        popular, lonely = (self.login(case.fresh(name), "phone") for name in ("many", "few"))
        friends = [case.fresh("friend") for _ in range(self.FRIENDS)]
        self.make_friends(popular, friends)
        for client in (popular, lonely):
            client.leave()
        time.sleep(COALESCED_S)
        few = self.counted(lambda: self.come_and_go(lonely.user, self.LOGINS))
        many = self.counted(lambda: self.come_and_go(popular.user, self.LOGINS))
        print(f"{self.LOGINS} logins with 0 and {self.FRIENDS} friends: "
              + ", ".join(f"{name} {few[name]:.0f} {many[name]:.0f}" for name in self.COUNTED),
              flush=True)
        for name in self.COUNTED:
            self.assertLessEqual(many[name], few[name] * 1.1 + self.LOGINS / 10, name)

        watchers = [self.login(name, "watch") for name in friends[:self.WATCHERS]]
        for watcher in watchers:
            self.ask(watcher, [popular.user], watch=True)
        time.sleep(COALESCED_S)
        started = time.monotonic()
        quick = self.counted(lambda: self.come_and_go(popular.user, self.LOGINS))
        waits = (time.monotonic() - started) / 2  # of 2 s each: one change may be told in each
        self.assertLessEqual(quick[pushes] - many[pushes], self.WATCHERS * (waits + 2))
        self.assertLessEqual(quick[handoffs] - many[handoffs],
                             self.server.workers * (waits + 2) + self.LOGINS / 10)

        rounds = 2

        def slowly():
            for _ in range(rounds):
                client = self.login(popular.user, "phone")
                time.sleep(0.5)  # it came: told
                client.leave()
                time.sleep(COALESCED_S)  # it went: told
        told = self.counted(slowly)
        self.expect("pushes", 2 * rounds * self.WATCHERS, int(told[pushes]))
        self.assertLessEqual(told[handoffs], 2 * rounds * self.server.workers +
                             few[handoffs] / self.LOGINS * rounds + 10)


if __name__ == "__main__":
    case.main()
