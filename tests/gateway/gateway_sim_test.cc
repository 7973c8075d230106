// The gateway core in a simulated world: one thread, no sockets, no clock, every choice from a
// seed.
//
// Clients connect, log in, send requests, heartbeats and acks in any pieces, stop reading,
// half-close, disconnect, reset. The kernel cuts, delays, shortens, runs out of buffers. The
// workers take their time: records age in small rings, so answers and pushes meet connections that
// are gone.
//
// Checked: what a client reads is whole frames of its own, each request is answered at most once,
// and exactly once if the end was orderly; rows arrive dense and in order, over refusals and
// restarts; no Taken is above what the kernel took; every session ends exactly once, with nothing
// behind it; when the world is quiet nothing is left: no slot, no block, no hold.
// Reproduce a failure:  IMS_SEED=<seed> build/release/gateway_test -tc="gateway simulation*"
#include <doctest/doctest.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <set>

#include "tests/gateway/gateway_sim.h"

using namespace ims;
using namespace ims::test;

namespace {

class World {
 public:
  explicit World(std::uint64_t seed)
      : prng_(seed),
        world_(config_of(prng_), 12 + static_cast<std::uint32_t>(prng_.below(20)), 64 * kKiB,
               faults_of(prng_), seed),
        answer_percent_(10 + static_cast<unsigned>(prng_.below(90))),
        drain_percent_(10 + static_cast<unsigned>(prng_.below(90))),
        push_percent_(static_cast<unsigned>(prng_.below(100))),
        tasks_(world_.config.workers) {}

  void run(int turns) {
    for (int turn = 0; turn < turns; ++turn) {
      if (prng_.chance(15)) connect();
      clients_act();
      workers_act(drain_percent_, answer_percent_);
      if (prng_.chance(push_percent_)) push();
      world_.advance(static_cast<std::int64_t>(prng_.below(20)));
      world_.turn();
      read_clients();
    }
    // The world ends: everybody goes, politely or not; the workers finish what they have.
    for (Client& client : clients_) {
      world_.io.hold_sends(client.id, false);
      if (!client.gone) leave(client, prng_.chance(80));
    }
    world_.io.faults() = {};
    int quiet_turns = 0;
    for (int turn = 0; turn < 4000 && quiet_turns < 20; ++turn) {
      if (world_.gateway->connection_count() == 0) ++quiet_turns;
      workers_act(100, 100);
      world_.advance(50);
      world_.turn();
      read_clients();
    }
    for (int i = 0; i < 40; ++i) read_clients();  // each reads now and then
    check_end();
  }

 private:
  using Task = Taken;  // a record that a worker took and has not answered

