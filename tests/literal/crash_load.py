"""Load for the crash tests, and the book of what was promised: many pipelining connections in one
epoll loop, every OK, push and acknowledged cursor written down, and the comparison with what the
server has after it was started again. Used by kill_test.py and power_test.py.

A round:
  connect -> closed loop for a moment -> a burst of whole windows -> crash somewhere in it ->
  drain what the kernel still holds -> restart -> compare -> send again what had no answer

What must hold after every crash (PROTOCOL.md sections 4, 5):
  - each message that was answered OK is in its timeline at its seq, with its time_ms
  - each row that was pushed is there too, the same: nothing leaves before it is durable
  - seqs are dense, no client_id is twice in a timeline, per sender and target the order of sending
  - a cursor whose ACK was answered OK did not go back; rows are pushed from behind it on
  - a repeat of an answered message is a duplicate with the first one's seq and time_ms
"""

import collections
import random
import select
import socket
import time

import codes
import wire
from server import APPKEY, ORG

WINDOW = 250       # requests in flight per sender: below max_inflight
SENDERS = 40       # 40 x 250: far above the 1,000 that a crash has to find unanswered
RECEIVERS = 16
GROUPS = 4
GROUP_MEMBERS = 4  # of the receivers, besides all senders
ACK_EVERY = 50     # pushes per cursor
WAIT_S = 60


class Item:
    """One message to be stored: where it goes, and its frame on the wire."""

    __slots__ = ("sender", "number", "target", "client_id", "payload", "frame")

    def __init__(self, messages, sender, number, target):
        self.sender, self.number, self.target = sender, number, target
        self.client_id = b"%s.%d" % (sender.encode(), number)
        self.payload = b"%s %d %s" % (sender.encode(), number, b"." * (number % 97))
        kind, name = target
        message = messages.Message(payload=self.payload, client_id=self.client_id, **{kind: name})
        request = messages.Request(type=codes.MESSAGE, payload=message.SerializeToString())
        request.opts.add().offline = True
        command = messages.CommandV2(version=2, id=number)
        command.request.CopyFrom(request)
        self.frame = wire.frame(command.SerializeToString())


