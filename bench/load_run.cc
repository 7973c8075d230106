// A run from its connections to its figures (load_run.h).
#include "bench/load_run.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "logic/jwt.h"
#include "shared/client/requests.h"

namespace ims::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::uint32_t kLoginsInFlight = 256;
constexpr std::uint32_t kInvitedAtOnce = 400;
constexpr std::int64_t kTokenSeconds = 24 * 3600;
constexpr std::chrono::seconds kPatience{60};  // for a login, a group, the last answers

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(Clock::now().time_since_epoch()).count());
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](timeval time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

[[noreturn]] void violated(const std::string& what) { throw std::runtime_error(what); }

}  // namespace

LoadRun::LoadRun(const LoadOptions& options)
    : options_(options),
      edition_(options.envelope ? Edition::kV1 : Edition::kV2),
      sockets_(options.address, options.connections,
               [this](Connection& connection, ByteView frame) { on_frame(connection, frame); }),
      senders_(options.connections),
      receivers_(options.connections) {}

void LoadRun::run() {
  log_in();
  if (options_.workload == Workload::kGroup) make_groups();
  make_senders();
  report("ready");
  if (options_.wait) wait_for_line();
  if (options_.workload == Workload::kIdle) return idle();
  load();
  drain();
}

// ---- before ------------------------------------------------------------------------------------

void LoadRun::log_in() {
  const client::Wire wire = options_.envelope ? client::kEnvelope : client::kTyped;
  const std::int64_t exp_s =
      std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1) + kTokenSeconds;
  std::uint32_t next = 0;
  auto deadline = Clock::now() + kPatience;
  while (logged_in_ < options_.connections) {
    while (next < options_.connections && next - logged_in_ < kLoginsInFlight) {
      Connection& connection = sockets_.all()[next];
      const std::uint32_t user = options_.first_user + next++;
      if (options_.floor) {
        connection.out = floor_hello(user);
      } else {
        client::Login login;
        login.org = options_.org;
        login.appkey = options_.appkey;
        login.user = user_name(user);
        login.token = logic::sign_jwt_hs256(options_.secret,
                                            {.user = login.user, .org = {}, .app = {}, .kid = {},
                                             .exp_s = exp_s, .nbf_s = 0});
        connection.out = client::connect_frame(wire, 1, login);
      }
      sockets_.connect(connection);
      sockets_.touched(connection);
    }
    const std::uint32_t before = logged_in_;
    sockets_.turn(milliseconds(100));
    if (logged_in_ != before) deadline = Clock::now() + kPatience;
    if (Clock::now() > deadline) violated("logins stopped at " + std::to_string(logged_in_));
  }
}

void LoadRun::make_groups() {
  const client::Wire wire = options_.envelope ? client::kEnvelope : client::kTyped;
  std::uint32_t asked = 0;
  for (std::uint32_t index = 0; index < options_.connections; index += options_.group_members) {
    client::OutGroupRequest request;
    request.group = "load" + std::to_string(options_.first_user + index);
    request.op = GroupOp::kCreate;
    for (std::uint32_t member = 1; member < options_.group_members;) {
      const std::uint32_t end = std::min(member + kInvitedAtOnce, options_.group_members);
      request.users.clear();
      for (; member < end; ++member) {
        request.users.push_back(user_name(options_.first_user + index + member));
      }
      Connection& owner = sockets_.all()[index];
      owner.out += client::request_frame(wire, ++asked, RequestType::kGroup,
                                         client::group_payload(request));
      sockets_.touched(owner);
      const auto deadline = Clock::now() + kPatience;
      while (setup_answers_ < asked) {
        sockets_.turn(milliseconds(100));
        if (Clock::now() > deadline) violated("the group was not made");
      }
      request.op = GroupOp::kInvite;
    }
  }
}

