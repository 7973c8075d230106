// A server in one thread (tests/sim/sim_server.h), over a simulated network and store, and a clock
// that moves when it is told to. Nothing goes wrong in it, except that the server restarts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "shared/config.h"
#include "shared/prng.h"
#include "tests/model/place.h"
#include "tests/sim/sim_server.h"

namespace ims::model {

class SimPlace final : public Place {
 public:
  // The seed draws gateways, workers, their placement and how much they may keep in memory.
  SimPlace(std::uint64_t seed, const Limits& limits);

  bool has_clock() const override { return true; }
  std::int64_t now_ms() const override { return now_.wall_ms; }
  void pass(std::int64_t ms) override;
  void begin() override;
  void connect(int client, std::size_t gateway) override;
  void write(int client, const std::string& bytes) override;
  void half_close(int client) override;
  void reset(int client) override;
  std::string read(int client) override;
  bool ended(int client) const override;
  std::string token(int tenant, const std::string& user) override;
  void restart(bool crash) override;
  bool wait() override;

  std::string shape() const;
  std::size_t gateways() const { return config_.gateways; }

 private:
  struct Handle {
    std::size_t gateway = 0;
    test::SimIo::Client socket = 0;
  };

  void start();
  void run_until_idle();
  test::SimIo& io(const Handle& handle) const { return server_->io(handle.gateway); }

  const std::uint64_t seed_;
  Config config_;
  sim::SimServer::Rings rings_;
  Now now_;
  testing::SimStore store_;
  std::unique_ptr<sim::SimServer> server_;
  std::map<int, Handle> handles_;
  std::map<std::pair<int, std::string>, std::string> tokens_;
  bool settled_ = false;
};

}  // namespace ims::model
