"""What the tests of imsbench have in common: running it to its end or in the background, its result,
a server or a floor of a test's own."""

import json
import subprocess
import threading

import case
import server as server_module
from messages import BUILD_DIR

IMSBENCH = BUILD_DIR / "imsbench"
TIMEOUT_S = 120
MET, VIOLATED, MISSED, FAILED = 0, 1, 2, 3


class Bench(case.Case):
    """Runs imsbench and reads its result."""

    shared = case.use_server(gateways=1, workers=1)

    def bench(self, *words, expect=MET):
        done = subprocess.run([str(IMSBENCH), *map(str, words)], capture_output=True, text=True,
                              timeout=TIMEOUT_S)
        if done.returncode != expect:
            self.fail(f"imsbench {' '.join(map(str, words))}: expected exit code {expect}, got "
                      f"{done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def load(self, workload, *flags, expect=MET, secret=server_module.SECRET):
        """A load on the module's server; its JSON, whose exit code agrees with the program's."""
        done = self.bench(workload, *self.flags_for(self.server, secret), "--json", "-", *flags,
                          expect=expect)
        return self.result_of(done)

    @staticmethod
    def flags_for(server, secret=server_module.SECRET):
        return ["--address", "%s:%d" % server.address, "--org", server_module.ORG, "--appkey",
                server_module.APPKEY, "--secret", secret, "--quiet"]

    def start(self, server, workload, *flags):
        """In the background; its standard output is the phases and the JSON."""
        run = subprocess.Popen(
            [str(IMSBENCH), workload, *self.flags_for(server), "--phases", "--json", "-",
             *map(str, flags)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        for end in (run.stdout.close, run.stdin.close, run.wait, run.kill):
            self.addCleanup(end)
        return run

    def until(self, run, word):
        for line in run.stdout:
            if line == word + "\n":
                return
        self.fail(f"expected {word!r}, imsbench ended: {run.wait(TIMEOUT_S)}")

    def rest_of(self, run, *expect):
        """Its end, within the patience of the tests, with one of these codes; the result, if it has
        one."""
        patience = threading.Timer(TIMEOUT_S, run.kill)
        patience.start()
        try:
            lines = run.stdout.read().splitlines()
            code = run.wait()
        finally:
            patience.cancel()
        self.assertIn(code, expect)
        results = [json.loads(line) for line in lines if line.startswith("{")]
        return results[0] if results else None

    def own_server(self):
        """To be killed."""
        own = server_module.Server(gateways=1, workers=1)
        self.addCleanup(own.destroy)
        own.add_app()
        own.start()
        return own

    def floor(self, *flags):
        port = server_module.free_port()
        process = subprocess.Popen([str(IMSBENCH), "floor", f"127.0.0.1:{port}", *flags],
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.expect("the floor's word", f"listening on 127.0.0.1:{port}\n",
                    process.stderr.readline())
        return port

    def result_of(self, done):
        result = json.loads(done.stdout)
        self.expect("exit_code in the result", done.returncode, result["exit_code"])
        return result

    def expect_flawless(self, result):
        broken = {rule: count for rule, count in result["violations"].items() if count}
        self.expect("rules broken", {}, broken)
        total = result["total"]
        self.expect("answered of those sent", total["sent"], total["answered"])
