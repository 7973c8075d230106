// The loop of `imsbench store-floor` (store_floor.h): recipients, batches, writes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/floor/message_rows.h"
#include "bench/report/tally.h"
#include "logic/retention_clock.h"
#include "logic/store_identity.h"
#include "logic/durable_store.h"

namespace ims::bench {

struct StoreLoadOptions {
  std::uint32_t recipients = 100'000;
  std::uint32_t connections = 16;
  std::uint32_t window = 64;
  std::uint32_t payload_bytes = 100;
  bool client_ids = true;
  bool sync = true;
  StoreEngine engine = StoreEngine::kAuto;
};

class StoreLoad {
 public:
  // Makes the store in `directory` and its recipients. Throws what the store throws, and Stopped.
  StoreLoad(const std::string& directory, const StoreLoadOptions& options);

  // Writes batches until `end_ns` and counts them: each message as sent and answered. Throws
  // std::runtime_error where the store refuses one, Stopped (stop_signals.h) before the next one.
  void run_until(std::uint64_t end_ns, Tally& tally);

  // Rows written by run_until().
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::uint64_t batches() const noexcept { return batches_; }
  // The part of the time that went into making batches, ns.
  [[nodiscard]] std::uint64_t building_ns() const noexcept { return building_ns_; }
  void reset_counts() noexcept { rows_ = batches_ = building_ns_ = 0; }

 private:
  void add_recipients();
  void build_batch(std::uint32_t messages);
  void add_message();
  void write(bool sync);
  [[nodiscard]] std::string_view name_of_recipient(std::uint32_t index) const noexcept;

  const StoreLoadOptions options_;
  logic::RetentionClock clock_;
  std::unique_ptr<logic::DurableStore> store_;
  std::unique_ptr<MessageRows> maker_;
  std::vector<Inbox> inboxes_;
  std::string names_;  // of all, kNameBytes each
  std::string payload_;
  std::string client_id_;
  logic::StoreBatch batch_;
  std::vector<std::uint32_t> touched_;      // recipients of the open batch, once each
  std::vector<std::uint64_t> touched_in_;   // by recipient: the batch that last had it
  std::int64_t wall_ms_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t batch_number_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t batches_ = 0;
  std::uint64_t building_ns_ = 0;
};

}  // namespace ims::bench
