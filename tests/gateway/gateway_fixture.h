// One gateway core between a simulated kernel and real rings, driven by hand: the test is the
// workers.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/gateway.h"
#include "shared/records.h"
#include "shared/request_parts.h"
#include "tests/gateway/wire_kit.h"
#include "tests/support/sim_io.h"

namespace ims::test {

inline Config test_config() {
  Config config;
  config.gateways = 1;
  config.workers = 2;
  config.max_message_bytes =
      config.max_frame_bytes - static_cast<std::uint32_t>(kFrameOverheadBytes);
  config.send_memory_bytes = 64 * kMiB;
  config.trace_sample = 0;
  return config;
}

// A record that a gateway wrote, its strings copied.
struct Taken {
  RecordKind kind{};
  std::size_t worker = 0;
  LoginRecord login;
  RequestRecord request;
  SessionRecord session;
  std::string connect;
  std::string from, device, target, client_id, payload;
  bool has(std::uint8_t flag) const {
    return ((kind == RecordKind::kLogin ? login.header.flags : request.header.flags) & flag) != 0;
  }
};

class GatewayFixture {
 public:
  using Client = SimIo::Client;
  static constexpr std::uint64_t kSeed = 42;
  static constexpr std::uint64_t kHashSeed = 7;

  explicit GatewayFixture(Config config_in = test_config(), std::uint32_t slots_max = 64,
                          std::size_t ring_bytes_in = 1 * kMiB, SimFaults faults = {},
                          std::uint64_t seed = kSeed)
      : config(std::move(config_in)), io(seed, 0, faults) {
    for (std::uint32_t w = 0; w < config.workers; ++w) {
      requests_.push_back(std::make_unique<ByteRing>("requests", ring_bytes_in));
      deliveries_.push_back(std::make_unique<ByteRing>("deliveries", 1 * kMiB));
      request_rings_.push_back(requests_.back().get());
      delivery_rings_.push_back(deliveries_.back().get());
    }
    now = {1'000'000, 1'700'000'000'000, 1'000'000'000'000};
    gateway = std::make_unique<gateway::Gateway>(gateway::GatewayParts{
        0, config, kHashSeed, request_rings_, delivery_rings_, counters, seed, slots_max, now, {},
        &traces});
  }

  // One turn of the loop, as gateway_thread.h runs it.
  void turn() {
    gateway->on_completions(io.wait(std::chrono::milliseconds{0}), now);
    gateway->on_records(now);
    gateway->on_tick(now);
    io.set_accepting(gateway->accepting());
    io.submit(gateway->requests());
    published |= gateway->end_turn();
  }
  void turns(int count) {
    for (int i = 0; i < count; ++i) turn();
  }
  void advance(std::int64_t ms) {
    now.mono_ms += ms;
    now.wall_ms += ms;
    now.ticks += static_cast<std::uint64_t>(ms) * 1'000'000;
  }
  // Time passes, a turn every 50 ms.
  void pass(std::int64_t ms) {
    for (; ms > 0; ms -= 50) {
      advance(50);
      turn();
    }
  }

  // ---- the workers ----

  std::optional<Taken> next_record(std::size_t worker) {
    const ByteView bytes = request_rings_[worker]->front();
    if (bytes.empty()) return std::nullopt;
    Taken taken;
    taken.kind = kind_of(bytes);
    taken.worker = worker;
    switch (taken.kind) {
      case RecordKind::kLogin: {
        taken.login = record_as<LoginRecord>(bytes);
        RecordTail tail(record_as<LoginRecord>(bytes));
        taken.connect = std::string(tail.take_text(taken.login.connect_bytes));
        break;
      }
      case RecordKind::kMessage:
      case RecordKind::kAck:
      case RecordKind::kSync:
      case RecordKind::kContact:
      case RecordKind::kPresence:
      case RecordKind::kGroup: {
        taken.request = record_as<RequestRecord>(bytes);
        const RequestParts parts(record_as<RequestRecord>(bytes));
        taken.from = std::string(parts.from());
        taken.device = std::string(parts.device());
        taken.target = std::string(parts.target());
        taken.client_id = std::string(as_text(parts.client_id()));
        taken.payload = std::string(as_text(parts.payload()));
        break;
      }
      default:
        taken.session = record_as<SessionRecord>(bytes);
    }
    request_rings_[worker]->pop(bytes);
    request_rings_[worker]->release();
    return taken;
  }
  // The next record of any worker's ring.
  std::optional<Taken> next_record() {
    for (std::size_t w = 0; w < request_rings_.size(); ++w) {
      if (std::optional<Taken> taken = next_record(w)) return taken;
    }
    return std::nullopt;
  }
  std::vector<Taken> all_records() {
    std::vector<Taken> all;
    while (std::optional<Taken> taken = next_record()) all.push_back(std::move(*taken));
    return all;
  }
  // All of one kind; the others are dropped.
  std::vector<Taken> records_of(RecordKind kind) {
    std::vector<Taken> found;
    for (Taken& taken : all_records()) {
      if (taken.kind == kind) found.push_back(std::move(taken));
    }
    return found;
  }

