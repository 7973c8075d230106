#!/usr/bin/python3
"""What goes wrong at start and at the end: a clear sentence and a non-zero exit instead of a
server, a drain on SIGTERM that loses nothing, and a look at the store while it is in use."""

import collections
import itertools
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import case
import codes
import ims_client
import server as server_module
from messages import BUILD_DIR
from server import APPKEY, ORG


class Start(case.Case):
    def fresh_server(self, **options):
        server = server_module.Server(**options)
        self.addCleanup(server.destroy)
        return server

    def expect_refused(self, what, server, *words, more=(), exit_code=1):
        """imsd ends by itself with that code, and its last words hold one of each `words` entry."""
        with self.assertRaises(server_module.StartFailed, msg=f"{what}: imsd started") as caught:
            server._start_once(more)
        code, text = caught.exception.returncode, str(caught.exception).lower()
        self.assertIsNotNone(code, f"{what}: expected imsd to end, it hung: {text}")
        self.assertEqual(exit_code, code, f"{what}: expected exit {exit_code}, got {code}: {text}")
        for word in words:
            choices = word if isinstance(word, tuple) else (word,)
            self.assertTrue(any(choice.lower() in text for choice in choices),
                            f"{what}: expected one of {choices} in the message, got: {text}")

    def test_port_in_use(self):
        server = self.fresh_server()
        with socket.socket() as holder:
            holder.bind(server.address)
            holder.listen()
            self.expect_refused("port in use", server, str(server.address[1]),
                                ("in use", "taken", "eaddrinuse"))

    def test_data_directory_of_a_running_server(self):
        first = self.fresh_server().start()
        second = self.fresh_server(data=first.data)
        self.expect_refused("same data directory", second, str(first.data))
        first.add_app()
        client = ims_client.Client(first.address, self.messages)
        self.addCleanup(client.close)
        self.expect_code("the first one goes on", codes.OK, client.login(
            ORG, APPKEY, "ann", first.token("ann")))

    def test_two_servers_on_one_port(self):
        # SO_REUSEPORT is for the gateways of one server; a second server must not share in.
        first = self.fresh_server().start()
        second = self.fresh_server()
        second.address = first.address
        self.expect_refused("same port", second, str(first.address[1]))

    def test_data_directory_is_a_file(self):
        server = self.fresh_server()
        server.data.write_text("not a directory")
        self.expect_refused("a file", server, str(server.data))

    def test_unreadable_config(self):
        server = self.fresh_server()
        missing = server.scratch / "missing.toml"
        self.expect_refused("missing", server, "missing.toml", more=("--config", str(missing)),
                            exit_code=2)
        broken = server.scratch / "broken.toml"
        broken.write_text("push_window = = 3\n")
        self.expect_refused("syntax", server, "broken.toml", more=("--config", str(broken)),
                            exit_code=2)
        folder = server.scratch / "folder.toml"
        folder.mkdir()
        self.expect_refused("a directory", server, "folder.toml", more=("--config", str(folder)),
                            exit_code=2)

    def test_unknown_key_names_the_nearest(self):
        server = self.fresh_server()
        config = server.scratch / "imsd.toml"
        config.write_text("push_windov = 3\n")
        self.expect_refused("in the file", server, "push_windov", "push_window",
                            more=("--config", str(config)), exit_code=2)
        self.expect_refused("a flag", server, ("push-windov", "push_windov"),
                            more=("--push-windov", "3"), exit_code=2)

    def test_values_out_of_range(self):
        server = self.fresh_server()
        for flag, value in (("--push-window", "0"), ("--push-window", "x"),
                            ("--push-window", "-1"), ("--max-frame-bytes", "1048577"),
                            ("--login-timeout", "soon"), ("--io", "select"),
                            ("--placement", "both"), ("--edition", "v3"),
                            ("--durability", "maybe"), ("--gateways", "65"),
                            ("--listen", "nowhere"), ("--listen", "127.0.0.1:99999")):
            with self.subTest(flag=flag, value=value):
                self.expect_refused(flag, server, (flag[2:], flag[2:].replace("-", "_"), value),
                                    more=(flag, value), exit_code=2)

    def test_fused_needs_as_many_gateways_as_workers(self):
        server = self.fresh_server()
        server.placement, server.gateways, server.workers = "fused", 1, 2
        self.expect_refused("fused, 1 and 2", server, "fused", exit_code=2)

    def test_config_file_and_environment(self):
        server = self.fresh_server()
        config = server.scratch / "imsd.toml"
        config.write_text("max_message_bytes = 100\n")
        server.start("--config", str(config))
        server.add_app()
        client = ims_client.Client(server.address, self.messages)
        self.addCleanup(client.close)
        client.login(ORG, APPKEY, "ann", server.token("ann"))
        for size, code in ((100, codes.OFFLINE), (101, codes.TOO_LARGE)):
            self.expect_code(f"{size} bytes", code, client.request(
                codes.MESSAGE, self.message(to="ann", payload=bytes(size))))
        self.expect("exit code", 0, server.stop())
        server.wrapper = ("env", "IMS_MAX_MESSAGE_BYTES=50")
        server.start()
        client = ims_client.Client(server.address, self.messages)
        self.addCleanup(client.close)
        client.login(ORG, APPKEY, "ann", server.token("ann"))
        for size, code in ((50, codes.OFFLINE), (51, codes.TOO_LARGE)):
            self.expect_code(f"{size} bytes", code, client.request(
                codes.MESSAGE, self.message(to="ann", payload=bytes(size))))

    def test_print_limits(self):
        done = subprocess.run([str(server_module.IMSD), "--print-limits"], capture_output=True,
                              text=True, timeout=30, env={})
        self.expect("exit code", 0, done.returncode)
        self.assertRegex(done.stdout, r"\d", "expected the memory ceiling, got no number")


