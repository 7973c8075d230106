#!/usr/bin/python3
"""A power cut under load, IMS_POWER_CUTS (5) times: the data directory is on an ext4 in a
loop-mounted file that is stopped with EXT4_IOC_SHUTDOWN(NOLOGFLUSH), which drops all that was not
synced, then the server is killed, the file system mounted again and the server started on it.
Nothing answered may be lost; the same with --durability os must lose messages, else the cut cuts
nothing.

Needs root and loop mounts; where they are refused the suite is SKIPPED by name (exit code 77)."""

import fcntl
import os
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import case
import kill_test
import server as server_module

CUTS = int(os.environ.get("IMS_POWER_CUTS", "5"))
IMAGE_BYTES = 1 << 30
EXT4_IOC_SHUTDOWN, NOLOGFLUSH = 0x8004587D, 2
BURST_DELAY_MAX_S = 0.060


class Disk:
    """An ext4 in a file. cut() is the power cut; back() mounts what survived."""

    def __init__(self):
        self.scratch = Path(tempfile.mkdtemp(prefix="imsd-power-"))
        self.image, self.mounted_at = self.scratch / "image", self.scratch / "mnt"
        self.mounted_at.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_BYTES)
        self._run("mkfs.ext4", "-qF", str(self.image))
        self.back()

    def _run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")

    def back(self):
        self._run("mount", "-o", "loop", str(self.image), str(self.mounted_at))

    def sync(self):
        self._run("sync", "-f", str(self.mounted_at))

    def cut(self):
        fd = os.open(self.mounted_at, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(fd)

    def unmount(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                return self._run("umount", str(self.mounted_at))
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def destroy(self):
        if os.path.ismount(self.mounted_at):
            self.unmount()
        self.image.unlink(missing_ok=True)
        self.mounted_at.rmdir()
        self.scratch.rmdir()


class Power(kill_test.CrashCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("power cut: needs root for loop mounts")
        try:
            self.disk = Disk()
        except OSError as error:
            self.skipTest(f"power cut: loop mounts are refused here: {error}")

    def run_on_disk(self, durability, body):
        """body(fleet) with a server whose data is on the disk; everything is taken down after."""
        self.own = server_module.Server(data=self.disk.mounted_at / "data", durability=durability)
        try:
            self.own.start()
            self.own.add_app()
            fleet = self.make_fleet(kill_test.SEED)
            self.disk.sync()
            body(fleet)
        finally:
            if self.own.is_running:
                self.own.kill()
            self.own.destroy()
            self.disk.destroy()

    def cut(self, fleet):
        """What the server sent before it was stopped counts; nothing it does later can."""
        self.own.process.send_signal(signal.SIGSTOP)
        at = time.monotonic()
        fleet.drain()
        self.disk.cut()
        self.own.kill()
        return at

    def cut_and_restart(self, fleet, round_):
        delay = fleet.random.uniform(0, BURST_DELAY_MAX_S)
        unanswered, burst, last = fleet.load_until_crash(self.cut, delay)
        self.disk.unmount()
        self.disk.back()
        self.own.start()
        print(f"cut {round_}: {delay * 1000:5.1f} ms into the burst, {unanswered:5} unanswered, "
              f"{burst:5} OKs in it, {last:5} in the last 10 ms", flush=True)
        return last

    def test_nothing_answered_is_lost(self):
        def body(fleet):
            fleet.connect()
            in_last_10_ms = 0
            for round_ in range(1, CUTS + 1):
                in_last_10_ms += self.cut_and_restart(fleet, round_)
                self.compare(fleet, round_)
            fleet.close()
            print(f"{CUTS} cuts, {len(fleet.book.answered)} OKs, {in_last_10_ms} in the last "
                  "10 ms before a cut: none lost", flush=True)
            self.expect("exit code", 0, self.own.stop())
            self.expect("imsctl verify", 0, self.own.verify().returncode)
        self.run_on_disk("sync", body)

    def test_os_durability_loses(self):
        def body(fleet):
            fleet.connect()
            self.cut_and_restart(fleet, 1)
            try:
                fleet.read_timelines(self.reader)
            except AssertionError as error:
                print(f"os: {error}", flush=True)  # a shorter timeline shows as an error too
            lost = fleet.lost()
            print(f"--durability os: {len(lost)} promised rows were lost, as they should be",
                  flush=True)
            self.assertGreater(len(lost), 0, "expected losses without sync: the cut cuts nothing")
        self.run_on_disk("os", body)


if __name__ == "__main__":
    case.main()
