"""What every suite has in common: one server per module, fresh names per test, and comparisons that
say what was expected and what came.

  server = case.use_server(push_window=16)      # at module level: started at the first test
  class Window(case.Case): ...
  if __name__ == "__main__": case.main()
"""

import itertools
import os
import sys
import time
import unittest

import codes
import ims_client
import messages as messages_module
import server as server_module

QUIET_S = 0.25  # how long "nothing more comes" is watched, where no later frame can prove it

_names = itertools.count(1)


def fresh(stem):
    """A name that no test of this run used before."""
    return f"{stem}-{next(_names)}"


class SharedServer:
    """Starts on first use and ends with the process' suite; one per module and configuration."""

    def __init__(self, **options):
        self.options, self.server = options, None

    def get(self):
        if self.server is None:
            server = server_module.Server(**self.options)
            try:
                server.start()
                server.add_app()
            except BaseException:
                if server.is_running:
                    server.kill()
                server.destroy()
                raise
            self.server = server
            unittest.addModuleCleanup(self._end)
        return self.server

    def _end(self):
        server, self.server = self.server, None
        exited = None if server.is_running else server.process.returncode
        tail = server.log_tail()
        server.destroy()
        if exited is not None:
            raise AssertionError(f"expected imsd to run until the end, it exited {exited}:\n"
                                 f"{tail}")


def use_server(**options):
    return SharedServer(**options)


class Case(unittest.TestCase):
    """`shared` names the module's server; `messages_of` the set of .proto files, lazily."""

    shared = None
    maxDiff = None

    @property
    def server(self):
        return self.shared.get()

    @property
    def messages(self):
        return messages_module.generated("full")

    # ---- clients ----

    def connect(self, edition=2, messages=None, **options):
        client = ims_client.Client(self.server.address, messages or self.messages, edition,
                                   **options)
        self.addCleanup(client.close)
        return client

    def login(self, user, device="", ack=codes.EXPLICIT, edition=2, expect=codes.OK, token=None,
              org=server_module.ORG, appkey=server_module.APPKEY, client=None, id=0, **additions):
        """A client that is logged in as `user`, who exists from then on."""
        client = client or self.connect(edition)
        conack = client.login(org, appkey, user, token or self.server.token(user), id=id,
                              device=device, ack=ack, **additions)
        self.expect_code(f"login of {user}/{device}", expect, conack)
        client.user, client.device = user, device
        return client

    def make_users(self, *users):
        """Makes users exist: short send_only logins, all under way at once, no known device."""
        clients = []
        for user in users:
            client = self.connect()
            client.send_raw(client.connect_frame(
                server_module.ORG, server_module.APPKEY, user, self.server.token(user),
                send_only=True) + client.disconnect_frame())
            clients.append((user, client))
            if len(clients) == 100:
                self._finish_logins(clients)
        self._finish_logins(clients)

    def _finish_logins(self, clients):
        for user, client in clients:
            self.expect_code(f"first login of {user}", codes.OK, client.wait_conack())
            client.wait_eof()
            client.close()
        clients.clear()

    def message(self, **fields):
        return self.messages.Message(**fields)

    def store(self, client, count=1, first=1, stem="m", **fields):
        """Stores `count` messages with payloads stem-first, ... in one go; their Responses."""
        ids, frames = [], []
        for i in range(first, first + count):
            id = client.take_id()
            ids.append(id)
            frames.append(client.request_frame(
                codes.MESSAGE, self.message(payload=b"%s-%d" % (stem.encode(), i), **fields),
                offline=True, id=id))
        client.send_raw(b"".join(frames))
        responses = [client.wait_response(id) for id in ids]
        for response in responses:
            self.expect_code("stored message", codes.OK, response)
        return responses

    def contact(self, client, op, user, expect=codes.OK, **fields):
        """One contact operation of `client` about `user`; the one contact of its answer."""
        response, result = client.contact(op, user, **fields)
        name = codes.CONTACT_OP_NAMES[op] if op < len(codes.CONTACT_OP_NAMES) else op
        self.expect_code(f"{name} of {user!r} by {client.user}"[:200], expect, response)
        self.expect("Response.seq", 0, response.seq)
        if expect != codes.OK:
            return None
        self.expect("contacts in the answer", [user], [c.user for c in result.contacts])
        return result.contacts[0]

    def befriend(self, client, *peers):
        """Makes `client` and each of `peers`, who are logged in, friends: one event to each."""
        for peer in peers:
            self.contact(client, codes.ADD, peer.user)
            self.contact(peer, codes.ACCEPT, client.user)
            self.expect("event", codes.ADD, self.wait_contact_event(peer).op)
            self.expect("event", codes.ACCEPT, self.wait_contact_event(client).op)

    def wait_contact_event(self, client):
        push = client.wait_push()
        self.expect("push type", codes.CONTACT, push.type)
        return push.body

    # ---- comparisons ----

    def expect(self, what, expected, got):
        if expected != got:
            self.fail(f"{what}: expected {shown(expected)}, got {shown(got)}")

    def expect_code(self, what, expected, response):
        if response.code != expected:
            self.fail(f"{what}: expected {codes.code_name(expected)}, got "
                      f"{codes.code_name(response.code)} {response.reason!r}")
        if expected != codes.OK and not response.reason:
            self.fail(f"{what}: expected a sentence in reason beside "
                      f"{codes.code_name(expected)}, got none")

    def expect_disconnect(self, what, expected, client):
        disconnect = client.wait_disconnect()
        if disconnect.code != expected:
            self.fail(f"{what}: expected Disconnect {codes.disconnect_name(expected)}, got "
                      f"{codes.disconnect_name(disconnect.code)} {disconnect.reason!r}")
        client.wait_eof()
        return disconnect

    def expect_closed_after_answer(self, what, client):
        """The server closed behind its last answer, with no Disconnect of its own."""
        client.wait_eof()
        if client.disconnect is not None:
            self.fail(f"{what}: expected no Disconnect, got {client.disconnect}")

    def expect_quiet(self, what, *clients, seconds=QUIET_S):
        """Nothing is pushed. A heartbeat's answer first: what was on its way has come by then."""
        for client in clients:
            before = client.heartbeats
            client.heartbeat()
            client.wait_heartbeats(before + 1)
        deadline = time.monotonic() + seconds
        for client in clients:
            client.settle(max(0.01, deadline - time.monotonic()))
            if client.pushes:
                self.fail(f"{what}: expected no push, got {list(client.pushes)[:5]}")
            if client.eof:
                self.fail(f"{what}: expected the connection to live, got {client.disconnect}")

    def expect_pushed_seqs(self, what, expected, client):
        pushes = client.wait_pushes(len(expected))
        self.expect(what, list(expected), [push.seq for push in pushes])
        return pushes

    def eventually(self, what, expected, probe, timeout=20.0, pause=0.05):
        """Polls until probe() == expected: for what the protocol promises only `within` a time."""
        deadline = time.monotonic() + timeout
        while (got := probe()) != expected:
            if time.monotonic() > deadline:
                self.fail(f"{what}: expected {shown(expected)} within {timeout} s, got "
                          f"{shown(got)}")
            time.sleep(pause)


