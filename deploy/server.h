// The server as a whole: store, rings, cores and threads, put together once and taken down in
// order.
//
//   start   data directory ─▶ store ─▶ identity ─▶ rings ─▶ cores ─▶ helper threads ─▶ workers ─▶
//           gateways
//   stop    gateways answer, say SHUTDOWN and end ─▶ workers until nothing is pending ─▶ committer
//           syncs ─▶ helpers ─▶ store closed
//
// Threads  gw0.. worker0.. commit0 reader0 auth0 admin0; fused: worker i runs on gwi.
// Errors   The constructor throws, one sentence. run() returns the exit code: 0 after a drain, 75
//          when the store failed and nothing more may be acknowledged.
#pragma once

#include <memory>

#include "shared/config.h"

namespace ims {

inline constexpr int kExitStoreFailed = 75;

class Server {
 public:
  explicit Server(const Config& config);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Prints "listening on ADDR:PORT", serves until SIGTERM or SIGINT.
  int run();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace ims