  bool answer_login(const Taken& login, Code code, std::uint64_t session, const std::string& user,
                    const std::string& device = "", std::uint8_t flags = 0,
                    std::uint32_t keepalive_s = 0, const std::string& reason = "") {
    LoginAnswerRecord record;
    record.header.kind = RecordKind::kLoginAnswer;
    record.header.flags = flags;
    record.connection = login.login.connection;
    record.session.value = session;
    record.user.value = 1000 + session;
    record.tenant.value = 5;
    record.trace = login.login.trace;
    record.inbox_seq = 9;
    record.acked_seq = 8;
    record.first_seq = 1;
    record.server_time_ms = 123;
    record.keepalive_s = keepalive_s;
    record.code = code;
    record.durability = Durability::kOs;
    record.user_bytes = static_cast<std::uint8_t>(user.size());
    record.device_bytes = static_cast<std::uint8_t>(device.size());
    record.reason_bytes = static_cast<std::uint16_t>(reason.size());
    const std::string epoch = "epoch";
    record.epoch_bytes = static_cast<std::uint16_t>(epoch.size());
    ByteRing& ring = *delivery_rings_[login.worker];
    RecordWriter writer(ring, sizeof record + user.size() + device.size() + reason.size() +
                                  epoch.size());
    if (!writer.ok()) return false;
    writer.header(record);
    for (const std::string* text : {&user, &device, &reason, &epoch})
      writer.append(as_bytes(*text));
    writer.commit();
    ring.publish();
    return true;
  }

  bool respond(const Taken& request, Code code, std::uint64_t seq = 0,
               const std::string& payload = "", const std::string& reason = "") {
    ResponseRecord record;
    record.header.kind = RecordKind::kResponse;
    record.header.flags = request.request.header.flags & kFlagBigAnswer;
    record.connection = request.request.connection;
    record.request_id = request.request.request_id;
    record.seq = seq;
    record.trace = request.request.trace;
    record.payload_bytes = static_cast<std::uint32_t>(payload.size());
    record.reason_bytes = static_cast<std::uint16_t>(reason.size());
    record.code = code;
    ByteRing& ring = *delivery_rings_[request.worker];
    RecordWriter writer(ring, sizeof record + payload.size() + reason.size());
    if (!writer.ok()) return false;
    writer.header(record);
    writer.append(as_bytes(reason));
    writer.append(as_bytes(payload));
    writer.commit();
    ring.publish();
    return true;
  }

  bool push(std::size_t worker, const std::vector<PushTarget>& targets, const std::string& payload,
            bool stored) {
    Request body;
    Message message;
    message.set_payload(payload);
    body.set_payload(message.SerializeAsString());
    const std::string bytes = body.SerializeAsString();
    PushRecord record;
    record.header.kind = RecordKind::kPush;
    record.header.flags = stored ? kFlagStored : 0;
    record.body_bytes = static_cast<std::uint32_t>(bytes.size());
    record.target_count = static_cast<std::uint16_t>(targets.size());
    ByteRing& ring = *delivery_rings_[worker];
    RecordWriter writer(ring, sizeof record + targets.size() * sizeof(PushTarget) + bytes.size());
    if (!writer.ok()) return false;
    writer.header(record);
    writer.append({reinterpret_cast<const std::byte*>(targets.data()),
                   targets.size() * sizeof(PushTarget)});
    writer.append(as_bytes(bytes));
    writer.commit();
    ring.publish();
    return true;
  }