class Drain(case.OwnServer, case.Case):
    """SIGTERM: stops accepting, finishes what it accepted, answers it, says SHUTDOWN, exits 0."""

    def test_idle_sessions_are_told(self):
        clients = [self.login(f"u{i}", edition=1 + i % 2) for i in range(20)]
        waiting = self.connect()  # not logged in yet
        self.server.process.send_signal(signal.SIGTERM)
        hints = set()
        for client in clients:
            disconnect = self.expect_disconnect("SIGTERM", codes.SHUTDOWN, client)
            self.assertGreater(disconnect.retry_after_ms, 0, "expected retry_after_ms, got 0")
            hints.add(disconnect.retry_after_ms)
        self.assertGreater(len(hints), 1, f"expected jitter in retry_after_ms, got {hints}")
        waiting.wait_eof()
        self.expect("exit code", 0, self.server.wait_exit())
        with self.assertRaises(OSError, msg="expected no listener after the end"):
            self.connect(timeout=2)

    def test_what_was_accepted_is_answered_and_kept(self):
        self.make_users("rob")
        senders = [self.login(f"sam{i}") for i in range(8)]
        for client in senders:
            client.send_raw(b"".join(client.request_frame(
                codes.MESSAGE, self.message(to="rob", payload=b"%s %d" % (
                    client.user.encode(), i)), True, id=i) for i in range(1, 201)))
        time.sleep(0.02)
        self.server.process.send_signal(signal.SIGTERM)
        acknowledged = {}
        for client in senders:
            self.expect_disconnect("SIGTERM", codes.SHUTDOWN, client)
            ids = sorted(client.responses)
            self.expect("answered in front: no hole", list(range(1, len(ids) + 1)), ids)
            for id, response in client.responses.items():
                self.expect_code("answer", codes.OK, response)
                acknowledged[response.seq] = b"%s %d" % (client.user.encode(), id)
        self.expect("exit code", 0, self.server.wait_exit())
        self.expect("imsctl verify", 0, self.server.verify().returncode)
        self.server.start()
        reader, rows, after = self.login("rob", send_only=True), {}, 0
        while True:
            page = reader.sync(after_seq=after, limit=1000)[1]
            rows.update({m.seq: m.payload for m in page.messages})
            if not page.more:
                break
            after = page.messages[-1].seq
        lost = {seq: text for seq, text in acknowledged.items() if rows.get(seq) != text}
        self.expect("acknowledged rows that are gone or changed", {}, lost)
        print(f"{len(acknowledged)} of 1600 were answered", flush=True)

    def test_auto_cursors_survive(self):
        sender, receiver = self.login("sam"), self.login("rob", ack=codes.AUTO)
        self.store(sender, 30, to="rob")
        receiver.wait_pushes(30)
        self.expect("exit code", 0, self.server.stop())
        self.server.start()
        self.expect("AUTO: final at the session's end", 30,
                    self.login("rob", ack=codes.AUTO).conack.acked_seq)


