"""One imsd under test: started on a free loopback port over a data directory of its own, asked
about through imsctl and /proc, stopped by SIGTERM or killed, by the pid it was started with.

The configuration of a run comes from the environment, so that each suite file runs alone as well:
  IMS_IO          uring (default) | epoll
  IMS_PLACEMENT   split (default) | fused
  IMS_STORE       auto (default: rocksdb) | segments | rocksdb
  IMS_BUILD_DIR   where imsd and imsctl are; default build/release
  IMS_KEEP        set: data directories and logs stay, and their path is printed

start() asserts that what runs is what was asked for: by thread names, by the counters, and by the
descriptors that the kernel shows. A failing start raises StartFailed with the log's end.
"""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import tokens
from messages import BUILD_DIR

IMSD, IMSCTL = BUILD_DIR / "imsd", BUILD_DIR / "imsctl"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0

ORG, APPKEY, SECRET = "literal", "suite", "literal-suite-secret-of-32-bytes-or-more"


class StartFailed(Exception):
    """imsd ended, or did not get ready in time. `returncode` is None in the second case."""

    def __init__(self, text, returncode):
        super().__init__(text)
        self.returncode = returncode


def io_name():
    return os.environ.get("IMS_IO", "uring")


def placement_name():
    return os.environ.get("IMS_PLACEMENT", "split")


def engine_name():
    return os.environ.get("IMS_STORE", "auto")


