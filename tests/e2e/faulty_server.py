"""A server of the typed edition that does one thing wrong, every NTH message. It knows stored 1:1
messages alone, has every user's inbox in memory, and takes any login.

  with faulty_server.FaultyServer(messages, "twice") as server: ... server.port

none       nothing                                  from       pushed as from somebody else
unknown    an answer to an id that nobody sent      hole       a seq of the inbox is left out
twice      the answer comes twice                   differing  the answer's seq is not the row's
refused    QUEUE_FULL, and no delivery              relayed    pushed and answered without a seq
nonsense   a frame that does not decode             goodbye    Disconnect, then the end
"""

import socket
import threading

import codes
import wire

NTH = 20


class FaultyServer:
    def __init__(self, messages, fault):
        self.messages, self.fault = messages, fault
        self.lock = threading.Lock()
        self.users, self.heads, self.count = {}, {}, 0
        self.threads, self.sockets = [], []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start(self.accept)
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        for each in [self.listener, *self.sockets]:
            each.close()
        for thread in self.threads:
            thread.join()

    def start(self, target, *arguments):
        self.threads.append(threading.Thread(target=target, args=arguments))
        self.threads[-1].start()

    def accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets.append(connection)
            self.start(self.serve, connection)

    def serve(self, connection):
        frames, user = wire.FrameBuffer(), None
        while True:
            try:
                data = connection.recv(65536)
            except OSError:
                return
            if not data:
                return
            frames.append(data)
            while (body := frames.next()) is not None:
                command = self.messages.CommandV2.FromString(body)
                if command.HasField("connect"):
                    user = command.connect.user
                    self.users[user] = connection
                    self.send(connection, "conack", self.messages.ConAck(), command.id)
                elif command.HasField("request") and command.request.type == codes.MESSAGE:
                    with self.lock:
                        self.relay(connection, user, command)

    def send(self, connection, kind, body, id=0):
        command = self.messages.CommandV2(version=2, id=id)
        getattr(command, kind).CopyFrom(body)
        try:
            connection.sendall(wire.frame(command.SerializeToString()))
        except OSError:
            pass  # the other side has seen enough

    def relay(self, connection, user, command):
        m = self.messages
        self.count += 1
        fault = self.fault if self.count % NTH == 0 else "none"
        if fault == "refused":
            response = m.Response(code=codes.QUEUE_FULL, reason="No room.")
            return self.send(connection, "response", response, command.id)
        message = m.Message.FromString(command.request.payload)
        seq = self.heads.get(message.to, 0) + (2 if fault == "hole" else 1)
        if fault != "relayed":
            self.heads[message.to] = seq
        message.seq = 0 if fault == "relayed" else seq
        setattr(message, "from", "nobody" if fault == "from" else user)
        response = m.Response(seq=seq + 1000 if fault == "differing" else message.seq)
        if fault == "nonsense":
            connection.sendall(wire.frame(b"\xff\xff\xff"))
        if fault == "unknown":
            self.send(connection, "response", response, command.id + 100_000)
        self.send(connection, "response", response, command.id)
        if fault == "twice":
            self.send(connection, "response", response, command.id)
        if fault == "goodbye":
            self.send(connection, "disconnect", m.Disconnect(reason="Enough."))
            connection.shutdown(socket.SHUT_WR)
        push = m.Request(type=codes.MESSAGE, payload=message.SerializeToString())
        self.send(self.users[message.to], "request", push)
