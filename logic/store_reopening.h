// A SegmentStore that is opened again in place once the disk that was full has room.
//
// RocksDB 7.8 cannot be trusted to Resume() from a full disk: a flush that meets an error of
// another thread keeps its memtables for itself, and the resume waits for them for ever (fixed in
// 8.7: pull request 11872 of facebook/rocksdb). Its own way out of worse errors is to close it and
// open it again, and that needs nothing of it here: the log holds what its memtables held. So a
// RocksDB that met a full disk is never resumed. What happens instead is what happens at a start
// after a crash, with one thing more: the last acknowledged commit is known, so the write that
// failed is void whatever of it is in the log.
//
//   RocksDB meets a full disk ---> writes refused, reads go on ---> sync() finds room: closed,
//   opened, the log behind it applied ---> writes go on, or broken: exit code 75, a start decides
//
// Threads  As SegmentStore. While it is closed and opened (the time of a start behind a crash: the
//          log of the segments that are not sealed is read) cache reads are kIncomplete and
//          others wait.
// Errors   A second opening that fails is kIoError for ever; its reason is in the log.
// Bounds   A reader or a copy that stays longer than kGateWait puts it off until the next sync().
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "logic/durable_store.h"
#include "logic/store_gate.h"
#include "logic/store_segments.h"

namespace ims::logic {

class ReopeningStore final : public DurableStore {
 public:
  ReopeningStore(const std::string& directory, const StoreOptions& options);

  StoreStatus write(const StoreBatch* const* batches, std::size_t count, bool sync) override;
  StoreStatus sync() override;
  StoreStatus get(Table table, std::string_view key, std::string* value, ReadTier tier) override;
  StoreStatus scan(Table table, std::string_view from, std::string_view to, bool reverse,
                   ReadTier tier, RowVisitor& visitor) override;
  bool has_space() override;

  StoreEngine engine() const noexcept override { return StoreEngine::kSegments; }
  std::uint64_t commits() const noexcept override { return store_ ? store_->commits() : 0; }
  std::uint64_t lost_commits() const noexcept override { return lost_commits_; }
  StoreStatus compact() override;
  StoreStatus checkpoint(const std::string& directory) override;
  void report(CounterBlock& counters) const override;

  // How often it was opened again: ims_store_reopened_total.
  std::uint64_t reopenings() const noexcept { return reopenings_; }

 private:
  class Visit;  // of a reader

  StoreStatus reopen();

  const std::string directory_;
  StoreOptions options_;
  StoreGate gate_;
  std::unique_ptr<SegmentStore> store_;  // null once broken_
  const std::uint64_t lost_commits_;
  std::uint64_t reopenings_ = 0;
  // release and acquire: a reader that waits at the closed gate learns that it stays closed.
  std::atomic<bool> broken_{false};
};

}  // namespace ims::logic