def shown(value):
    text = repr(value)
    return text if len(text) <= 600 else text[:600] + f"... ({len(text)} characters)"


class OwnServer:
    """Mixed in before a Case: a server of the test's own, which it may stop, kill and start again."""

    server_options = {}

    @property
    def server(self):
        return self.own

    def setUp(self):
        self.own = server_module.Server(**self.server_options)
        self.addCleanup(self.own.destroy)
        self.own.start()
        self.own.add_app()


class LineResult(unittest.TextTestResult):
    """One line per test: its outcome, time and name; details of failures come at the end."""

    def startTest(self, test):
        super(unittest.TextTestResult, self).startTest(test)
        self._started = time.monotonic()

    def _line(self, word, test):
        print(f"{word:7} {time.monotonic() - self._started:6.2f} s  {test.id()}", flush=True)

    def addSuccess(self, test):
        self._line("ok", test)

    def addFailure(self, test, err):
        super(unittest.TextTestResult, self).addFailure(test, err)
        self._line("FAILED", test)

    def addError(self, test, err):
        super(unittest.TextTestResult, self).addError(test, err)
        if not hasattr(test, "_testMethodName"):
            self._started = time.monotonic()  # a module's or class' end, not a test
        self._line("ERROR", test)

    def addSkip(self, test, reason):
        super(unittest.TextTestResult, self).addSkip(test, reason)
        self._line("SKIPPED", test)
        print(f"        {reason}", flush=True)

    def addSubTest(self, test, subtest, err):
        super(unittest.TextTestResult, self).addSubTest(test, subtest, err)
        if err is not None:
            self._line("FAILED", subtest)


SKIPPED_EXIT_CODE = 77  # ctest's SKIP_RETURN_CODE


def main(only=()):
    """Runs the calling file's tests. Exit code 0, 1 (failed) or 77 (all skipped)."""
    only = list(only) or sys.argv[1:]
    # -k keeps unittest's meaning: a substring or pattern of the test's name.
    arguments = [sys.argv[0]] + [word for pattern in only for word in ("-k", pattern)]
    print(f"io={server_module.io_name()} placement={server_module.placement_name()} "
          f"build={os.fspath(messages_module.BUILD_DIR)}", flush=True)
    runner = unittest.TextTestRunner(resultclass=LineResult, verbosity=0, stream=sys.stdout)
    program = unittest.main(module="__main__", argv=arguments, testRunner=runner, exit=False)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun and len(result.skipped) == result.testsRun:
        sys.exit(SKIPPED_EXIT_CODE)
    if not result.testsRun:
        print(f"no test matches {only}")
        sys.exit(1)
    sys.exit(0)