class Peer:
    """One connection of the fleet. `take(command)` gets each frame of the server."""

    def __init__(self, address, messages, user, token, **connect):
        self.user, self.messages = user, messages
        self.frames, self.out, self.conack, self.eof = wire.FrameBuffer(), bytearray(), None, False
        self.socket = socket.create_connection(address, timeout=WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        command = messages.CommandV2(version=2)
        command.connect.CopyFrom(messages.Connect(org=ORG, appkey=APPKEY, user=user, token=token,
                                                  **connect))
        self.out += wire.frame(command.SerializeToString())

    def read(self):
        """Everything the kernel has; True if there was something."""
        got = False
        while not self.eof:
            try:
                data = self.socket.recv(262144)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data = b""
            self.eof = not data
            got = got or bool(data)
            self.frames.append(data)
            while (body := self.frames.next()) is not None:
                command = self.messages.CommandV2.FromString(body)
                if self.conack is None:
                    self.conack = command.conack
                    if self.conack.code != codes.OK:
                        raise AssertionError(f"login of {self.user}: expected OK, got {command}")
                else:
                    self.take(command)
        return got

    def write(self):
        while self.out and not self.eof:
            try:
                sent = self.socket.send(self.out)
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                return  # the crash: read() sees the end
            del self.out[:sent]


class Sender(Peer):
    """A send_only session that keeps up to WINDOW of its queue unanswered."""

    def __init__(self, address, messages, user, token, book):
        super().__init__(address, messages, user, token, send_only=True)
        self.book, self.queue, self.pending = book, collections.deque(), {}

    def fill(self):
        while self.queue and len(self.pending) < WINDOW:
            item = self.queue.popleft()
            self.pending[item.number] = item
            self.out += item.frame

    def take(self, command):
        if not command.HasField("response"):
            if command.HasField("disconnect"):
                return
            raise AssertionError(f"{self.user}: expected responses alone, got {command}")
        item = self.pending.pop(command.id, None)
        if item is None:
            raise AssertionError(f"{self.user}: a response to nothing that is open: {command}")
        self.book.on_response(item, command.response)


class Receiver(Peer):
    """An EXPLICIT session: checks the order of its pushes and acknowledges some of them."""

    def __init__(self, address, messages, user, token, book):
        super().__init__(address, messages, user, token, ack=codes.EXPLICIT)
        self.book, self.last, self.since_ack, self.acks = book, {}, collections.Counter(), {}
        self.next_id = 1

    def take(self, command):
        if command.HasField("response"):
            timeline, seq = self.acks.pop(command.id)
            self.book.on_ack(self.user, timeline, seq, command.response)
        elif command.HasField("request"):
            m, request = self.messages, command.request
            row = (m.GroupEvent if request.type == codes.GROUP else m.Message).FromString(
                request.payload)
            timeline = ("group", row.group) if row.group else ("to", self.user)
            first = timeline not in self.last
            if not first and row.seq != self.last[timeline] + 1:
                raise AssertionError(f"{self.user}, {timeline}: expected push "
                                     f"{self.last[timeline] + 1}, got {row.seq}")
            if first:
                self.book.on_first_push(self, timeline, row.seq)
            self.last[timeline] = row.seq
            if request.type == codes.MESSAGE:
                self.book.on_push(timeline, row)
            self.since_ack[timeline] += 1
            if self.since_ack[timeline] >= ACK_EVERY:
                self.send_ack(timeline, row.seq)

    def send_ack(self, timeline, seq):
        self.since_ack[timeline] = 0
        m = self.messages
        ack = m.AckRequest(seq=seq, group=timeline[1] if timeline[0] == "group" else "")
        command = m.CommandV2(version=2, id=self.next_id)
        command.request.CopyFrom(m.Request(type=codes.ACK, payload=ack.SerializeToString()))
        self.acks[self.next_id] = (timeline, seq)
        self.next_id += 1
        self.out += wire.frame(command.SerializeToString())


class Book:
    """Everything that the server promised, over all rounds."""

    def __init__(self):
        self.answered = {}      # client_id and target -> (Item, seq, time_ms)
        self.at = {}            # (timeline, seq) -> client_id, of answered ones
        self.pushed = {}        # (timeline, seq) -> (client_id, payload, time_ms)
        self.cursors = {}       # (user, timeline) -> acknowledged seq, answered OK
        self.refused = []       # Items with OVERLOADED or UNAVAILABLE: to be sent again
        self.reordered = set()  # (sender, target) with a refusal: their order is not kept
        self.ok_times = []
        self.now = 0.0

    def on_response(self, item, response):
        key = (item.client_id, item.target)
        if response.code in (codes.OVERLOADED, codes.UNAVAILABLE):
            self.refused.append(item)
            self.reordered.add((item.sender, item.target))
            return
        if response.code != codes.OK:
            raise AssertionError(f"{key}: expected OK, got {codes.code_name(response.code)} "
                                 f"{response.reason!r}")
        if key in self.answered:
            _, seq, time_ms = self.answered[key]
            if (response.duplicate, response.seq, response.time_ms) != (True, seq, time_ms):
                raise AssertionError(f"{key}: expected a duplicate with seq {seq}, time_ms "
                                     f"{time_ms}, got {response}")
            return
        self.answered[key] = (item, response.seq, response.time_ms)
        other = self.at.setdefault((item.target, response.seq), item.client_id)
        if other != item.client_id:
            raise AssertionError(f"{item.target} seq {response.seq}: answered to {other} and to "
                                 f"{item.client_id}")
        self.ok_times.append(self.now)

    def on_push(self, timeline, message):
        row = (message.client_id, message.payload, message.time_ms)
        if self.pushed.setdefault((timeline, message.seq), row) != row:
            raise AssertionError(f"{timeline} seq {message.seq}: pushed as {row} and as "
                                 f"{self.pushed[timeline, message.seq]}")

    def on_ack(self, user, timeline, seq, response):
        if response.code in (codes.OVERLOADED, codes.UNAVAILABLE):
            return
        if response.code != codes.OK:
            raise AssertionError(f"ACK {seq} of {timeline} by {user}: got {response}")
        self.cursors[user, timeline] = max(seq, self.cursors.get((user, timeline), 0))

    def on_first_push(self, receiver, timeline, seq):
        acked = self.cursors.get((receiver.user, timeline), 0)
        if seq <= acked:
            raise AssertionError(f"{receiver.user}, {timeline}: the cursor went back: "
                                 f"acknowledged {acked}, pushed again from {seq}")
        if timeline[0] == "to" and seq != receiver.conack.acked_seq + 1:
            raise AssertionError(f"{receiver.user}: expected the first push at "
                                 f"{receiver.conack.acked_seq + 1}, got {seq}")


class Fleet:
    """The connections of all rounds, over one server that comes and goes."""

    def __init__(self, server, messages, seed):
        self.server, self.messages = server, messages
        self.random = random.Random(seed)
        self.book = Book()
        self.sender_names = [f"sender{i}" for i in range(SENDERS)]
        self.receiver_names = [f"receiver{i}" for i in range(RECEIVERS)]
        self.targets = ([("to", name) for name in self.receiver_names]
                        + [("group", f"group{i}") for i in range(GROUPS)])
        self.numbers = collections.Counter()
        self.rows = {target: {} for target in self.targets}  # seq -> (client_id, payload, time_ms)
        self.ids_seen = {target: {} for target in self.targets}  # client_id -> seq
        self.last_number = {}  # (sender, target) -> highest number in the timeline
        self.senders, self.receivers, self.unanswered = [], [], []

    # ---- connections ----

    def make_groups(self, client):
        """Once: groups of all senders and some receivers. `client`: an ims_client factory."""
        owner = client(self.sender_names[0])
        for i in range(GROUPS):
            members = [self.receiver_names[(i * GROUP_MEMBERS + j) % RECEIVERS]
                       for j in range(GROUP_MEMBERS)]
            response, _ = owner.group(codes.CREATE, f"group{i}",
                                      users=self.sender_names[1:] + members)
            if response.code != codes.OK:
                raise AssertionError(f"CREATE group{i}: got {response}")

    def connect(self):
        token, address = self.server.token, self.server.address
        promised = dict(self.book.cursors)  # while others log in, the first ones acknowledge more
        self.receivers = [Receiver(address, self.messages, name, token(name), self.book)
                          for name in self.receiver_names]
        self.senders = [Sender(address, self.messages, name, token(name), self.book)
                        for name in self.sender_names]
        self.epoll = select.epoll()
        self.by_fd = {}
        for peer in (*self.receivers, *self.senders):
            self.by_fd[peer.socket.fileno()] = peer
            self.epoll.register(peer.socket.fileno(), select.EPOLLIN)
        self.run_until(lambda: all(peer.conack for peer in self.by_fd.values()), "logins")
        for receiver in self.receivers:
            acked = promised.get((receiver.user, ("to", receiver.user)), 0)
            if receiver.conack.acked_seq < acked:
                raise AssertionError(f"{receiver.user}: the cursor went back from {acked} to "
                                     f"{receiver.conack.acked_seq}")

    def close(self):
        for peer in (*self.receivers, *self.senders):
            peer.socket.close()
        self.epoll.close()

    def step(self, timeout):
        for peer in self.by_fd.values():
            if peer.out:
                peer.write()
        is_blocked = any(peer.out for peer in self.by_fd.values())
        events = self.epoll.poll(min(timeout, 0.005) if is_blocked else timeout)
        self.book.now = time.monotonic()
        for fd, _ in events:
            self.by_fd[fd].read()

    def run_until(self, is_done, what, timeout=WAIT_S):
        deadline = time.monotonic() + timeout
        while not is_done():
            if time.monotonic() > deadline:
                raise AssertionError(f"expected {what} within {timeout} s, got "
                                     f"{sum(len(s.pending) for s in self.senders)} unanswered, "
                                     f"log:\n{self.server.log_tail()}")
            if any(peer.eof for peer in self.by_fd.values()):
                raise AssertionError(f"{what}: expected the connections to live, one ended; log:\n"
                                     f"{self.server.log_tail()}")
            for sender in self.senders:
                if sender.queue:
                    sender.fill()
            self.step(0.05)

    # ---- load ----

    def queue_items(self, count):
        for sender in self.senders:
            for _ in range(count):
                self.numbers[sender.user] += 1
                sender.queue.append(Item(self.messages, sender.user, self.numbers[sender.user],
                                         self.random.choice(self.targets)))

    def load_until_crash(self, crash, delay_s):
        """Some closed-loop load, then a burst of whole windows and `crash()` within it, `delay_s`
        after its last byte was handed to the kernel. Returns how many requests had no answer."""
        self.queue_items(self.random.randrange(20, 80))
        self.run_until(lambda: not any(s.queue or s.pending for s in self.senders), "answers")
        self.queue_items(WINDOW)
        for sender in self.senders:
            sender.fill()
        self.book.ok_times.clear()
        for sender in self.senders:
            sender.write()
        deadline = time.monotonic() + delay_s
        while (left := deadline - time.monotonic()) > 0:
            self.step(left)
        crashed_at = crash(self)
        self.drain()
        self.unanswered = [item for sender in self.senders
                           for item in (*sender.pending.values(), *sender.queue)]
        self.unanswered += self.book.refused
        self.book.refused = []
        last = sum(1 for t in self.book.ok_times if t > crashed_at - 0.010)
        burst = len(self.book.ok_times)
        self.close()
        return len(self.unanswered), burst, last

    def drain(self):
        """Reads what the kernel still holds of every connection."""
        self.book.now = time.monotonic()
        for peer in self.by_fd.values():
            peer.read()

    # ---- after the restart ----

    def read_timelines(self, client):
        """SYNC of every timeline from where the last round ended: the new rows, checked."""
        for kind, name in self.targets:
            user = name if kind == "to" else self.sender_names[0]
            reader = client(user)
            target, rows = (kind, name), self.rows[kind, name]
            group = name if kind == "group" else ""
            after = max(rows, default=0)
            while True:
                response, page = reader.sync(group, after_seq=after, limit=1000)
                if response.code != codes.OK:
                    raise AssertionError(f"SYNC of {target}: expected OK, got {response}")
                new = {m.seq: (m.client_id, m.payload, m.time_ms) for m in page.messages}
                new.update({e.seq: (None, None, e.time_ms) for e in page.group_events})
                expected = list(range(after + 1, after + 1 + len(new)))
                if sorted(new) != expected:
                    raise AssertionError(f"{target}: expected dense seqs from {after + 1}, got "
                                         f"{sorted(new)[:20]}...")
                for seq in expected:
                    self.check_row(target, seq, new[seq], rows)
                after += len(new)
                if not page.more:
                    break
            if page.head_seq != after:
                raise AssertionError(f"{target}: expected head {after}, got {page.head_seq}")
            reader.close()

    def check_row(self, target, seq, row, rows):
        client_id, _, time_ms = row
        if rows and time_ms < rows[seq - 1][2]:
            raise AssertionError(f"{target} seq {seq}: time_ms went back from {rows[seq - 1][2]} "
                                 f"to {time_ms}")
        rows[seq] = row
        if client_id is None:
            return
        first = self.ids_seen[target].setdefault(client_id, seq)
        if first != seq:
            raise AssertionError(f"{target}: {client_id} is stored twice, at {first} and {seq}")
        sender, _, number = client_id.decode().partition(".")
        key = (sender, target)
        if key not in self.book.reordered and int(number) <= self.last_number.get(key, 0):
            raise AssertionError(f"{target}: {client_id} came behind number "
                                 f"{self.last_number[key]} of the same sender")
        self.last_number[key] = int(number)

    def lost(self):
        """Promised rows that the store does not hold, or holds otherwise."""
        found = []
        for (client_id, target), (item, seq, time_ms) in self.book.answered.items():
            if self.rows[target].get(seq) != (client_id, item.payload, time_ms):
                found.append(("answered", target, seq, client_id,
                              self.rows[target].get(seq)))
        for (target, seq), row in self.book.pushed.items():
            if self.rows[target].get(seq) != row:
                found.append(("pushed", target, seq, row, self.rows[target].get(seq)))
        return found

    def send_again(self):
        """What had no answer, and some of what had: the second kind must be duplicates."""
        again = collections.defaultdict(list)
        answered = [item for item, _, _ in self.book.answered.values()]
        recent = answered[-2000:]
        sample = (self.random.sample(recent, min(200, len(recent)))
                  + self.random.sample(answered, min(50, len(answered))))
        for item in (*self.unanswered, *sample):
            again[item.sender].append(item)
        for sender in self.senders:
            # Numbers are the ids on the wire: each once, in the order of sending.
            unique = {item.number: item for item in again[sender.user]}
            sender.queue.extend(unique[number] for number in sorted(unique))
        self.run_until(lambda: not any(s.queue or s.pending for s in self.senders), "answers")
        waited = 0
        while self.book.refused:
            waited += 1
            if waited > 200:
                raise AssertionError(f"{len(self.book.refused)} messages are refused for ever")
            time.sleep(0.05)
            refused, self.book.refused = self.book.refused, []
            by_name = {sender.user: sender for sender in self.senders}
            for item in refused:
                by_name[item.sender].queue.append(item)
            self.run_until(lambda: not any(s.queue or s.pending for s in self.senders), "answers")
        for item in self.unanswered:
            if (item.client_id, item.target) not in self.book.answered:
                raise AssertionError(f"{item.client_id} was sent again and has no answer")
        self.unanswered = []
