#!/usr/bin/python3
"""More users than the cache of a worker holds: they come and go, every message is stored, memory stays
where state_cache_bytes says. The store is made by imsbench fill."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "literal"))

import case  # noqa: E402
import load  # noqa: E402
import server as server_module  # noqa: E402
from messages import BUILD_DIR  # noqa: E402

USERS = 30_000
MESSAGES = 90_000            # three rounds over all of them
STATE_CACHE_BYTES = 1 << 20  # the least; about 4,000 users
CACHE_SLACK_BYTES = 16 << 20  # who comes between two looks of the evictor
RSS_SLACK_BYTES = 64 << 20


class Eviction(case.Case):
    def test_users_come_and_go(self):
        server = server_module.Server(gateways=1, workers=1, state_cache_bytes=STATE_CACHE_BYTES,
                                      block_cache_bytes=8 << 20, write_buffer_bytes=8 << 20)
        self.addCleanup(server.destroy)
        server.add_app()
        subprocess.run([str(BUILD_DIR / "imsbench"), "fill", "--data", str(server.data), "--org",
                        server_module.ORG, "--appkey", server_module.APPKEY, "--users", str(USERS),
                        "--rows", str(USERS)], check=True, stdout=subprocess.DEVNULL, timeout=120)
        server.start()
        rss_before = server.rss_bytes()
        with load.Load(server, "offline", "--connections", 16, "--first-user", USERS, "--window",
                       64, "--recipients", USERS, "--recipients-from", 0, "--recipients-exist",
                       "--no-drain", "--messages", MESSAGES, "--warmup", 0) as run:
            run.finish()
        stats = server.stats()
        # Each user was in the cache once a round, and at most the last few thousand are in it still.
        self.assertGreater(stats["ims_cache_evictions_total"], MESSAGES / 2)
        self.assertLess(stats["ims_cache_bytes"], STATE_CACHE_BYTES + CACHE_SLACK_BYTES)
        self.assertLess(server.rss_bytes(), rss_before + STATE_CACHE_BYTES + (16 << 20) +
                        RSS_SLACK_BYTES)
        self.expect("exit code after SIGTERM", 0, server.stop())
        server.verify()


if __name__ == "__main__":
    case.main()
