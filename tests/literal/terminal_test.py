#!/usr/bin/python3
"""imsctl chat in a pseudo terminal, and imsctl send and listen for scripts, against a real server:
messages, contacts, history, recall, unread counts, a restart in between without a lost or doubled
line. Source: deploy/README.md; PROTOCOL.md sections 5 and 6."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import case
import codes
import server as server_module
from server import APPKEY, ORG

shared_server = case.use_server()
WAIT_S = 20.0


class Terminal:
    """imsctl chat under a terminal of 80 columns; `text` is what it wrote, without its redraws."""

    def __init__(self, server, user, device="imsctl", columns=80):
        self.user, self.raw = user, bytearray()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["LC_ALL"] = "C.UTF-8"
            os.execv(str(server_module.IMSCTL),
                     [str(server_module.IMSCTL), "--data", str(server.data), "chat", "--org", ORG,
                      "--appkey", APPKEY, "--user", user, "--device", device])
        self.resize(columns)
        self.wait("connected to")

    def resize(self, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))

    def wait_raw(self, wanted):
        """These bytes, the next ones on the screen."""
        deadline = time.monotonic() + WAIT_S
        while wanted.encode() not in self.raw:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.user}: expected {wanted!r}, got {self.raw[-500:]!r}")
            self._read(0.1)
        del self.raw[:self.raw.index(wanted.encode()) + len(wanted.encode())]

    def _read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            got = os.read(self.fd, 65536)
        except OSError:  # the other end has closed
            return False
        self.raw += got
        return bool(got)

    @property
    def lines(self):
        """Whole lines as they stay on the screen: of each, what was drawn last."""
        text = bytes(self.raw).decode(errors="replace").replace("\r\n", "\n")
        return [line.split("\r\x1b[K")[-1] for line in text.split("\n")[:-1]]

    def count(self, pattern):
        return sum(1 for line in self.lines if re.search(pattern, line))

    def wait(self, pattern, count=1):
        deadline = time.monotonic() + WAIT_S
        while self.count(pattern) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.user}: expected {count} lines like {pattern!r}, got:\n"
                                     + "\n".join(self.lines))
            self._read(0.1)

    def type(self, text, enter=True):
        os.write(self.fd, text.encode() + (b"\r" if enter else b""))

    def end(self):
        """/quit; the exit code."""
        self.type("/quit")
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            self._read(0.05)
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.pid = None
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"{self.user}: expected the chat to end after /quit")

    def close(self):
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.fd)
            self.pid = None


class Proxy:
    """Between imsctl and the server: counts connections, swallows what the server sends, cuts."""

    def __init__(self, target):
        self.target, self.pairs, self.connections, self.swallowing = target, [], 0, False
        self.ended = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended:
            with self.lock:
                sockets = [self.listener, *(end for pair in self.pairs for end in pair)]
                for end in select.select(sockets, [], [], 0.01)[0]:
                    self._serve(end)
            time.sleep(0.001)  # so that others get the lock

    def _serve(self, end):
        if end is self.listener:
            self.pairs.append((self.listener.accept()[0], socket.create_connection(self.target)))
            self.connections += 1
            return
        pair = next((pair for pair in self.pairs if end in pair), None)
        if pair is None:
            return
        try:
            data = end.recv(65536)
            if data and not (self.swallowing and end is pair[1]):
                pair[1 - pair.index(end)].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(pair)

    def _drop(self, pair):
        self.pairs.remove(pair)
        for end in pair:
            end.close()

    def swallow(self):
        with self.lock:
            self.swallowing = True

    def cut(self):
        with self.lock:
            for pair in list(self.pairs):
                self._drop(pair)
            self.swallowing = False

    def wait_connections(self, count):
        deadline = time.monotonic() + WAIT_S
        while self.connections < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"expected {count} connections, got {self.connections}")
            time.sleep(0.01)

    def close(self):
        self.ended = True
        self.thread.join()
        self.cut()
        self.listener.close()


class TerminalCase(case.Case):
    shared = shared_server

    def chat(self, user, **options):
        chat = Terminal(self.server, user, **options)
        self.addCleanup(chat.close)
        return chat

    def options(self, user):
        return ("--org", ORG, "--appkey", APPKEY, "--user", user)

    def send(self, user, *where_and_text, check=True):
        return self.server.ctl("send", *self.options(user), *where_and_text, check=check)

    def listen(self, user, *more):
        return subprocess.Popen(
            [str(server_module.IMSCTL), "--data", str(self.server.data), "listen",
             *self.options(user), "--json", *map(str, more)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def listen_through(self, proxy, user, *more):
        return self.listen(user, "--server", "%s:%d" % proxy.address, *more)

    def wait_online(self, user):
        """imsctl found the server: from here on it leaves the store alone, whatever happens."""
        self.eventually(f"{user} online", True, lambda: '"online":true' in self.server.ctl(
            "user", "devices", ORG, APPKEY, user, "--json").stdout)

    def listened(self, process):
        out, _ = process.communicate(timeout=WAIT_S)
        return [json.loads(line) for line in out.splitlines()]


class Scripts(TerminalCase):
    def test_send_prints_the_seq(self):
        ann, bob = case.fresh("ann"), case.fresh("bob")
        self.make_users(bob)
        for seq in (1, 2, 3):
            self.expect("seq", f"{seq}\n", self.send(ann, "--to", bob, f"text {seq}").stdout)
        rows = self.listened(self.listen(bob, "--count", 3, "--seconds", 15))
        self.expect("rows", [("text", ann, bob, seq, f"text {seq}") for seq in (1, 2, 3)],
                    [(r["type"], r["from"], r["to"], r["seq"], r["text"]) for r in rows])

    def test_refusals_have_a_code_and_a_sentence(self):
        done = self.send(case.fresh("ann"), "--to", case.fresh("nobody"), "hi", check=False)
        self.expect("exit code", 1, done.returncode)
        self.assertRegex(done.stderr, r"^imsctl: NOT_FOUND: \w.*\w")
        self.expect("nothing on standard output", "", done.stdout)
        done = self.send(case.fresh("ann"), "hi", check=False)
        self.expect("neither user nor group", 2, done.returncode)

    def test_listen_ends_by_itself(self):
        user = case.fresh("ann")
        self.expect("nothing came", [], self.listened(self.listen(user, "--seconds", 1)))
        short = self.listen(user, "--count", 1, "--seconds", 1)
        self.expect("too few", [], self.listened(short))
        self.expect("too few: exit code", 1, short.returncode)

    def test_listen_over_a_restart(self):
        ann, bob = case.fresh("ann"), case.fresh("bob")
        self.make_users(bob)
        process = self.listen(bob, "--count", 6, "--seconds", 30)
        self.wait_online(bob)
        for number in range(3):
            self.send(ann, "--to", bob, f"before {number}")
        self.server.restart()
        for number in range(3):
            self.send(ann, "--to", bob, f"after {number}")
        out, _ = process.communicate(timeout=60)
        self.expect("each once, in order",
                    [f"{when} {n}" for when in ("before", "after") for n in range(3)],
                    [json.loads(line)["text"] for line in out.splitlines()])

    def test_listen_over_cut_connections(self):
        # A proxy takes the server's bytes and drops them: the kernel took them, listen never saw
        # them. In the inbox and in groups that it has seen no row of.
        ann, bob = self.login(case.fresh("ann")), case.fresh("bob")
        self.make_users(bob)
        groups = [case.fresh("club") for _ in range(3)]
        proxy = Proxy(self.server.address)
        self.addCleanup(proxy.close)
        process = self.listen_through(proxy, bob, "--count", 3 + 6 * 4, "--seconds", 60)
        self.wait_online(bob)
        targets = [{"to": bob}, *({"group": group} for group in groups)]
        for cut in range(3):
            proxy.swallow()
            if cut == 0:
                for group in groups:
                    self.expect_code("CREATE", codes.OK,
                                     ann.group(codes.CREATE, group, users=[bob])[0])
            for target in targets:
                self.store(ann, 1, stem=f"swallowed {cut}", **target)
            time.sleep(0.3)  # the server's kernel has taken them
            proxy.cut()
            for target in targets:
                self.store(ann, 1, stem=f"while away {cut}", **target)
            proxy.wait_connections(cut + 2)
        rows = self.listened(process)
        self.expect("exit code", 0, process.returncode)
        for target, count in ((bob, 6), *((group, 7) for group in groups)):
            seqs = [row["seq"] for row in rows if (row.get("group") or row.get("to")) == target]
            self.expect(f"{target}: each once, in order", list(range(1, count + 1)), seqs)

    def test_listen_over_kill_9(self):
        ann, bob = case.fresh("ann"), case.fresh("bob")
        self.make_users(bob)
        client = self.login(ann)
        groups = [case.fresh("club") for _ in range(2)]
        for group in groups:
            self.expect_code("CREATE", codes.OK,
                             client.group(codes.CREATE, group, users=[bob])[0])
        process = self.listen(bob, "--count", 2 + 3 * 60, "--seconds", 60)
        self.wait_online(bob)
        for round_ in range(3):
            for target in ({"to": bob}, {"group": groups[0]}, {"group": groups[1]}):
                self.store(client, 20, **target)
            time.sleep(0.05 * round_)
            self.server.kill()
            self.server.start()
            client = self.login(ann)
        rows = self.listened(process)
        self.expect("exit code", 0, process.returncode)
        for target, count in ((bob, 60), (groups[0], 61), (groups[1], 61)):
            seqs = [row["seq"] for row in rows if (row.get("group") or row.get("to")) == target]
            self.expect(f"{target}: each once, in order", list(range(1, count + 1)), seqs)

    def test_the_next_listen_goes_on(self):
        ann, bob = self.login(case.fresh("ann")), case.fresh("bob")
        self.make_users(bob)
        self.store(ann, 300, to=bob)  # more than a window
        seen = []
        for count in (1, 4, 200, 95):
            process = self.listen(bob, "--count", count, "--seconds", 15)
            seen += [row["seq"] for row in self.listened(process)]
            self.expect("exit code", 0, process.returncode)
        self.expect("each once, in order", list(range(1, 301)), seen)

    def test_listen_tells_events_and_presence(self):
        ann, bob = self.login(case.fresh("ann")), self.login(case.fresh("bob"))
        process = self.listen(ann.user, "--device", "script", "--count", 2, "--seconds", 15)
        bob.contact(codes.ADD, user=ann.user, note="me")
        ann.contact(codes.ACCEPT, user=bob.user)
        watcher = self.listen(ann.user, "--device", "other", "--watch", bob.user,
                              "--seconds", 6)
        time.sleep(1.5)
        self.send(bob.user, "--to", ann.user, "hi")
        bob.close()
        events = self.listened(process)
        self.expect("the event, then the text", [("contact_event", "add", "me"),
                                                 ("text", None, None)],
                    [(e["type"], e.get("op"), e.get("note")) for e in events])
        presence = [e["online"] for e in self.listened(watcher) if e["type"] == "presence"]
        self.expect("there, then gone", [True, False], presence[:1] + presence[-1:])


class Chats(TerminalCase):
    def test_two_chats_and_a_restart(self):
        ann, bob = case.fresh("ann"), case.fresh("bob")
        self.make_users(bob)
        a, b = self.chat(ann), self.chat(bob)
        a.type(f"@{bob} hello 你好")
        b.wait(f"{ann}: hello 你好$")
        b.type(f"/to @{ann}")
        b.type("and to you")
        a.wait(f"{bob}: and to you$")
        self.server.restart()
        a.wait("connected to", 2)
        b.wait("connected to", 2)
        for number in range(20):
            a.type(f"@{bob} line {number}")
        for number in range(20):
            b.wait(f"{ann}: line {number}$")
        b.wait(f"{ann}: line 19$")
        for number in range(20):
            self.expect(f"line {number} once", 1, b.count(f"{ann}: line {number}$"))
        for what in ("hello 你好", "and to you"):
            whose, other = (b, ann) if what.startswith("hello") else (a, bob)
            self.expect(f"{what} once", 1, whose.count(f"{other}: {what}$"))
        self.expect("ended", [0, 0], [a.end(), b.end()])

    def test_contacts_and_presence(self):
        ann, bob = case.fresh("ann"), case.fresh("bob")
        self.make_users(bob)
        a, b = self.chat(ann), self.chat(bob)
        a.type(f"/add {bob} it's me")
        b.wait(f"{ann} asks to be a contact: it's me")
        b.type("/contacts")
        b.wait(rf"{ann} \(asks you")
        b.type(f"/accept {ann}")
        a.wait(f"{bob} accepted you")
        a.type("/who")
        a.wait(rf"\* {bob} is online \(imsctl\)")
        self.expect("ended", 0, b.end())
        a.wait(rf"\* {bob} is offline, last seen")
        a.type(f"/block {bob}")
        a.wait(rf"{bob} \(blocked\)")
        refused = self.send(bob, "--to", ann, "hi", check=False)
        self.assertIn("FORBIDDEN", refused.stderr)
        a.type(f"/unblock {bob}")
        a.wait(f"{bob} is no contact")

    def test_history_recall_and_unread(self):
        ann, bob = case.fresh("ann"), case.fresh("bob")
        self.make_users(bob)
        for number in range(5):
            self.send(ann, "--to", bob, f"old {number}")
        b = self.chat(bob)
        b.wait("old 4$")
        b.type("/chats")
        b.wait(f"@{ann}  5 unread")
        b.type(f"/history 2 @{ann}")
        b.wait("-- end --")
        b.type(f"/history 3 @{ann}")
        b.wait("-- end --", 2)
        dated = [line for line in b.lines if re.match(r"\d{4}-\d\d-\d\d .*old \d$", line)]
        self.expect("older each time", ["old 3", "old 4", "old 0", "old 1", "old 2"],
                    [line[-5:] for line in dated])
        b.type(f"@{ann} oops")
        b.type("/recall")
        b.wait(r"\* recalled")
        rows = self.listened(self.listen(ann, "--device", "late", "--count", 2, "--seconds", 15))
        recalled = [row for row in rows if row["type"] == "recall"]
        self.expect("tombstone and recall", [True, recalled[0]["seq"]],
                    [row["recalled"] for row in recalled])

    def test_typing_is_not_torn(self):
        ann, bob = case.fresh("ann"), case.fresh("bob")
        self.make_users(ann, bob)
        b = self.chat(bob)
        b.type(f"@{ann} half 世x", enter=False)
        self.send(ann, "--to", bob, "meanwhile")
        b.wait(f"{ann}: meanwhile$")
        b.type("\x7f\x7f界")  # erases x and one whole character
        b.type("")
        b.wait(f"> @{ann} half 界$")
        row, = self.listened(self.listen(ann, "--count", 1, "--seconds", 15))
        self.expect("what was sent", "half 界", row["text"])

    def test_resized(self):
        # Narrower: the terminal has wrapped the line that is being typed, whose rows go too.
        a = self.chat(case.fresh("ann"))
        a.type("你好" * 15 + "end", enter=False)
        a.wait_raw("> " + "你好" * 15 + "end")
        a.resize(30)  # 65 columns: three rows, the cursor is in the last one
        a.wait_raw("\x1b[2A\r\x1b[J> " + "你好" * 6 + "end")
        a.resize(80)
        a.wait_raw("\r\x1b[K> " + "你好" * 15 + "end")
        a.type("\x15x", enter=False)
        a.wait_raw("\r\x1b[K> x")
        a.type("\x15", enter=False)
        self.expect("ended", 0, a.end())

    def test_own_messages_of_another_device(self):
        ann, bob = case.fresh("ann"), case.fresh("bob")
        self.make_users(bob)
        phone, laptop = self.chat(ann, device="phone"), self.chat(ann, device="laptop")
        time.sleep(1.1)  # PROTOCOL.md: the flag that decides on copies may be 1 s old
        phone.type(f"@{bob} from my phone")
        laptop.wait(f"{ann} to @{bob}: from my phone$")
        self.expect("typed here: no second line", 0, phone.count(f"{ann} to @{bob}"))


if __name__ == "__main__":
    case.main()
