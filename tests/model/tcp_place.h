// A real server over TCP on this machine, which somebody else starts and restarts: restart() writes
// `restart` or `crash` on standard output and waits for a line on standard input.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/model/place.h"

namespace ims::model {

class TcpPlace final : public Place {
 public:
  explicit TcpPlace(int port) : port_(port) {}
  ~TcpPlace() override;

  bool has_clock() const override { return false; }
  std::int64_t now_ms() const override { return 0; }
  void pass(std::int64_t ms) override;
  void begin() override;
  void connect(int client, std::size_t gateway) override;
  void write(int client, const std::string& bytes) override;
  void half_close(int client) override;
  void reset(int client) override;
  std::string read(int client) override;
  bool ended(int client) const override { return !sockets_.contains(client); }
  std::string token(int tenant, const std::string& user) override;
  void restart(bool crash) override;
  bool wait() override;

 private:
  const int port_;
  std::map<int, int> sockets_;
  std::chrono::steady_clock::time_point deadline_{};
};

}  // namespace ims::model
