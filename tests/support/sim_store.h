// A store for the simulation: in memory, seeded, able to lose what was not synced and to fail on
// request. Everything that it does by chance follows from its seed.
//
//   what readers see   durable rows, then the unsynced batches in order
//   crash()            keeps the durable rows and a prefix of the unsynced batches; a write that
//                      failed last may come back whole, as Store says
//
// Threads  One.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "logic/store.h"
#include "shared/prng.h"

namespace ims::testing {

struct SimFaults {
  std::uint64_t fail_write = 0;  // the n-th write() from now fails, then none; 0: none
  logic::StoreStatus fail_status = logic::StoreStatus::kNoSpace;  // or kIoError, for ever
  unsigned incomplete_percent = 0;                                // of kCacheOnly reads
  unsigned no_space_percent = 0;                                  // of has_space() calls
};

class SimStore final : public logic::Store {
 public:
  explicit SimStore(std::uint64_t seed) : prng_(seed) {}

  void set_faults(const SimFaults& faults) noexcept { faults_ = faults; }

  // The machine lost power and started again. Ends kIoError and kNoSpace.
  void crash();

  std::uint64_t writes() const noexcept { return writes_; }    // that succeeded
  std::uint64_t failures() const noexcept { return failures_; }
  std::size_t unsynced() const noexcept { return unsynced_.size(); }

  logic::StoreStatus write(const logic::StoreBatch* const* batches, std::size_t count,
                           bool sync) override;
  logic::StoreStatus sync() override;
  logic::StoreStatus get(logic::Table table, std::string_view key, std::string* value,
                         logic::ReadTier tier) override;
  logic::StoreStatus scan(logic::Table table, std::string_view from, std::string_view to,
                          bool reverse, logic::ReadTier tier, logic::RowVisitor& visitor) override;
  bool has_space() override;

 private:
  using Rows = std::map<std::string, std::string, std::less<>>;
  using Tables = std::array<Rows, logic::kTableCount>;
  using Write = std::vector<logic::StoreBatch>;  // one write(): lost or kept as a whole

  static void apply(Tables& tables, const Write& write);
  void make_durable();

  Prng prng_;
  SimFaults faults_;
  Tables durable_;
  Tables visible_;
  std::vector<Write> unsynced_;
  std::optional<Write> doubtful_;  // failed, and nothing has succeeded since
  bool full_ = false;              // until sync()
  bool broken_ = false;            // until crash()
  std::uint64_t writes_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace ims::testing
