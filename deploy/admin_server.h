// The operator's way into a running server: a unix socket in the data directory, which imsctl uses.
//
//   imsctl ── one JSON object per line ──▶ admin0 ── AdminCommand ──▶ the workers it concerns
//          ◀── one JSON object per line ──        ◀── done, durable ──
//
// Access   DIR/run is 0700, the socket 0600, and a peer must be the server's user or root
//          (SO_PEERCRED). What the lines say: operator_desk.h.
// Threads  run() on its own thread, `admin0`. Whoever sets its stop flag notifies its wakeup.
// Order    Make it after the store was opened (the store's lock says that a socket found in DIR is
//          a dead server's) and before the workers run; destroy it after their threads have ended,
//          because they may hold its commands until then.
// Limits   kAdminConnectionsMax connections, kAdminLineBytesMax a line; one question at a time.
// Copies   What a connection was given by `store.copy` is removed when it ends; the constructor
//          removes what dead servers left.
// Errors   The constructor throws std::runtime_error, one sentence. Later ones end one connection.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "deploy/data_dir.h"
#include "logic/admin.h"
#include "logic/store.h"
#include "logic/durable_store.h"
#include "shared/wakeup.h"

namespace ims {

// What an AdminServer is wired to. All of it outlives the server.
struct AdminWiring {
  DataDir data;
  std::string listen;                      // "127.0.0.1:7000": where `imsctl chat` connects to
  std::uint64_t hash_seed = 0;             // StoreIdentity::seed
  logic::Store* store = nullptr;           // tenants are read in the constructor, nothing later
  logic::DurableStore* files = nullptr;    // what `store.copy` copies; null: it is refused
  std::vector<logic::AdminPort*> ports;    // by worker
  std::vector<Wakeup*> workers;            // by worker: who to wake for its port
  Wakeup* wakeup = nullptr;                // Kind::kEventFd, this server's: workers notify it
};

class AdminServer {
 public:
  explicit AdminServer(AdminWiring wiring);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // Serves until `stop`. A question that still waits for workers then is not answered.
  void run(const std::atomic<bool>& stop);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace ims
