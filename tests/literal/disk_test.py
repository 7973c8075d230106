#!/usr/bin/python3
"""Disks that are full, and disks that fail.

Full: the data directory is on a small tmpfs that a balloon file fills. New messages get UNAVAILABLE,
deliveries and relayed messages go on, and once the balloon is gone messages are stored again,
without a restart; nothing answered OK is lost. Once below the watermark (store_reserve_bytes) and
once with the watermark at 0, so that the store itself runs into the end of the disk.
Failing: the n-th fdatasync of the server returns EIO (strace injects it): exit code 75, and what was
answered before is there after a restart.

Needs root for mounts, strace for the failure; where one is refused its test is SKIPPED by name."""

import errno
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import case
import codes
import ims_client
import server as server_module

DISK_BYTES = 192 << 20
EXIT_STORE_FAILED = 75


class FullDisk(case.Case):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("full disk: needs root for a mount")
        self.mounted_at = Path(tempfile.mkdtemp(prefix="imsd-full-"))
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs",
                               str(self.mounted_at)], capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            self.mounted_at.rmdir()
            self.skipTest(f"full disk: mounts are refused here: {done.stderr.strip()}")
        self.addCleanup(self.unmount)

    def unmount(self):
        subprocess.run(["umount", str(self.mounted_at)], check=True, timeout=30)
        self.mounted_at.rmdir()

    def client(self, user, **login):
        client = ims_client.Client(self.own.address, self.messages)
        self.addCleanup(client.close)
        login.setdefault("ack", codes.AUTO)
        self.expect_code("login", codes.OK, client.login(
            server_module.ORG, server_module.APPKEY, user, self.own.token(user), **login))
        return client

    def fill(self, leave_bytes):
        """The balloon: all that is free but `leave_bytes`."""
        with open(self.mounted_at / "balloon", "wb") as balloon:
            for _ in range(20):  # the server makes files at any moment
                free = shutil.disk_usage(self.mounted_at).free
                try:
                    return os.posix_fallocate(balloon.fileno(), 0, max(free - leave_bytes, 1))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
            self.fail("expected to fill the disk, it never had what it said was free")

    def run_full(self, reserve, leave_bytes):
        self.own = server_module.Server(data=self.mounted_at / "data", store_reserve_bytes=reserve,
                                        write_buffer_bytes="4MiB", segment_bytes="4MiB")
        self.addCleanup(self.own.destroy)
        self.own.start()
        self.own.add_app()
        sender, receiver = self.client("sam"), self.client("rob")
        stored = []

        def send(payload=b"x" * 2000):
            answer = sender.send_text(payload, True, to="rob")
            if answer.code == codes.OK:
                stored.append(answer.seq)
            return answer.code

        acked = 0
        for round_ in range(2):
            self.expect("before", codes.OK, send())
            self.fill(leave_bytes)
            self.eventually(f"round {round_}: refused", codes.UNAVAILABLE, send, timeout=60, pause=0)
            self.expect_code("relayed all the same", codes.OK, sender.send_text("y", to="rob"))
            due = len(stored) - acked + 1
            seqs = [push.seq for push in receiver.wait_pushes(due)]
            self.expect("every row, and the relayed one", stored[acked:],
                        [seq for seq in seqs if seq != 0])
            self.expect("relayed", 1, seqs.count(0))
            receiver.pushes.clear()
            acked = len(stored)
            self.assertIsNone(self.own.process.poll(), "expected a live server, it ended")
            (self.mounted_at / "balloon").unlink()
            self.eventually(f"round {round_}: stored again", codes.OK, send, timeout=30, pause=0.2)
        self.expect("dense seqs", list(range(1, len(stored) + 1)), stored)
        self.expect("exit code", 0, self.own.stop())
        self.own.start()
        late = self.client("rob", device="late")
        self.expect("head after a restart", len(stored), late.conack.inbox_seq)

    def test_below_the_watermark(self):
        self.run_full("32MiB", 16 << 20)

    def test_to_the_last_byte(self):
        self.run_full("0", 0)


class FailingDisk(case.Case):
    def test_failed_fsync_ends_the_server(self):
        if not shutil.which("strace"):
            self.skipTest("failing disk: strace is not installed")
        own = server_module.Server()
        self.addCleanup(own.destroy)
        own.start()
        own.add_app()
        self.expect("exit code", 0, own.stop())
        own.wrapper = ("strace", "-f", "-o", os.devnull, "-e", "trace=fdatasync",
                       "-e", "inject=fdatasync:error=EIO:when=40+")
        own.start(check=False)
        clients = []
        for user in ("sam", "rob"):
            client = ims_client.Client(own.address, self.messages)
            self.addCleanup(client.close)
            self.expect_code("login", codes.OK, client.login(
                server_module.ORG, server_module.APPKEY, user, own.token(user)))
            clients.append(client)
        stored, answer = 0, codes.OK
        for _ in range(200):
            try:
                answer = clients[0].send_text("x", True, to="rob").code
            except (AssertionError, OSError):
                break  # the connection ended with the server
            if answer != codes.OK:
                break
            stored += 1
        self.assertLess(stored, 200, "expected a failed fsync within 200 messages, got none")
        if answer != codes.OK:
            self.expect("a message of which nobody can say whether it was kept", codes.FAIL, answer)
        deadline = time.monotonic() + 20
        while own.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self.expect("exit code", EXIT_STORE_FAILED, own.process.poll())
        own.wrapper = ()
        own.start()
        again = ims_client.Client(own.address, self.messages)
        self.addCleanup(again.close)
        ack = again.login(server_module.ORG, server_module.APPKEY, "rob", own.token("rob"),
                          device="late")
        self.assertGreaterEqual(ack.inbox_seq, stored, "an acknowledged message is gone")


if __name__ == "__main__":
    case.main()