def free_port():
    """A port below the range that the kernel gives to clients: while a server is down between a
    kill and its restart, none of ten thousand connecting clients can be given its port."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Server:
    """keys: any configuration key as a keyword: Server(push_window=16, login_timeout="1s")."""

    def __init__(self, gateways=2, workers=2, data=None, wrapper=(), edition=None, durability=None,
                 **keys):
        self.io, self.placement = io_name(), placement_name()
        self.gateways = gateways
        self.workers = gateways if self.placement == "fused" else workers
        self.wrapper, self.edition, self.durability, self.keys = wrapper, edition, durability, keys
        self.scratch = Path(tempfile.mkdtemp(prefix="imsd-test-"))
        self.data = Path(data) if data else self.scratch / "data"
        self.log_path = self.scratch / "imsd.log"
        self.address = ("127.0.0.1", free_port())
        self.process = None
        self.starts = 0

    # ---- life ----

    def command_line(self, *more):
        """`more`: further flags and values, in pairs; they replace those of the same name."""
        flags = {"--data": self.data, "--listen": "%s:%d" % self.address, "--io": self.io,
                 "--gateways": self.gateways, "--workers": self.workers,
                 "--placement": self.placement, "--store-engine": engine_name()}
        if self.edition:
            flags["--edition"] = self.edition
        if self.durability:
            flags["--durability"] = self.durability
        for key, value in self.keys.items():
            flags["--" + key.replace("_", "-")] = value
        flags.update(zip(more[::2], more[1::2], strict=True))
        return [*self.wrapper, str(IMSD), *(str(word) for pair in flags.items() for word in pair)]

    def start(self, *more, check=True):
        for attempt in range(3):
            try:
                self._start_once(more)
                break
            except StartFailed as failed:
                if attempt == 2 or self.starts or "in use" not in str(failed).lower():
                    raise
                self.address = ("127.0.0.1", free_port())  # another process was faster
        self.starts += 1
        if check:
            self.assert_configuration()
        return self

    def _start_once(self, more):
        log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            # The suites' own IMS_ variables are no configuration of the server's.
            environment = {key: value for key, value in os.environ.items()
                           if not key.startswith("IMS_")}
            self.process = subprocess.Popen(self.command_line(*more), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=environment)
        ready = b"listening on %s:%d" % (self.address[0].encode(), self.address[1])
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            ended = self.process.poll()
            with open(self.log_path, "rb") as log:
                log.seek(log_start)
                if ready in log.read():
                    return
            if ended is not None:
                raise StartFailed(f"imsd ended with {ended} before it was ready:\n"
                                  f"{self.log_tail()}", ended)
            if time.monotonic() > deadline:
                self.kill()
                raise StartFailed(f"expected '{ready.decode()}' within {START_TIMEOUT_S} s, got:\n"
                                  f"{self.log_tail()}", None)
            time.sleep(0.005)

    @property
    def pid(self):
        return self.process.pid

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_exit()

    def kill(self):
        """SIGKILL; returns when the process is gone."""
        self.process.kill()
        return self.process.wait(STOP_TIMEOUT_S)

    def wait_exit(self):
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"expected imsd to end within {STOP_TIMEOUT_S} s, it still ran:\n"
                                 f"{self.log_tail()}") from None

    def restart(self):
        self.stop()
        return self.start()

    def destroy(self):
        """Stops what runs and removes what was written; to be called once per Server."""
        try:
            if self.is_running:
                code = self.stop()
                if code != 0:
                    raise AssertionError(f"expected exit code 0 after SIGTERM, got {code}:\n"
                                         f"{self.log_tail()}")
        finally:
            if os.environ.get("IMS_KEEP"):
                print(f"kept: {self.scratch}")
            else:
                shutil.rmtree(self.scratch, ignore_errors=True)

    def log_tail(self, lines=30):
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"

    # ---- imsctl ----

    def ctl(self, *arguments, check=True, timeout=60, input=None):
        """imsctl's CompletedProcess; with `check` a non-zero exit is a failure."""
        done = subprocess.run([str(IMSCTL), "--data", str(self.data), *map(str, arguments)],
                              capture_output=True, text=True, timeout=timeout,
                              stdin=None if input is not None else subprocess.DEVNULL, input=input)
        if check and done.returncode != 0:
            raise AssertionError(f"expected imsctl {' '.join(map(str, arguments))} to exit 0, got "
                                 f"{done.returncode}: {done.stdout}{done.stderr}")
        return done

    def add_app(self, org=ORG, appkey=APPKEY, secret=SECRET):
        return self.ctl("app", "add", org, appkey, "--secret", secret).stdout.strip()

    def stats(self):
        """imsctl stats: {name: value}."""
        values = {}
        for line in self.ctl("stats").stdout.splitlines():
            name, _, value = line.rpartition(" ")
            try:
                values[name.strip()] = float(value)
            except ValueError:
                raise AssertionError(f"expected `name value`, got {line!r}") from None
        return values

    def verify(self):
        """imsctl verify, running or stopped: seqs dense, cursors at or below heads, members agree."""
        return self.ctl("verify", timeout=300)

    # ---- what runs ----

    def thread_names(self):
        names = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                names.append((task / "comm").read_text().strip())
            except FileNotFoundError:
                pass  # a thread that ended meanwhile
        return sorted(names)

    def kernel_objects(self):
        """The names of what its descriptors are: anon_inode:[io_uring], socket:[..], paths."""
        found = []
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                found.append(os.readlink(link))
            except FileNotFoundError:
                pass
        return found

    def rss_bytes(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def assert_configuration(self):
        names = self.thread_names()
        gateway_threads = [name for name in names if re.fullmatch(r"gw\d+", name)]
        worker_threads = [name for name in names if re.fullmatch(r"worker\d+", name)]
        if self.placement == "split":
            expected = ([f"gw{i}" for i in range(self.gateways)],
                        [f"worker{i}" for i in range(self.workers)])
            if (gateway_threads, worker_threads) != expected:
                raise AssertionError(f"split: expected threads {expected}, got {names}")
        elif gateway_threads and worker_threads:
            raise AssertionError(f"fused: expected no gateway thread beside a worker thread, got "
                                 f"{names}")
        else:
            fused = [name for name in names if re.fullmatch(r"(gw|worker|core|fused)\d+", name)]
            if len(fused) != self.gateways:
                raise AssertionError(f"fused: expected {self.gateways} core threads, got {names}")
        stats = self.stats()
        got = {name for name, value in stats.items() if name.startswith("ims_info{") and value}
        for label, value in (("io", self.io), ("placement", self.placement)):
            expected = 'ims_info{%s="%s"}' % (label, value)
            others = {name for name in got if name.startswith("ims_info{" + label) }
            if others != {expected}:
                raise AssertionError(f"expected the counter {expected} alone, got {sorted(got)}")
        objects = self.kernel_objects()
        has_uring = any("io_uring" in name for name in objects)
        if has_uring != (self.io == "uring"):
            raise AssertionError(f"--io {self.io}: expected io_uring descriptors "
                                 f"{self.io == 'uring'}, got {has_uring}: {sorted(set(objects))}")

    # ---- tokens ----

    def token(self, user, org=ORG, appkey=APPKEY, secret=SECRET, ttl_s=3600, **claims):
        return tokens.sign(secret, user, ttl_s=ttl_s, **claims)