  bool disconnect(std::size_t worker, ConnectionId connection, DisconnectCode code,
                  const std::string& reason, std::uint32_t retry_after_ms = 0) {
    DisconnectRecord record;
    record.header.kind = RecordKind::kDisconnect;
    record.connection = connection;
    record.retry_after_ms = retry_after_ms;
    record.reason_bytes = static_cast<std::uint16_t>(reason.size());
    record.code = code;
    ByteRing& ring = *delivery_rings_[worker];
    RecordWriter writer(ring, sizeof record + reason.size());
    if (!writer.ok()) return false;
    writer.header(record);
    writer.append(as_bytes(reason));
    writer.commit();
    ring.publish();
    return true;
  }

  // ---- a client that is logged in ----

  struct Session {
    Client client = 0;
    Taken login;
    ConnectionId connection;
    std::uint64_t session = 0;
  };

  void copies(const Session& session, bool due, bool confirm = false) {
    CopiesRecord record;
    record.header.kind = RecordKind::kCopies;
    record.header.flags =
        static_cast<std::uint8_t>((due ? kFlagCopies : 0) | (confirm ? kFlagConfirm : 0));
    record.connection = session.connection;
    RecordWriter writer(*delivery_rings_[session.login.worker], sizeof record);
    if (!writer.ok()) throw std::runtime_error("no room for a record");
    writer.header(record);
    writer.commit();
    delivery_rings_[session.login.worker]->publish();
  }

  Session log_in(const std::string& user, const std::string& device = "", std::uint8_t flags = 0,
                 std::uint32_t keepalive_s = 0) {
    Session session;
    session.client = io.connect();
    io.write(session.client, v2_connect(connect_message(user, device)));
    turns(3);
    std::optional<Taken> login = next_record();
    if (!login || login->kind != RecordKind::kLogin) throw std::runtime_error("no login record");
    session.login = *login;
    session.connection = login->login.connection;
    session.session = ++last_session_;
    answer_login(*login, Code::kOk, session.session, user, device, flags, keepalive_s);
    turns(3);
    take_frames(inbox(session.client));  // the ConAck
    return session;
  }

  // Bytes that a client has read and not yet looked at.
  std::string& inbox(Client client) {
    if (inboxes_.size() <= client) inboxes_.resize(client + 1);
    inboxes_[client] += io.read(client);
    return inboxes_[client];
  }
  std::vector<v2::Command> frames(Client client) {
    std::vector<v2::Command> parsed;
    for (const std::string& frame : take_frames(inbox(client))) parsed.push_back(v2_parse(frame));
    return parsed;
  }
  // Raw frames, for heartbeats (empty) and the envelope edition.
  std::vector<std::string> raw_frames(Client client) { return take_frames(inbox(client)); }

  ByteRing& request_ring(std::size_t worker) { return *request_rings_[worker]; }
  ByteRing& delivery_ring(std::size_t worker) { return *delivery_rings_[worker]; }
  std::size_t owner(NameKind kind, const std::string& name) const {
    const std::uint64_t tenant = hash_tenant(kHashSeed, "org", "app");
    return worker_of(hash_name(kHashSeed, tenant, kind, name), config.workers);
  }
  std::uint64_t count(Counter counter) const { return counters.get(counter); }

  Config config;
  CounterBlock counters;
  SimIo io;
  Now now;
  TraceMemory trace_memory{1};
  Traces traces{trace_memory.regions(), TickClock::by_hand(&now.ticks)};
  std::uint64_t published = 0;
  std::unique_ptr<gateway::Gateway> gateway;

 private:
  std::vector<std::unique_ptr<ByteRing>> requests_;
  std::vector<std::unique_ptr<ByteRing>> deliveries_;
  std::vector<ByteRing*> request_rings_;
  std::vector<ByteRing*> delivery_rings_;
  std::deque<std::string> inboxes_;
  std::uint64_t last_session_ = 0;
};

}  // namespace ims::test
