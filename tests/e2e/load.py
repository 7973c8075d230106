"""imsbench under a test: its phases as a context, so that the server can be asked while it loads.

  with load.Load(server, "pair", "--connections", 100, "--window", 32) as run:
      run.until("start"); before = server.stats(); ...
      run.until("stop")
      run.finish()            # drained, verified, exit code 0
"""

import json
import selectors
import subprocess
import time

import server as server_module
from messages import BUILD_DIR

IMSBENCH = BUILD_DIR / "imsbench"
PHASE_TIMEOUT_S = 120


class Load:
    def __init__(self, server, workload, *flags):
        self.command = [str(IMSBENCH), workload, "--phases", "--quiet", "--json", "-",
                        "--address", "%s:%d" % server.address,
                        "--org", server_module.ORG, "--appkey", server_module.APPKEY,
                        "--secret", server_module.SECRET, *map(str, flags)]
        self.process, self.lines, self.result = None, b"", None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.selector.close()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()

    def go(self):
        """Starts what --wait holds back."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def until(self, word):
        deadline = time.monotonic() + PHASE_TIMEOUT_S
        while True:
            line, newline, rest = self.lines.partition(b"\n")
            if newline:
                self.lines = rest
                if line.startswith(b"{"):
                    self.result = json.loads(line)
                if line == word.encode():
                    return
                continue
            if not self.selector.select(max(0, deadline - time.monotonic())):
                raise AssertionError(f"expected {word!r} within {PHASE_TIMEOUT_S} s of "
                                     f"{' '.join(self.command)}")
            chunk = self.process.stdout.read1(65536)
            if not chunk:
                raise AssertionError(f"expected {word!r}, imsbench ended: "
                                     f"{self.process.stderr.read().decode(errors='replace')}")
            self.lines += chunk

    def finish(self):
        """All that was sent came back, once and in order: imsbench checks it."""
        self.until("verified")
        code = self.process.wait(PHASE_TIMEOUT_S)
        if code != 0:
            raise AssertionError(f"expected imsbench to exit 0, got {code}: "
                                 f"{self.process.stderr.read().decode(errors='replace')}")
        return self.result
