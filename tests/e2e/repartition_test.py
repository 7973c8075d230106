#!/usr/bin/python3
"""The number of workers changes over one data directory, 1 -> 3 -> 1: users, groups, messages,
cursors and who-is-who survive, and each start goes on where the last one ended."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "literal"))

import case  # noqa: E402
import codes  # noqa: E402
import server as server_module  # noqa: E402

USERS = 12      # more than workers, so that every worker owns some
PER_START = 20  # messages to each timeline
STARTS = (1, 3, 1)


class Repartition(case.Case):
    def setUp(self):
        self.now = server_module.Server(gateways=1, workers=1)
        self.addCleanup(self.now.destroy)

    @property
    def server(self):
        return self.now

    def start(self, workers):
        self.now.workers = workers
        if self.now.placement == "fused":
            self.now.gateways = workers
        self.now.start()
        self.expect("worker threads or fused ones", workers,
                    self.now.gateways if self.now.placement == "fused" else
                    sum(name.startswith("worker") for name in self.now.thread_names()))

    def test_workers_1_3_1(self):
        self.start(STARTS[0])
        self.now.add_app()
        users = [f"part{i}" for i in range(USERS)]
        self.make_users(*users)
        owner = self.login(users[0])
        response, _ = owner.group(codes.CREATE, "parted", users=users[1:])
        self.expect_code("CREATE", codes.OK, response)
        owner.leave()
        group_head = response.seq
        for round_, workers in enumerate(STARTS):
            if round_:
                self.expect("exit code after SIGTERM", 0, self.now.stop())
                self.start(workers)
            group_head = self.check_round(users, round_, group_head)
        self.expect("exit code after SIGTERM", 0, self.now.stop())
        self.now.verify()
        self.now.process = None

    def check_round(self, users, round_, group_head):
        sender = self.login(users[0], device="sender")
        first = round_ * PER_START + 1
        # Everyone gets messages while away, then logs in and finds exactly these.
        for user in users[1:]:
            stored = self.store(sender, PER_START, first=first, stem=user, to=user)
            self.expect(f"seqs in {user}'s inbox in round {round_}",
                        list(range(first, first + PER_START)), [r.seq for r in stored])
        said = self.store(sender, PER_START, first=first, stem="g", group="parted")
        self.expect(f"seqs of the group in round {round_}",
                    list(range(group_head + 1, group_head + 1 + PER_START)),
                    [r.seq for r in said])
        for user in users[1:]:
            client = self.login(user, device="phone")
            # The first round's group rows start with the CREATE itself.
            group_rows = PER_START + (1 if round_ == 0 else 0)
            pushes = client.wait_pushes(PER_START + group_rows)
            inbox = [p.body.payload for p in pushes
                     if p.type == codes.MESSAGE and not p.body.group]
            self.expect(f"what {user} missed in round {round_}",
                        [b"%s-%d" % (user.encode(), i) for i in range(first, first + PER_START)],
                        inbox)
            in_group = [p.seq for p in pushes if p.type == codes.GROUP or p.body.group]
            self.expect(f"what {user} missed in the group in round {round_}",
                        list(range(group_head + 1 - (group_rows - PER_START),
                                   group_head + 1 + PER_START)), in_group)
            self.expect_code("ACK", codes.OK, client.ack(first + PER_START - 1, id=client.take_id()))
            self.expect_code("ACK", codes.OK, client.ack(group_head + PER_START, "parted",
                                                         id=client.take_id()))
            response, result = client.group(codes.INFO, "parted")
            self.expect_code("INFO", codes.OK, response)
            self.expect("members", USERS, result.member_count)
            client.leave()
        sender.leave()
        return group_head + PER_START


if __name__ == "__main__":
    case.main()