class Verify(case.OwnServer, case.Case):
    """imsctl verify beside a running server: the store as of one moment, whatever is under way."""

    LOOKS = 8
    server_options = {"workers": 3}

    def copies(self):
        return sorted(path.name for path in (self.own.data / "run").glob("verify-*"))

    def test_messages_and_group_changes_go_on(self):
        users = [f"u{i}" for i in range(12)]
        self.make_users(*users)
        receivers = [self.login(user, device="d", ack=codes.AUTO) for user in users[:4]]
        clients = {user: self.login(user, send_only=True) for user in users}
        stop, failures, done = threading.Event(), [], collections.Counter()

        def load(work):
            try:
                for round in itertools.count(1):
                    if stop.is_set():
                        return
                    work(round)
                    done[work.__name__] += 1
            except BaseException as failure:
                failures.append(failure)

        def messages(round):
            self.store(clients["u0"], 50, to=users[round % len(users)])

        def group(client, op, name, **fields):
            response, _ = client.group(op, name, **fields)
            self.expect_code(f"{codes.OP_NAMES[op]} {name}", codes.OK, response)

        # Members of all three workers come and go: outbox rows are under way all the time.
        def memberships(round):
            owner, name = clients["u1"], f"g{round % 20}"
            if round <= 20:
                group(owner, codes.CREATE, name, users=users[2:8])
            group(owner, codes.KICK, name, users=users[2:5])
            group(owner, codes.INVITE, name, users=users[2:5])
            self.store(owner, 5, group=name)

        def dismissals(round):
            owner, name = clients["u9"], f"x{round}"
            group(owner, codes.CREATE, name, users=users[:9])
            group(clients["u8"], codes.LEAVE, name)
            group(owner, codes.DISMISS, name)

        def cursors(round):
            for receiver in receivers:
                receiver.heartbeat()
                receiver.settle(0.01)

        threads = [threading.Thread(target=load, args=(work,))
                   for work in (messages, memberships, dismissals, cursors)]
        for thread in threads:
            thread.start()
        rows = []
        try:
            self.eventually("load under way", True, lambda: bool(failures) or len(done) == 4)
            for _ in range(self.LOOKS):
                before = sum(done.values())
                text = self.server.verify().stdout  # exit code 0, or it fails with all problems
                rows.append(int(re.search(r"(\d+) rows", text).group(1)))
                self.eventually("load goes on", True,
                                lambda: bool(failures) or sum(done.values()) > before)
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
        self.expect("failures of the load", [], failures)
        self.assertLess(rows[0], rows[-1], "expected the load to show")
        self.expect("ascending", sorted(rows), rows)
        self.eventually("copies left", [], self.copies)
        print(f"rows seen: {rows}; rounds: {dict(done)}", flush=True)
        self.expect("exit code", 0, self.server.stop())
        self.server.verify()

    def test_nothing_is_left_behind(self):
        self.make_users("ann")
        self.assertIn("1 users, 0 groups", self.server.verify().stdout)
        (self.own.data / "run" / "verify-1-1").mkdir()  # of a server that was killed
        self.own.kill()
        self.own.start()
        self.expect("stale copies", [], self.copies())
        asker = subprocess.Popen([str(server_module.IMSCTL), "--data", str(self.own.data),
                                  "verify"], stdout=subprocess.DEVNULL)
        time.sleep(0.02)
        asker.kill()  # wherever it is
        asker.wait()
        self.eventually("a killed imsctl's copy", [], self.copies)
        self.server.verify()