  void connect() {
    if (clients_.size() >= 60) return;
    Client client;
    client.id = world_.io.connect(200 + prng_.below(100'000));
    client.envelope = prng_.chance(50);
    client.name = "u" + std::to_string(clients_.size());
    const Connect message = connect_message(client.name, prng_.chance(50) ? "d" : "");
    send(client, client.envelope
                     ? v1_frame(v1::Command::CONNECT, 1, message.SerializeAsString())
                     : v2_connect(message));
    by_name_[client.name] = clients_.size();
    clients_.push_back(client);
  }

  void send(Client& client, const std::string& bytes) { world_.io.write(client.id, bytes); }

  void clients_act() {
    for (Client& client : clients_) {
      if (client.gone || !prng_.chance(30)) continue;
      if (world_.io.ended(client.id) != SimIo::End::kOpen) continue;
      switch (prng_.below(12)) {
        case 0:
          send(client, std::string(1, '\0'));
          ++client.heartbeats_due;
          break;
        case 1: {
          AckRequest ack;
          ack.set_seq(prng_.below(100));
          send(client, request(client, Request::ACK, ack.SerializeAsString(), 0));
          break;
        }
        case 2: {
          const std::uint64_t id = client.next_request++;
          client.unanswered.insert(id);
          send(client, request(client, Request::SYNC, "", id));
          break;
        }
        case 3:
          world_.io.hold_sends(client.id, true);
          break;
        case 4:
          if (prng_.chance(10)) leave(client, prng_.chance(70));
          break;
        default: {
          world_.io.hold_sends(client.id, false);
          std::string bytes;
          for (std::uint64_t n = 1 + prng_.below(6); n > 0; --n) {
            const std::uint64_t id = client.next_request++;
            client.unanswered.insert(id);
            Message message =
                message_to("u" + std::to_string(prng_.below(60)),
                           client.name + "/" + std::to_string(id) + "/" +
                               std::string(prng_.below(prng_.chance(5) ? 7000 : 300), 'm'));
            bytes += request(client, Request::MESSAGE, message.SerializeAsString(), id);
          }
          send(client, bytes);
        }
      }
    }
  }

  void leave(Client& client, bool politely) {
    client.gone = true;
    if (!politely) {
      client.reset = true;
      world_.io.reset(client.id);
    } else if (prng_.chance(50)) {
      client.orderly = true;
      world_.io.half_close(client.id);
    } else {
      client.orderly = true;
      send(client, client.envelope ? v1_frame(v1::Command::DISCONNECT, 0, "") : v2_disconnect());
      if (prng_.chance(50)) world_.io.half_close(client.id);
    }
  }

  // ---- the workers ----

  void workers_act(unsigned drain, unsigned answer) {
    for (std::size_t worker = 0; worker < tasks_.size(); ++worker) {
      if (prng_.chance(drain)) {
        for (std::uint64_t n = prng_.below(20) + 1; n > 0; --n) {
          auto record = world_.next_record(worker);
          if (!record) break;
          take(worker, *record);
        }
      }
      std::deque<Task>& tasks = tasks_[worker];
      while (!tasks.empty() && prng_.chance(answer)) {
        const std::size_t at = prng_.below(tasks.size());
        if (!answer_task(tasks[at])) break;  // the delivery ring is full
        tasks.erase(tasks.begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
  }

  void take(std::size_t worker, const Taken& record) {
    const ConnectionId connection = record.kind == RecordKind::kLogin ? record.login.connection
                                    : record.kind >= RecordKind::kTaken &&
                                            record.kind <= RecordKind::kEnded
                                        ? record.session.connection
                                        : record.request.connection;
    CHECK(ended_.count({worker, connection.bits}) == 0);  // nothing behind kEnded on its ring
    switch (record.kind) {
      case RecordKind::kLogin:
        ++logins_;
        tasks_[worker].push_back(record);
        break;
      case RecordKind::kAck:
        CHECK(record.request.header.flags == kFlagNoAnswer);
        CHECK(session_of(record.request.session.value) != nullptr);
        break;
      case RecordKind::kMessage:
      case RecordKind::kSync: {
        Session* session = session_of(record.request.session.value);
        REQUIRE(session != nullptr);
        CHECK(session->connection == connection);
        CHECK(record.from == clients_[session->client].name);
        tasks_[worker].push_back(record);
        break;
      }
      case RecordKind::kTaken:
      case RecordKind::kRefused:
      case RecordKind::kDrained:
      case RecordKind::kEnded:
        take_notice(worker, record);
        break;
      default:
        CHECK(false);
    }
  }

  void take_notice(std::size_t worker, const Taken& record) {
    if (record.kind == RecordKind::kEnded) {
      ended_.insert({worker, record.session.connection.bits});
      if (record.session.session.value == 0) {
        // Its login may have been answered in the meantime: the answer found nobody.
        ended_before_login_.insert(record.session.connection.bits);
        for (auto& [id, session] : sessions_) {
          if (session.connection == record.session.connection) session.ended = true;
        }
        return;
      }
    }
    Session* session = session_of(record.session.session.value);
    REQUIRE(session != nullptr);
    CHECK(session->worker == worker);
    CHECK_FALSE(session->ended);
    if (record.kind == RecordKind::kRefused) {
      CHECK_FALSE(session->refused);
      CHECK(record.session.ordinal < session->next_ordinal);
      CHECK(record.session.ordinal > session->taken);
      session->refused = true;
      session->next_ordinal = record.session.ordinal;
    } else if (record.kind == RecordKind::kDrained) {
      CHECK(session->refused);
      session->refused = false;
      session->restart = true;
      ++restarts_;
    } else {
      CHECK(record.session.ordinal >= session->taken);
      if (record.kind == RecordKind::kTaken) CHECK(record.session.ordinal > session->taken);
      session->taken = record.session.ordinal;
      session->ended = record.kind == RecordKind::kEnded;
    }
  }

  bool answer_task(const Task& task) {
    if (task.kind == RecordKind::kLogin) {
      const std::uint64_t id = next_session_;
      Connect connect;
      REQUIRE(connect.ParseFromString(task.connect));
      const std::size_t client = by_name_.at(connect.user());
      if (prng_.chance(5)) return world_.answer_login(task, Code::kUnauthenticated, 0, "");
      if (!world_.answer_login(task, Code::kOk, id, connect.user(), connect.device())) return false;
      ++next_session_;
      sessions_[id] = {client, task.login.connection, task.worker, 1, 0, false, false, false};
      // It ended before its login was answered: nobody will say so again.
      if (ended_before_login_.count(task.login.connection.bits) != 0) sessions_[id].ended = true;
      return true;
    }
    const std::string& from = task.from;
    if (task.kind == RecordKind::kSync) {
      return world_.respond(task, Code::kOk, task.request.request_id,
                            from + "/" + std::string(prng_.below(8000), 's'));
    }
    return world_.respond(task, Code::kOk, task.request.request_id, from + "/");
  }

  // Rows and relayed messages for a session, at most a window of rows ahead of Taken.
  void push() {
    if (sessions_.empty()) return;
    auto it = sessions_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(prng_.below(sessions_.size())));
    Session& session = it->second;
    for (std::uint64_t n = prng_.below(6); n > 0; --n) {
      const bool row = prng_.chance(70);
      const std::string text = clients_[session.client].name + "/" +
                               std::to_string(row ? session.next_ordinal : 0) + "/" +
                               std::string(prng_.below(prng_.chance(10) ? 6000 : 500), 'p');
      if (!row) {
        world_.push(session.worker, {{session.connection, 0}}, text, false);
        continue;
      }
      if (session.ended || session.refused) continue;
      if (session.next_ordinal > session.taken + world_.config.push_window) continue;
      const std::uint64_t mark = session.restart ? kTargetRestart : 0;
      if (!world_.push(session.worker, {{session.connection, session.next_ordinal | mark}}, text,
                       true)) {
        continue;
      }
      session.restart = false;
      ++session.next_ordinal;
    }
  }

  Session* session_of(std::uint64_t id) {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : &found->second;
  }

  // ---- what clients see ----

  void read_clients() {
    for (Client& client : clients_) {
      if (prng_.chance(30)) continue;
      for (const std::string& frame : world_.raw_frames(client.id)) {
        if (frame.empty()) {
          CHECK(client.heartbeats_due > 0);
          --client.heartbeats_due;
          continue;
        }
        read_frame(client, frame);
      }
    }
  }

  void read_frame(Client& client, const std::string& frame) {
    const v2::Command command = command_of(client, frame);
    if (command.has_conack()) {
      CHECK_FALSE(client.logged_in);  // nothing precedes it, nor comes a second one
      CHECK(command.id() == 1);
      client.logged_in = command.conack().code() == 0;
      client.failed = !client.logged_in;
      return;
    }
    CHECK(client.logged_in);
    const std::string own = client.name + "/";
    if (command.has_response()) {
      CHECK(client.unanswered.erase(command.id()) == 1);
      CHECK(command.response().code() == 0);
      CHECK(command.response().seq() == command.id());
      CHECK(command.response().payload().substr(0, own.size()) == own);
    } else if (command.has_request()) {
      Message message;
      REQUIRE(message.ParseFromString(command.request().payload()));
      const std::string& text = message.payload();
      REQUIRE(text.substr(0, own.size()) == own);
      const std::uint64_t ordinal = std::strtoull(text.c_str() + own.size(), nullptr, 10);
      if (ordinal != 0) CHECK(ordinal == ++client.rows_read);
    } else {
      CHECK(command.has_disconnect());
      CHECK(command.disconnect().code() != 3);  // nobody broke the protocol
    }
  }

  // ---- the end ----

  void check_end() {
    CHECK(world_.gateway->connection_count() == 0);
    CHECK(world_.gateway->memory_bytes() == 0);
    CHECK_FALSE(world_.gateway->has_work());
    for (const std::deque<Task>& tasks : tasks_) CHECK(tasks.empty());
    for (const Client& client : clients_) {
      const SimIo::End end = world_.io.ended(client.id);
      if (client.failed || end == SimIo::End::kRefused) continue;
      if (client.reset || end == SimIo::End::kReset || !client.logged_in) continue;
      CAPTURE(client.name);
      CHECK(end == SimIo::End::kClosed);
      CHECK(client.unanswered.empty());
      CHECK(client.heartbeats_due == 0);
    }
    for (const auto& known : sessions_) {
      const auto& session = known.second;
      CAPTURE(known.first);
      CHECK(session.ended);
      const Client& client = clients_[session.client];
      // The kernel took as many rows as a client has read; more only where a reset took them.
      if (!client.logged_in) continue;
      CHECK(session.taken >= client.rows_read);
      if (!client.reset && world_.io.ended(client.id) == SimIo::End::kClosed) {
        CHECK(session.taken == client.rows_read);
      }
    }
  }

  Prng prng_;
  GatewayFixture world_;
  const unsigned answer_percent_;
  const unsigned drain_percent_;
  const unsigned push_percent_;
  std::vector<std::deque<Task>> tasks_;
  std::deque<Client> clients_;
  std::map<std::string, std::size_t> by_name_;
  std::map<std::uint64_t, Session> sessions_;
  std::set<std::pair<std::size_t, std::uint64_t>> ended_;
  std::set<std::uint64_t> ended_before_login_;
  std::uint64_t next_session_ = 1;
  std::uint64_t logins_ = 0;
  std::uint64_t restarts_ = 0;
};

// Seeds that once found something.
constexpr std::uint64_t kKeptSeeds[] = {1};

}  // namespace

TEST_CASE("gateway simulation") {
  const auto run = [](std::uint64_t seed) {
    CAPTURE(seed);
    World(seed).run(300);
  };
  if (const char* seed = std::getenv("IMS_SEED")) {
    run(std::strtoull(seed, nullptr, 10));
    return;
  }
  for (const std::uint64_t seed : kKeptSeeds) run(seed);
  const char* count = std::getenv("IMS_SEEDS");
  const std::uint64_t seeds = count != nullptr ? std::strtoull(count, nullptr, 10) : 200;
  for (std::uint64_t seed = 1000; seed < 1000 + seeds; ++seed) run(seed);
}
