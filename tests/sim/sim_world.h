// A whole server, its store, its network and its clients, in one thread and from one seed.
//
// The seed draws the shape (gateways, workers, placement, limits, ring sizes), then the
// probabilities of everything that may go wrong (so some worlds are all resets, others all slow
// readers), then what happens. In a pause nothing new does, and everybody is given what is owed.
// After the chaos the world heals: everybody is quiet, every device
// logs in and is given what it is owed, everybody leaves, and nothing may be left over; then the
// model has its say.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "shared/config.h"
#include "shared/prng.h"
#include "tests/sim/model.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_server.h"

namespace ims::sim {

// A world that is calm comes to rest within so many rounds of so much time.
inline constexpr int kSettleRounds = 6000;
inline constexpr int kCalmRounds = 12;  // longer than the timers by which something waits
inline constexpr std::int64_t kSettleStepMs = 20;
inline constexpr int kPresenceRounds = 130;  // who went is told of after 2 s
inline constexpr int kFullStoreRounds = 75;  // a store that was full tries again each second

// What may go wrong, in percent per chance unless said otherwise.
struct Weather {
  unsigned thread_percent = 50;     // a thread that is awake runs in a step
  unsigned commit_percent = 50;
  unsigned read_percent = 50;       // the reader thread
  unsigned spurious_percent = 0;    // a sleeping thread runs all the same
  unsigned client_read_percent = 50;
  unsigned reset_permille = 0;      // per client action
  unsigned stall_permille = 0;      // per step: one thread stops for a while
  unsigned crash_permille = 0;
  unsigned shutdown_permille = 0;
  unsigned store_failure_permille = 0;
  unsigned pause_permille = 0;      // nothing new until all is quiet
  unsigned leap_permille = 0;       // the clock leaps
  unsigned wall_step_permille = 0;
  unsigned burst_percent = 10;      // of message sendings
  unsigned group_percent = 40;      // of messages go to a group
  unsigned contact_percent = 0;     // of what clients do
  unsigned recall_percent = 0;      // of what is left
  unsigned presence_percent = 0;    // of what is left then
  unsigned payload_bytes_max = 64;
  std::size_t window_bytes_min = 256 * 1024;
  test::SimFaults network;
  testing::SimFaults store;
};

class SimWorld {
 public:
  SimWorld(std::uint64_t seed, bool with_trace);
  ~SimWorld();

  // Throws Failure.
  void run();
  std::string shape() const;
  // For a summary over many worlds: what did happen in them?
  std::map<std::string, std::uint64_t> tally() const;

 private:
  struct Client {
    std::unique_ptr<SimClient> client;
    std::size_t gateway = 0;
  };
  using Device = std::tuple<int, std::string, std::string>;

  // sim_world.cc
  void draw();
  void start();
  void step();
  void run_threads();
  void mishaps();
  void crash(bool power);
  void shut_down();
  void pause();
  void note_failures();
  void count_up();
  void took(std::size_t gateway);
  void still_air();
  void settle(const char* what, int rounds_min = 0);
  void finale();
  void log_in_everybody();
  void list_groups();
  void list_contacts();
  void everybody_leaves();
  Truth truth();

  // sim_presence.cc
  void send_presence(SimClient& client);
  std::vector<std::string> devices_online(int tenant, const std::string& user) const;
  void check_presence();
  void check_presence_pushes();
  void check_told(const SimClient& client, std::string_view when) const;

  // sim_clients.cc: what clients do
  SimClient* connect(const Device& device, bool send_only);
  void client_actions();
  void connect_somebody();
  void act(SimClient& client);
  void send_message(SimClient& client);
  void send_repeat(SimClient& client);
  void send_recall(SimClient& client);
  void send_group_request(SimClient& client);
  void send_contact(SimClient& client);
  void send_sync(SimClient& client);
  void acknowledge(SimClient& client, bool surely);
  void bury_the_dead();
  std::string random_user() { return "u" + std::to_string(prng_.below(users_)); }
  std::string random_group() {  // one of them is busier than the others
    return "g" + std::to_string(prng_.chance(50) ? 0 : prng_.below(3));
  }

  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[prng_.below(values.size())];
  }
  bool permille(unsigned chance) { return prng_.below(1000) < chance; }
  template <typename... Parts>
  void trace(const Parts&... parts) {
    if (!trace_) return;
    std::ostringstream line;
    line << steps_ << " t=" << now_.mono_ms << ": ";
    (line << ... << parts);
    std::fprintf(stderr, "%s\n", line.str().c_str());
  }

  const std::uint64_t seed_;
  const bool trace_;
  Prng prng_;
  Config config_;
  Weather weather_;
  SimServer::Rings rings_;
  Now now_;
  std::uint64_t users_ = 3;
  std::uint64_t client_ids_ = 0;
  std::uint64_t notes_ = 0;
  int steps_ = 0;
  std::int64_t leapt_ms_ = 0;

  testing::SimStore store_;
  std::uint64_t failures_ = 0;
  std::optional<Model> model_;
  std::unique_ptr<SimServer> server_;
  std::vector<Client> clients_;
  std::set<Device> devices_;  // that ever logged in
  std::set<std::tuple<int, std::string, std::string>> parted_;  // who may have been friends once
  std::map<std::pair<int, std::string>, std::deque<std::uint64_t>> repeats_;
  std::size_t stalled_thread_ = SIZE_MAX;
  int stalled_until_ = 0;
  std::map<std::string, std::uint64_t> tally_;
};

}  // namespace ims::sim
