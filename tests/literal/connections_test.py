#!/usr/bin/python3
"""Many connections at once: IMS_CONNECTIONS (10,000) logged in, idle, all served; and more
connections than descriptors the server may open, over several gateways. The clients are few
objects around non-blocking sockets: 10,000 of ims_client.Client would measure Python."""

import errno
import os
import resource
import select
import socket
import time

import case
import codes
import server as server_module
import wire
from server import APPKEY, ORG

COUNT = int(os.environ.get("IMS_CONNECTIONS", "10000"))
IN_FLIGHT = 256  # logins under way: below the kernel's listen queue
RESERVE = 200    # descriptors of this process besides the connections
WAIT_S = 120


class Idle:
    """One connection of the crowd: what arrived, cut into frames."""

    __slots__ = ("socket", "frames", "bodies", "eof")

    def __init__(self, address):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.frames, self.bodies, self.eof = wire.FrameBuffer(), [], False
        error = self.socket.connect_ex(address)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))


class Crowd(case.Case):
    shared = case.use_server()
    PER_USER = 4

    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < self.count + RESERVE:
            self.skipTest(f"{self.count} connections need {self.count + RESERVE} descriptors, the "
                          f"hard limit is {hard}")
        # The server inherits it, and needs descriptors for its store as well.
        raised = 2 * self.count + RESERVE if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    count = COUNT

    def read_until(self, waiting, is_done, what):
        """Reads from {fd: Idle} until each is done; returns them in no order."""
        poller = select.epoll()
        for fd in waiting:
            poller.register(fd, select.EPOLLIN)
        waiting = dict(waiting)
        deadline = time.monotonic() + WAIT_S
        try:
            while waiting:
                left = deadline - time.monotonic()
                if left <= 0:
                    self.fail(f"{what}: expected all, {len(waiting)} connections are still waiting")
                for fd, _ in poller.poll(left):
                    idle = waiting[fd]
                    self.take(idle)
                    if idle.eof and not is_done(idle):
                        self.fail(f"{what}: expected the connection to live, got EOF after "
                                  f"{[b[:40] for b in idle.bodies]}")
                    if is_done(idle):
                        poller.unregister(fd)
                        del waiting[fd]
        finally:
            poller.close()

    def take(self, idle):
        try:
            data = idle.socket.recv(65536)
        except BlockingIOError:
            return
        idle.eof = not data
        idle.frames.append(data)
        while (body := idle.frames.next()) is not None:
            idle.bodies.append(body)

    def fill(self, count, first=0):
        """`count` logged-in connections, PER_USER devices a user, users numbered from `first`."""
        m, crowd = self.messages, []
        users = [f"u{first + i}" for i in range(-(-count // self.PER_USER))]
        tokens = {user: self.server.token(user) for user in users}
        for start in range(0, count, IN_FLIGHT):
            batch = {}
            for i in range(start, min(start + IN_FLIGHT, count)):
                user, device = users[i // self.PER_USER], f"d{i % self.PER_USER}"
                idle = Idle(self.server.address)
                self.addCleanup(idle.socket.close)
                command = m.CommandV2(version=2)
                command.connect.CopyFrom(m.Connect(org=ORG, appkey=APPKEY, user=user,
                                                   token=tokens[user], device=device))
                batch[idle.socket.fileno()] = (idle, wire.frame(command.SerializeToString()))
            poller = select.epoll()
            for fd in batch:
                poller.register(fd, select.EPOLLOUT)
            unsent = dict(batch)
            while unsent:
                ready = poller.poll(WAIT_S)
                self.assertTrue(ready, f"expected connections within {WAIT_S} s, "
                                       f"{len(unsent)} are not established")
                for fd, _ in ready:
                    idle, data = unsent.pop(fd)
                    idle.socket.send(data)
                    poller.unregister(fd)
            poller.close()
            self.read_until({fd: idle for fd, (idle, _) in batch.items()},
                            lambda idle: bool(idle.bodies), "login")
            for idle, _ in batch.values():
                self.expect_code("login", codes.OK,
                                 m.CommandV2.FromString(idle.bodies.pop()).conack)
                crowd.append(idle)
        return crowd, users

    def check_crowd(self, crowd, users, sender):
        """Each answers a heartbeat; a sample of the users gets a stored and a relayed message."""
        by_fd = {idle.socket.fileno(): idle for idle in crowd}
        for idle in crowd:
            idle.socket.send(wire.HEARTBEAT)
        self.read_until(by_fd, lambda idle: b"" in idle.bodies, "heartbeat")
        for idle in crowd:
            idle.bodies.clear()
        sample = range(0, len(users), max(1, len(users) // 500))
        for i in sample:
            sender.post(codes.MESSAGE, self.message(to=users[i], payload=b"%d" % i), True)
            sender.post(codes.MESSAGE, self.message(to=users[i], payload=b"now"))
        sender.half_close()
        sender.wait_eof()
        self.expect("refused", [], [r for r in sender.responses.values() if r.code != codes.OK])
        per_user = {i: crowd[i * self.PER_USER:(i + 1) * self.PER_USER] for i in sample}
        self.read_until({idle.socket.fileno(): idle for group in per_user.values()
                         for idle in group}, lambda idle: len(idle.bodies) >= 2, "pushes")
        m = self.messages
        for i, group in per_user.items():
            for idle in group:
                got = sorted(m.Message.FromString(m.CommandV2.FromString(body).request.payload)
                             .payload for body in idle.bodies)
                self.expect(f"pushed to {users[i]}", sorted([b"%d" % i, b"now"]), got)

    def test_all_at_once(self):
        crowd, users = self.fill(self.count)
        self.expect("connections", self.count, len(crowd))
        stats = self.server.stats()
        self.expect("ims_sessions", self.count, int(stats["ims_sessions"]))
        sender = self.login(case.fresh("sam"))
        self.check_crowd(crowd, users, sender)
        for idle in (*crowd, sender):
            idle.socket.close()
        self.eventually("ims_sessions after all left", 0,
                        lambda: int(self.server.stats()["ims_sessions"]), timeout=60)


class ManyRings(Crowd):
    """prlimit --nofile=300 for the server, one gateway, 1,000 connections and more: a ring's table
    holds 300, so it takes four, the last one as large as max_connections leaves it."""

    MOST, RESERVE = 1100, 16  # shared/limits.h: kConnectionReserve
    shared = case.use_server(gateways=1, workers=1, max_connections=MOST,
                             wrapper=("prlimit", "--nofile=300:300"))
    count = 1000

    def setUp(self):
        if server_module.io_name() != "uring":
            self.skipTest("epoll: a socket is a descriptor, 300 cannot hold 1,000")
        super().setUp()

    def stat(self, name):
        return int(self.server.stats()[name])

    def test_all_at_once(self):
        crowd, users = self.fill(self.count)
        self.expect("rings", 4, self.stat("ims_io_rings"))
        self.expect("ims_sessions", self.count, self.stat("ims_sessions"))
        self.check_crowd(crowd, users, self.login(case.fresh("sam")))  # sam is on the last ring

        # Every second user leaves, on all rings; their places are taken again.
        for i in range(0, len(users), 2):
            for idle in crowd[i * self.PER_USER:(i + 1) * self.PER_USER]:
                idle.socket.close()
        left = self.count - len(users[::2]) * self.PER_USER
        self.eventually("ims_sessions after half left", left, lambda: self.stat("ims_sessions"))
        kept = [idle for i in range(1, len(users), 2)
                for idle in crowd[i * self.PER_USER:(i + 1) * self.PER_USER]]
        for idle in kept:
            idle.bodies.clear()
        self.check_crowd(kept, users[1::2], self.login(case.fresh("sam")))
        again, back = self.fill(self.count - left, first=len(users))
        self.expect("rings after the return", 4, self.stat("ims_io_rings"))
        self.expect("accept errors", 0, self.stat("ims_accept_errors_total"))

        # Up to the reserve below the last table's end; then nobody gets in, and all are served.
        self.eventually("connections before the rest", self.count,
                        lambda: self.stat("ims_connections"))
        full = self.MOST - self.RESERVE
        for _ in range(full - self.count):
            self.login(case.fresh("late"))
        self.eventually("ims_accept_pauses_total", 1, lambda: self.stat("ims_accept_pauses_total"))
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(self.server.address, timeout=10)
        self.expect("connections", full, self.stat("ims_connections"))
        for idle in kept[:2 * self.RESERVE]:
            idle.socket.close()
        self.eventually("a connection once others left", True, self.can_connect)
        sender = self.login(case.fresh("sam"))
        for idle in again:
            idle.bodies.clear()
        self.expect("rings at the end", 4, self.stat("ims_io_rings"))
        self.check_crowd(again, back, sender)

    def can_connect(self):
        try:
            socket.create_connection(self.server.address, timeout=10).close()
        except ConnectionRefusedError:
            return False
        return True


class FewDescriptors(Crowd):
    """prlimit --nofile=512 for the server, 4 gateways, 1,200 connections. Direct descriptors are
    not counted there; on epoll 1,200 sockets cannot be had with 512 descriptors: the server closes
    its listeners in time, everyone who is in is served, and it takes new ones when others
    leave."""

    shared = case.use_server(gateways=4, wrapper=("prlimit", "--nofile=512"))
    count = 1200

    def test_all_at_once(self):
        if server_module.io_name() != "uring":
            self.skipTest("epoll: a socket is a descriptor, 512 cannot hold 1,200")
        super().test_all_at_once()

    def test_epoll_stops_accepting_below_its_limit(self):
        if server_module.io_name() == "uring":
            self.skipTest("uring: direct descriptors are not counted")
        crowd, users = self.fill(96)
        sender = self.login(case.fresh("sam"))
        more = [Idle(self.server.address) for _ in range(600)]
        for idle in more:
            self.addCleanup(idle.socket.close)
        time.sleep(0.5)
        self.check_crowd(crowd, users, sender)
        for idle in more:
            idle.socket.close()
        for idle in crowd[:self.PER_USER * 8]:
            idle.socket.close()

        def login_code():
            try:
                client = self.connect(timeout=5)
            except OSError as error:  # the listener is closed
                return error.strerror
            user = case.fresh("new")
            try:
                return client.login(ORG, APPKEY, user, self.server.token(user)).code
            except (AssertionError, OSError) as error:
                return str(error)
        self.eventually("a new login once others left", codes.OK, login_code, timeout=60, pause=0.5)


if __name__ == "__main__":
    case.main()