class Damage(case.Case):
    """A byte of a stored message is another one: who asks for it is told, nothing else is lost."""

    def test_one_row(self):
        server = server_module.Server()
        self.addCleanup(server.destroy)
        server.start()
        server.add_app()
        if not server.stats()['ims_info{store="segments"}']:
            self.skipTest("one row damaged: for the segment log; a RocksDB loses a block of them")
        ann, bob = (self.client(server, name) for name in ("ann", "bob"))
        for number in range(9):
            self.expect_code("stored", codes.OK,
                             ann.send_text(f"to bob {number} of nine", True, to="bob"))
            self.expect_code("stored", codes.OK,
                             bob.send_text(f"to ann {number} of nine", True, to="ann"))
        self.expect("exit code", 0, server.stop())
        server.start()  # moves the log's index into the tables
        self.eventually("sealed", 1, lambda: server.stats()["ims_segments_unsealed"], timeout=20)
        self.expect("exit code", 0, server.stop())
        found = []
        for path in (server.data / "store" / "segments").iterdir():
            at = path.read_bytes().find(b"to bob 4 of nine")
            if at >= 0:
                found.append(path)
                with open(path, "r+b") as segment:
                    segment.seek(at)
                    segment.write(b"T")
        self.expect("places of that message", 1, len(found))
        server.start()
        bob = self.client(server, "bob", send_only=True)
        ann = self.client(server, "ann", send_only=True)
        self.expect_code("all of it", codes.UNAVAILABLE, bob.sync(after_seq=0)[0])
        self.expect_code("that row", codes.UNAVAILABLE, bob.sync(after_seq=4, limit=1)[0])
        response, page = bob.sync(before_seq=5, limit=4)
        self.expect_code("those before it", codes.OK, response)
        self.expect("those before it", [1, 2, 3, 4], [row.seq for row in page.messages])
        response, page = bob.sync(after_seq=5)
        self.expect("those behind it", [6, 7, 8, 9], [row.seq for row in page.messages])
        response, page = ann.sync(after_seq=0)
        self.expect("another's", list(range(1, 10)), [row.seq for row in page.messages])
        self.expect_code("stored again", codes.OK, ann.send_text("more", True, to="bob"))
        verified = server.ctl("verify", check=False)
        self.expect("imsctl verify", 1, verified.returncode)
        self.assertIn('"bob": row 5 is damaged', verified.stdout + verified.stderr)
        self.assertNotIn("missing", verified.stdout + verified.stderr)
        self.expect("exit code", 0, server.stop())

    def client(self, server, user, **options):
        client = ims_client.Client(server.address, self.messages)
        self.addCleanup(client.close)
        self.expect_code("login", codes.OK,
                         client.login(ORG, APPKEY, user, server.token(user), **options))
        return client


class Format(case.Case):
    """A data directory of another format, its number written by ims_set_format: refused, by imsd
    and by imsctl, and left as it was."""

    def test_newer_format(self):
        server = server_module.Server()
        self.addCleanup(server.destroy)
        server.add_app()
        server.start()
        self.expect("exit code", 0, server.stop())
        shutil.copytree(server.data / "store", server.data / "before")
        self.set_format(server, 4)
        with self.assertRaises(server_module.StartFailed) as caught:
            server._start_once(())
        self.expect("imsd's exit code", 1, caught.exception.returncode)
        refusal = "has format 4, this imsd reads and writes format 3"
        self.assertIn(refusal, str(caught.exception))
        done = server.ctl("app", "list", check=False)
        self.expect("imsctl's exit code", 1, done.returncode)
        self.assertIn(refusal, done.stderr)
        shutil.rmtree(server.data / "store")
        (server.data / "before").rename(server.data / "store")
        self.set_format(server, 1)  # an earlier one: read as it is
        server.start()
        self.assertIn(APPKEY, server.ctl("app", "list").stdout)

    def set_format(self, server, number):
        subprocess.run([str(BUILD_DIR / "ims_set_format"), str(server.data / "store"),
                        str(number)], check=True, timeout=60)


if __name__ == "__main__":
    case.main()
