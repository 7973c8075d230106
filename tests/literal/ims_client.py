"""A small blocking client on a socket, for either edition and either set of messages.

  client = Client(address, edition=2)
  ack = client.login("demo", "demo", "alice", token)
  client.request(MESSAGE, Message(to="bob", payload=b"hi"), offline=True).code

What arrives is sorted as it is read: login answer, responses by id (id 0: in order), pushes,
heartbeats, Disconnect. Every wait is bounded by `timeout` and fails by AssertionError with what was
seen meanwhile. Not for more than one thread.
"""

import collections
import errno
import select
import socket
import time

import codes
import wire

TIMEOUT_S = 30.0


class Push:
    """What the server sent unasked: `type` of the Request and the decoded payload in `body`."""

    def __init__(self, type_, body, version):
        self.type, self.body, self.version = type_, body, version

    @property
    def seq(self):
        return self.body.seq

    def __repr__(self):
        return f"Push(type={self.type}, {str(self.body).strip()!r})"


class Client:
    def __init__(self, address, messages, edition=2, version=None, timeout=TIMEOUT_S,
                 receive_buffer=None):
        self.messages, self.edition, self.timeout = messages, edition, timeout
        self.version = edition if version is None else version
        self.has_ids = messages.set_name == "full"
        self.address = address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.frames = wire.FrameBuffer()
        self.responses = {}                        # id -> Response, ids other than 0
        self.idless = collections.deque()          # Responses with id 0, as they came
        self.pushes = collections.deque()
        self.versions = []                         # of every Command of the server
        self.conack = None
        self.conack_id = None
        self.disconnect = None
        self.heartbeats = 0
        self.eof = False
        self.reset = False                         # the connection ended by RST, not by FIN
        self.bytes_in = 0
        self.frame_bytes_max = 0
        self._next_id = 1

    # ---- sending ----

    def send_raw(self, data):
        self.socket.sendall(data)

    def send_split(self, data, *cuts, pause_s=0.002):
        """`data` in several segments: the pause lets each leave, and arrive, by itself."""
        start = 0
        for cut in (*cuts, len(data)):
            self.socket.sendall(data[start:cut])
            start = cut
            if start < len(data):
                time.sleep(pause_s)

    def heartbeat(self):
        self.send_raw(wire.HEARTBEAT)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def abort(self):
        """Ends with RST: nothing that is queued on either side survives."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    # ---- frames ----

    def command(self, kind, body, id=0):
        """The Command of this edition around an inner message, serialized, without length."""
        m = self.messages
        if self.edition == 1:
            command = m.CommandV1(version=self.version, payload=body.SerializeToString(),
                                  command={"connect": codes.CONNECT, "request": codes.REQUEST,
                                           "disconnect": codes.DISCONNECT,
                                           "response": codes.RESPONSE}[kind])
        else:
            command = m.CommandV2(version=self.version)
            getattr(command, kind).CopyFrom(body)
        if id:
            command.id = id
        return command.SerializeToString()

    def request_body(self, type_, payload, offline=None, id=0):
        request = self.messages.Request(type=type_)
        request.payload = payload if isinstance(payload, bytes) else payload.SerializeToString()
        if offline is not None:
            request.opts.add().offline = offline
        return self.command("request", request, id)

    def request_frame(self, type_, payload, offline=None, id=0):
        return wire.frame(self.request_body(type_, payload, offline, id))

    def connect_body(self, org, appkey, user, token, id=0, **additions):
        connect = self.messages.Connect(org=org, appkey=appkey, user=user, token=token, **additions)
        return self.command("connect", connect, id)

    def connect_frame(self, *args, **additions):
        return wire.frame(self.connect_body(*args, **additions))

    def disconnect_frame(self, code=0):
        return wire.frame(self.command("disconnect", self.messages.Disconnect(code=code)))

    # ---- asking ----

    def login(self, org, appkey, user, token, id=0, **additions):
        """CONNECT and its answer, good or not. `additions`: device, ack, send_only, keepalive_s."""
        self.send_raw(self.connect_frame(org, appkey, user, token, id=id, **additions))
        return self.wait_conack()

    def post(self, type_, payload, offline=None, id=None):
        """Sends a request and returns its id, 0 in a bare edition."""
        if id is None:
            id = self.take_id() if self.has_ids else 0
        self.send_raw(self.request_frame(type_, payload, offline, id))
        return id

    def take_id(self):
        self._next_id += 1
        return self._next_id - 1

    def request(self, type_, payload, offline=None, id=None):
        return self.wait_response(self.post(type_, payload, offline, id))

    def send_text(self, text, offline=None, **fields):
        m = self.messages
        body = m.MessageTxt(txt=text).SerializeToString()
        return self.request(codes.MESSAGE, m.Message(payload=body, **fields), offline)

    def ack(self, seq, group="", id=None):
        return self.request(codes.ACK, self.messages.AckRequest(group=group, seq=seq), id=id)

    def sync(self, group="", **fields):
        """The Response and, if it is OK, the SyncResult."""
        response = self.request(codes.SYNC, self.messages.SyncRequest(group=group, **fields))
        return response, self.messages.SyncResult.FromString(response.payload)

    def group(self, op, group="", **fields):
        """The Response and, if it is OK, the GroupResult."""
        response = self.request(codes.GROUP,
                                self.messages.GroupRequest(op=op, group=group, **fields))
        return response, self.messages.GroupResult.FromString(response.payload)

    def contact(self, op, user="", **fields):
        """The Response and, if it is OK, the ContactResult."""
        response = self.request(codes.CONTACT,
                                self.messages.ContactRequest(op=op, user=user, **fields))
        return response, self.messages.ContactResult.FromString(response.payload)

    def presence(self, users, watch=False):
        """The Response and, if it is OK, the PresenceResult."""
        response = self.request(codes.PRESENCE,
                                self.messages.PresenceRequest(users=users, watch=watch))
        return response, self.messages.PresenceResult.FromString(response.payload)

    def leave(self):
        """Disconnect, and wait until the server closed: the session has ended when this returns."""
        self.send_raw(self.disconnect_frame())
        self.wait_eof()
        self.close()

    # ---- waiting ----

    def wait_conack(self, timeout=None):
        self._until(lambda: self.conack is not None or self.disconnect is not None, "login answer",
                    timeout)
        if self.conack is None:
            self._fail("the login answer")
        return self.conack

    def wait_response(self, id, timeout=None):
        if id == 0:
            self._until(lambda: self.idless, "response without id", timeout)
            return self.idless.popleft()
        self._until(lambda: id in self.responses, f"response with id {id}", timeout)
        return self.responses.pop(id)

    def wait_push(self, timeout=None):
        self._until(lambda: self.pushes, "push", timeout)
        return self.pushes.popleft()

    def wait_pushes(self, count, timeout=None):
        self._until(lambda: len(self.pushes) >= count, f"{count} pushes", timeout)
        return [self.pushes.popleft() for _ in range(count)]

    def wait_heartbeats(self, count, timeout=None):
        self._until(lambda: self.heartbeats >= count, f"{count} heartbeats", timeout)
        return self.heartbeats

    def wait_disconnect(self, timeout=None):
        self._until(lambda: self.disconnect is not None, "Disconnect", timeout)
        return self.disconnect

    def wait_eof(self, timeout=None):
        """Reads to the end. A reset counts as an end; `reset` tells."""
        self._until(lambda: self.eof, "end of stream", timeout, eof_ends=False)

    def settle(self, seconds):
        """Reads what arrives within `seconds`. Returns at EOF."""
        deadline = time.monotonic() + seconds
        while not self.eof and (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def _until(self, is_done, what, timeout, eof_ends=True):
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not is_done():
            if self.eof and eof_ends:
                self._fail(what)
            left = deadline - time.monotonic()
            if left <= 0:
                self._fail(what)
            self._read(left)

    def _fail(self, what):
        raise AssertionError(
            f"expected {what}, got: eof={self.eof} reset={self.reset} disconnect="
            f"{str(self.disconnect).split()} conack={str(self.conack).split()} "
            f"responses={sorted(self.responses)[:8]} ({len(self.responses)}) idless="
            f"{len(self.idless)} pushes={len(self.pushes)} heartbeats={self.heartbeats} "
            f"unread bytes={self.frames.unread}")

    # ---- reading ----

    def _read(self, timeout):
        readable = select.poll()
        readable.register(self.socket, select.POLLIN)
        if not readable.poll(max(1, int(timeout * 1000))):
            return
        try:
            data = self.socket.recv(262144)
        except OSError as error:
            if error.errno != errno.ECONNRESET:
                raise
            self.reset, data = True, b""
        if not data:
            self.eof = True
            return
        self.bytes_in += len(data)
        self.frames.append(data)
        while (body := self.frames.next()) is not None:
            self.take_frame(body)

    def take_frame(self, body):
        """Sorts one frame of the server into the fields above."""
        self.frame_bytes_max = max(self.frame_bytes_max, len(body))
        if not body:
            self.heartbeats += 1
            return
        m = self.messages
        if self.edition == 1:
            command = m.CommandV1.FromString(body)
            kind = command.command
            if kind == codes.RESPONSE:
                response = m.Response.FromString(command.payload)
                if self.conack is None:
                    self._take_conack(self._conack_of(response), command)
                else:
                    self._take_response(response, command)
            elif kind == codes.REQUEST:
                self._take_push(m.Request.FromString(command.payload), command)
            elif kind == codes.DISCONNECT:
                self._take_disconnect(m.Disconnect.FromString(command.payload))
            else:
                raise AssertionError(f"the server sent a CONNECT: {command}")
        else:
            command = m.CommandV2.FromString(body)
            kinds = [field.name for field, _ in command.ListFields()
                     if field.name not in ("version", "id")]
            if kinds == ["conack"]:
                self._take_conack(command.conack, command)
            elif kinds == ["response"]:
                self._take_response(command.response, command)
            elif kinds == ["request"]:
                self._take_push(command.request, command)
            elif kinds == ["disconnect"]:
                self._take_disconnect(command.disconnect)
            else:
                raise AssertionError(f"the server sent {kinds}, expected one of conack, response, "
                                     f"request, disconnect: {body[:64].hex()}")
        self.versions.append(command.version)

    def _conack_of(self, response):
        """Envelope: Response.code says how the login went, its payload is the ConAck. A bare
        Response has no payload field, so there the code alone tells."""
        m = self.messages
        if not self.has_ids:
            return m.ConAck(status=0 if response.code == codes.OK else 1, reason=response.reason)
        conack = m.ConAck.FromString(response.payload)
        if conack.code != response.code:
            raise AssertionError(f"expected Response.code and ConAck.code to be the same, got "
                                 f"{response.code} and {conack.code}")
        return conack

    def _take_conack(self, conack, command):
        if self.conack is not None:
            raise AssertionError("expected one login answer, got a second")
        if self.responses or self.idless or self.pushes or self.heartbeats:
            raise AssertionError("expected nothing before the login answer")
        self.conack, self.conack_id = conack, self._id_of(command)

    def _take_response(self, response, command):
        id = self._id_of(command)
        if id == 0:
            self.idless.append(response)
        elif id in self.responses:
            raise AssertionError(f"expected one response to id {id}, got a second: {response}")
        else:
            self.responses[id] = response

    def _take_push(self, request, command):
        m = self.messages
        if self._id_of(command) != 0:
            raise AssertionError(f"expected a push with id 0, got {command.id}")
        if not self.has_ids:
            body = m.Message.FromString(request.payload)
        else:
            body = {codes.MESSAGE: m.Message, codes.GROUP: m.GroupEvent,
                    codes.CONTACT: m.ContactEvent,
                    codes.PRESENCE: m.PresenceResult}[request.type].FromString(request.payload)
        self.pushes.append(Push(request.type, body, command.version))

    def _take_disconnect(self, disconnect):
        if self.disconnect is not None:
            raise AssertionError("expected one Disconnect, got a second")
        self.disconnect = disconnect

    def _id_of(self, command):
        return command.id if self.has_ids else 0
