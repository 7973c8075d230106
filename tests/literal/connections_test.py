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

    def fill(self, count):
        """`count` logged-in connections, PER_USER devices a user."""
        m, crowd, users = self.messages, [], [f"u{i}" for i in range(-(-count // self.PER_USER))]
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