void LoadRun::make_senders() {
  for (std::uint32_t index = 0; index < options_.connections; ++index) {
    if (options_.workload == Workload::kIdle || !sends(index)) continue;
    const std::uint32_t user = options_.first_user + index;
    std::string to;
    std::string group;
    Sender& sender = senders_[index];
    if (options_.workload == Workload::kPair) to = user_name(options_.first_user + (index ^ 1));
    if (options_.workload == Workload::kScatter) {
      to = user_name(options_.recipients_from);
      sender.receivers = 0;
    }
    if (options_.workload == Workload::kGroup) {
      group = "load" + std::to_string(user);
      sender.receivers = options_.group_members - 1;
    }
    sender.message.emplace_back(options_.floor, edition_, options_.offline, options_.client_ids, to,
                                group, options_.payload_bytes, user);
    sender.sent_ns.resize(options_.window);
  }
}

// ---- the load ----------------------------------------------------------------------------------

void LoadRun::load() {
  loading_ = sending_ = true;
  for (std::uint32_t index = 0; index < options_.connections; ++index) {
    if (!senders_[index].message.empty()) pump(index);
  }
  const auto spend = [&](double seconds, std::uint64_t until) {
    const auto end =
        Clock::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
    for (std::uint32_t turns = 0; until == 0 || answered_ < until; ++turns) {
      sockets_.turn(milliseconds(10));
      if (turns % 16 == 0 && Clock::now() >= end) return;
    }
  };
  spend(options_.warmup_seconds, 0);
  report("start");
  measuring_ = true;
  const std::uint64_t answered = answered_;
  const std::uint64_t delivered = delivered_;
  const std::uint64_t sends = sockets_.sends();
  const double cpu = cpu_seconds();
  const auto begin = Clock::now();
  if (options_.messages != 0) {
    spend(options_.seconds * 100, answered + options_.messages);
  } else {
    spend(options_.seconds, 0);
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  measuring_ = false;
  report("stop");
  const auto quantile = [&](double fraction) {
    return static_cast<double>(histogram_quantile(latency_, fraction)) / 1000.0;
  };
  const auto answers = static_cast<double>(answered_ - answered);
  std::printf("{\"answered\": %" PRIu64 ", \"delivered\": %" PRIu64 ", \"seconds\": %.6f, "
              "\"per_second\": %.0f, \"load_cpu_us\": %.3f, \"load_cpu_share\": %.2f, "
              "\"load_sends\": %.3f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
              answered_ - answered, delivered_ - delivered, took.count(), answers / took.count(),
              (cpu_seconds() - cpu) * 1e6 / answers, (cpu_seconds() - cpu) / took.count(),
              static_cast<double>(sockets_.sends() - sends) / answers, quantile(0.5),
              quantile(0.99), quantile(1.0));
  std::fflush(stdout);
  if (options_.wait) wait_for_line();
}

// Nothing more is sent; everything that was has to come back.
void LoadRun::drain() {
  sending_ = false;
  const auto deadline = Clock::now() + kPatience;
  const auto pending = [&] {
    return std::count_if(senders_.begin(), senders_.end(),
                         [&](const Sender& sender) { return !done(sender); });
  };
  while (pending() != 0) {
    sockets_.turn(milliseconds(10));
    if (Clock::now() > deadline) {
      violated(std::to_string(pending()) + " senders miss answers or deliveries: " +
               std::to_string(sent_) + " sent, " + std::to_string(answered_) + " answered, " +
               std::to_string(delivered_) + " delivered");
    }
  }
  for (const Sender& sender : senders_) {
    if (sender.id_sum != 0) violated("answers do not have the ids of the requests");
  }
  report("verified");
}

void LoadRun::idle() {
  report("start");
  if (options_.wait) {
    wait_for_line();
  } else {
    const auto end = Clock::now() + std::chrono::duration<double>(options_.seconds);
    while (Clock::now() < end) sockets_.turn(milliseconds(100));
  }
  report("stop");
}

void LoadRun::report(const char* line) const {
  std::puts(line);
  std::fflush(stdout);
}

void LoadRun::wait_for_line() const {
  for (int c = std::getchar(); c != '\n' && c != EOF;) c = std::getchar();
}

// ---- frames ------------------------------------------------------------------------------------

void LoadRun::pump(std::uint32_t index) {
  Sender& sender = senders_[index];
  if (!sending_) return;
  const std::uint64_t whole =
      sender.receivers == 0
          ? sender.answered
          : std::min<std::uint64_t>(sender.answered, sender.delivered / sender.receivers);
  bool any = false;
  while (sender.sent - whole < options_.window) {
    MessageTemplate* message = &sender.message.front();
    Connection& connection = sockets_.all()[index];
    if (options_.workload == Workload::kScatter) {
      const auto to = static_cast<std::uint32_t>(sent_ % options_.recipients);
      *message = MessageTemplate(false, edition_, options_.offline, options_.client_ids,
                                 user_name(options_.recipients_from + to), {},
                                 options_.payload_bytes, options_.first_user + index);
    }
    message->append_to(connection.out, sender.sent);
    sender.id_sum += id_of_message(sender.sent);
    sender.sent_ns[sender.sent % options_.window] = (sent_ & 15) == 0 ? now_ns() : 0;
    ++sender.sent;
    ++sent_;
    any = true;
  }
  if (any) sockets_.touched(sockets_.all()[index]);
}

void LoadRun::on_frame(Connection& connection, ByteView frame) {
  const Seen seen = see_frame(options_.floor, edition_, frame, !connection.logged_in);
  switch (seen.kind) {
    case Seen::Kind::kLogin:
    case Seen::Kind::kAnswer:
      if (!connection.logged_in) {
        if (seen.code != Code::kOk) violated("login refused: " + std::string(seen.reason));
        connection.logged_in = true;
        ++logged_in_;
      } else {
        on_answer(connection, seen);
      }
      return;
    case Seen::Kind::kMessage:
      return on_message(connection, seen);
    case Seen::Kind::kOther:
      return;
    case Seen::Kind::kFarewell:
      return violated("the server said goodbye: " + std::string(seen.reason));
    case Seen::Kind::kBroken:
      return violated("a frame does not decode");
  }
}

void LoadRun::on_answer(Connection& connection, const Seen& seen) {
  if (seen.code != Code::kOk) {
    violated("refused with code " + std::to_string(static_cast<int>(seen.code)) + ": " +
             std::string(seen.reason));
  }
  if (!loading_) {
    ++setup_answers_;
    return;
  }
  Sender& sender = senders_[connection.index];
  const std::uint64_t id = options_.floor ? id_of_message(sender.answered) : seen.id;
  if (++sender.answered > sender.sent) violated("more answers than requests");
  sender.id_sum -= id;
  ++answered_;
  if (sender.receivers == 0 && measuring_ && !sender.sent_ns.empty()) {
    const std::uint64_t since = sender.sent_ns[(sender.answered - 1) % options_.window];
    if (since != 0) ++latency_[histogram_bucket(now_ns() - since)];
  }
  pump(connection.index);
}

void LoadRun::on_message(Connection& connection, const Seen& seen) {
  const std::uint32_t from =
      options_.workload == Workload::kGroup
          ? group_of(connection.index) * options_.group_members
          : connection.index ^ 1;
  // What earlier runs left in the inbox comes before the load, or as another sender's.
  if (!loading_) return;
  if (seen.sender != options_.first_user + from) violated("a message from a wrong sender");
  Receiver& receiver = receivers_[connection.index];
  if (seen.number != receiver.next_number) {
    violated("expected message " + std::to_string(receiver.next_number) + " of its sender, got " +
             std::to_string(seen.number));
  }
  ++receiver.next_number;
  if (options_.offline && seen.seq <= receiver.last_seq) violated("seqs do not ascend");
  receiver.last_seq = seen.seq;
  Sender& sender = senders_[from];
  ++sender.delivered;
  ++delivered_;
  if (measuring_) {
    const std::uint64_t since = sender.sent_ns[seen.number % options_.window];
    if (since != 0) ++latency_[histogram_bucket(now_ns() - since)];
  }
  pump(from);
}

}  // namespace ims::bench
