#!/usr/bin/python3
"""The model of PROTOCOL.md sections 5 and 6 (tests/model) and a real server are given the same random
operations, one at a time, by ims_differential: every answer and every push must be the model's. It
asks for restarts, clean ones and kill -9, and this suite does them.

IMS_MODEL_SEED replays a seed, IMS_MODEL_OPS bounds the operations, IMS_TRACE shows each."""

import os
import subprocess
import time

import case
import server as server_module
from messages import BUILD_DIR

SEED, OPERATIONS = "1", 3000
TIMEOUT_S = 120


class Differential(case.Case):
    def test_no_difference(self):
        # The limits of differential_main.cc.
        server = server_module.Server(max_message_bytes=600, max_timeline_rows=150, max_contacts=5,
                                      max_group_members=6, max_watches=3, push_window=64)
        self.addCleanup(server.destroy)
        server.start()
        for tenant in (0, 1):
            server.add_app(f"org{tenant}", "app", f"a-secret-of-32-bytes-or-more-of-{tenant}")
        seed = os.environ.get("IMS_MODEL_SEED") or SEED
        operations = os.environ.get("IMS_MODEL_OPS") or str(OPERATIONS)
        print(f"IMS_MODEL_SEED={seed}", flush=True)
        driver = subprocess.Popen([str(BUILD_DIR / "ims_differential"), str(server.address[1]),
                                   seed, operations], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end, driver)
        deadline = time.monotonic() + TIMEOUT_S
        for line in driver.stdout:
            self.assertLess(time.monotonic(), deadline, "ims_differential takes too long")
            if line == "crash\n":
                server.kill()
                server.start(check=False)
            else:
                self.expect("what it asks for", "restart\n", line)
                self.expect("exit code after SIGTERM", 0, server.stop())
                server.start(check=False)
            driver.stdin.write("\n")
            driver.stdin.flush()
        self.expect(f"exit code of seed {seed}", 0, driver.wait(TIMEOUT_S))

    def end(self, driver):
        if driver.poll() is None:
            driver.kill()
        driver.stdin.close()
        driver.stdout.close()
        driver.wait()


if __name__ == "__main__":
    case.main()
