// The model and the simulated server are given the same random operations; nothing may differ.
//
//   IMS_SEED=n            one world, with every operation on standard error
//   IMS_MODEL_OPS=n       up to so many operations of it
//   IMS_MODEL_SEEDS=n     so many worlds instead of 40, of 2,500 operations each
//   IMS_MODEL_FIRST=n     the first of them instead of 1
//
// seeds.txt beside this file: every seed that ever failed, run first.
#include "tests/model/differential.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <google/protobuf/stubs/logging.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <vector>

#include "shared/log.h"
#include "tests/gateway/wire_kit.h"
#include "tests/model/sim_place.h"

namespace ims::model {
namespace {

constexpr int kOperations = 2500;
volatile std::uint64_t current_seed = 0;
volatile int current_operation = 0;

void on_abort(int) {
  char line[96];
  const int bytes = std::snprintf(line, sizeof line, "IMS_SEED=%llu aborted at operation %d\n",
                                  static_cast<unsigned long long>(current_seed), current_operation);
  const ssize_t written = write(2, line, static_cast<std::size_t>(bytes));
  _exit(written > 0 ? 134 : 135);
}

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Quotas that a world of this size reaches, in some worlds each.
Limits limits_of(std::uint64_t seed) {
  Prng prng(Prng(seed ^ 0x77).next());
  const auto one_of = [&](std::initializer_list<int> values) {
    return static_cast<std::size_t>(values.begin()[prng.below(values.size())]);
  };
  Limits limits;
  limits.max_message_bytes = 600;
  limits.max_timeline_rows = one_of({30, 100, 1'000'000, 1'000'000});
  limits.max_contacts = one_of({3, 5, 5000, 5000});
  limits.max_group_members = one_of({4, 8, 100'000});
  limits.max_groups_per_user = one_of({2, 4, 1000});
  limits.max_devices = one_of({1, 2, 8});
  limits.max_known_devices = std::max(limits.max_devices, one_of({2, 3, 32, 32}));
  limits.max_send_only = one_of({1, 32});
  limits.max_watches = one_of({2, 1000});
  limits.recall_window_ms = static_cast<std::int64_t>(one_of({120'000, 1'200'000}));
  limits.dedupe_window_ms = static_cast<std::int64_t>(one_of({600'000, 3'000'000}));
  limits.push_window = one_of({1, 2, 5, 256});
  return limits;
}

Shape shape_of(std::uint64_t seed, const Limits& limits, std::size_t gateways) {
  Prng prng(Prng(seed ^ 0x13).next());
  Shape shape;
  shape.message_bytes_max = limits.max_message_bytes;
  shape.users = prng.chance(50) ? 10 : 50;  // fewer users: more between them
  shape.sessions = shape.users == 10 ? 24 : std::min<std::size_t>(60, 32 * gateways);
  // Which device was not seen for longest cannot be told of those that a restart ended together.
  if (limits.max_known_devices < 32) shape.restart_weight = 0;
  return shape;
}

std::map<std::string, std::uint64_t> totals;

bool run_seed(std::uint64_t seed, int operations, bool trace) {
  current_seed = seed;
  const Limits limits = limits_of(seed);
  SimPlace place(seed, limits);
  Differential differential(place, limits);
  Generator generator(seed, shape_of(seed, limits, place.gateways()), differential.model());
  for (int i = 1; i <= operations; ++i) {
    current_operation = i;
    const Operation operation = generator.next();
    if (trace) std::fprintf(stderr, "%d: %s\n", i, operation.text().c_str());
    try {
      differential.apply(operation);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "IMS_SEED=%llu IMS_MODEL_OPS=%d differs (%s) at\n  %s\n  %s\n",
                   static_cast<unsigned long long>(seed), i, place.shape().c_str(),
                   operation.text().c_str(), error.what());
      return false;
    }
  }
  for (const auto& [what, count] : differential.tally()) totals[what] += count;
  return true;
}

void prepare() {
  std::signal(SIGABRT, on_abort);
  std::signal(SIGSEGV, on_abort);
  google::protobuf::SetLogHandler(nullptr);  // what is no UTF-8 is sent on purpose
  set_log_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

// ---- tenants ------------------------------------------------------------------------------------

// The frames of one client. ConAck.session alone is made equal: PROTOCOL.md section 3 gives it a
// type and no meaning, and it is drawn from what all tenants share. Everything else is compared as
// it came, epoch and order of frames included.
std::vector<std::string> frames_of(std::string bytes, bool envelope) {
  std::vector<std::string> frames = test::take_frames(bytes);
  if (frames.empty()) return frames;
  if (envelope) {
    v1::Command command;
    Response response;
    ConAck answer;
    command.ParseFromString(frames[0]);
    response.ParseFromString(command.payload());
    answer.ParseFromString(response.payload());
    answer.clear_session();
    response.set_payload(answer.SerializeAsString());
    command.set_payload(response.SerializeAsString());
    frames[0] = command.SerializeAsString();
  } else {
    v2::Command command;
    command.ParseFromString(frames[0]);
    command.mutable_conack()->clear_session();
    frames[0] = command.SerializeAsString();
  }
  frames.push_back(bytes);  // a cut one
  return frames;
}

std::string v1_text(const std::string& frame) {
  v1::Command command;
  return command.ParseFromString(frame) ? command.ShortDebugString() : "<does not decode>";
}

// A world of two tenants, then the same without the first: the second one's clients are sent the
// same bytes.
bool run_without_first(std::uint64_t seed, int operations) {
  current_seed = seed;
  const Limits limits = limits_of(seed);
  std::vector<Operation> done;
  std::map<int, std::string> bytes;
  {
    SimPlace place(seed, limits);
    Differential differential(place, limits);
    differential.keep_bytes();
    Shape shape = shape_of(seed, limits, place.gateways());
    shape.made_ids = false;  // an id that the server makes may be anything
    Generator generator(seed, shape, differential.model());
    for (int i = 1; i <= operations; ++i) {
      current_operation = i;
      done.push_back(generator.next());
      differential.apply(done.back());
    }
    bytes = differential.bytes();
  }
  SimPlace place(seed, limits);
  Differential differential(place, limits);
  differential.keep_bytes();
  for (const Operation& operation : done) {
    const bool of_all = operation.kind == Operation::Kind::kRestart ||
                        operation.kind == Operation::Kind::kCrash ||
                        operation.kind == Operation::Kind::kWait;
    if (of_all || operation.who.tenant == 1) {
      differential.apply(operation);
    } else {
      differential.pass_over(operation);
    }
  }
  std::size_t compared = 0;
  for (const Operation& operation : done) {
    if (operation.kind != Operation::Kind::kConnect || operation.who.tenant != 1) continue;
    const auto with = frames_of(bytes[operation.client], operation.envelope);
    const auto without = frames_of(differential.bytes().at(operation.client), operation.envelope);
    compared += with.size();
    if (with == without) continue;
    std::size_t at = 0;
    while (at < with.size() && at < without.size() && with[at] == without[at]) ++at;
    const auto shown = [&](const std::vector<std::string>& frames) {
      v2::Command command;
      if (at >= frames.size()) return std::string("nothing");
      if (operation.envelope || !command.ParseFromString(frames[at])) {
        return v1_text(frames[at]);
      }
      return command.ShortDebugString();
    };
    std::fprintf(stderr,
                 "IMS_SEED=%llu: frame %zu of client %d differs without the first tenant\n"
                 "    with    %s\n    without %s\n",
                 static_cast<unsigned long long>(seed), at, operation.client, shown(with).c_str(),
                 shown(without).c_str());
    return false;
  }
  totals["frames of the second tenant"] += compared;
  return compared > 0;
}

TEST_CASE("the second tenant with and without the first") {
  prepare();
  const int operations = static_cast<int>(number_from("IMS_MODEL_OPS", kOperations));
  const std::uint64_t replay = number_from("IMS_SEED", 0);
  if (replay != 0) {
    CHECK(run_without_first(replay, operations));
    return;
  }
  const std::uint64_t first = number_from("IMS_MODEL_FIRST", 1);
  const std::uint64_t count = number_from("IMS_MODEL_SEEDS", 40) / 5;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    CHECK(run_without_first(seed, operations));
  }
}

TEST_CASE("model and simulated server") {
  prepare();
  const int operations = static_cast<int>(number_from("IMS_MODEL_OPS", kOperations));
  const std::uint64_t replay = number_from("IMS_SEED", 0);
  if (replay != 0) {
    CHECK(run_seed(replay, operations, true));
    return;
  }
  std::ifstream kept(std::string(IMS_SOURCE_DIR) + "/tests/model/seeds.txt");
  for (std::string line; std::getline(kept, line);) {
    if (line.empty() || line[0] == '#') continue;
    CHECK(run_seed(std::strtoull(line.c_str(), nullptr, 10), operations, false));
  }
  const std::uint64_t first = number_from("IMS_MODEL_FIRST", 1);
  const std::uint64_t count = number_from("IMS_MODEL_SEEDS", 40);
  const std::uint64_t failures_max = number_from("IMS_SIM_FAILURES", 1);
  std::uint64_t failures = 0;
  for (std::uint64_t seed = first; seed < first + count && failures < failures_max; ++seed) {
    if (!run_seed(seed, operations, false)) ++failures;
  }
  CHECK(failures == 0);
  for (const auto& [what, number] : totals) {
    std::fprintf(stderr, "%s: %llu\n", what.c_str(), static_cast<unsigned long long>(number));
  }
}

}  // namespace
}  // namespace ims::model
