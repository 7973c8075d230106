// Jobs, and the thread that runs them (reader.h).
#include "logic/reader.h"

#include "shared/assert.h"

namespace ims::logic {
namespace {

class RowPacker final : public RowVisitor {
 public:
  explicit RowPacker(ReadJob& job) : job_(job) {}

  bool on_row(std::string_view key, std::string_view value) override {
    // One row past the page is looked at, never kept: it is what `more` says.
    if (job_.row_count == job_.rows_max || (job_.row_count > 0 && bytes_ >= job_.bytes_max)) {
      job_.more = true;
      return false;
    }
    const std::uint32_t sizes[2] = {static_cast<std::uint32_t>(key.size()),
                                    static_cast<std::uint32_t>(value.size())};
    job_.rows.append(reinterpret_cast<const char*>(sizes), sizeof sizes);
    job_.rows.append(key);
    job_.rows.append(value);
    bytes_ += key.size() + value.size();
    ++job_.row_count;
    return true;
  }

 private:
  ReadJob& job_;
  std::size_t bytes_ = 0;
};

}  // namespace

void ReadJob::clear() noexcept {
  ticket = 0;
  gets.clear();
  has_scan = false;
  scan_from.clear();
  scan_to.clear();
  scan_reverse = false;
  rows_max = 0;
  bytes_max = 0;
  rows.clear();
  row_count = 0;
  more = false;
  status = StoreStatus::kOk;
}

StoreStatus run_read(Store& store, ReadJob& job, ReadTier tier) {
  if (job.program != nullptr) return job.status = job.program(store, job, tier);
  for (ReadJob::Get& get : job.gets) {
    get.status = store.get(get.table, get.key, &get.value, tier);
    if (get.status == StoreStatus::kIncomplete) return StoreStatus::kIncomplete;
  }
  job.rows.clear();
  job.row_count = 0;
  job.more = false;
  job.status = StoreStatus::kOk;
  if (job.has_scan) {
    RowPacker packer(job);
    job.status = store.scan(job.scan_table, job.scan_from, job.scan_to, job.scan_reverse, tier,
                            packer);
  }
  return job.status;
}

Reader::Reader(Store& store, std::span<ReadPort* const> ports, CounterBlock& counters)
    : store_(store), counters_(counters) {
  for (ReadPort* port : ports) lanes_.push_back({port, false});
}

bool Reader::run_once() {
  bool worked = false;
  for (Lane& lane : lanes_) {
    const auto popped = lane.port->submitted.try_pop();
    if (!popped) continue;
    ReadJob* job = *popped;
    run_read(store_, *job, ReadTier::kMayBlock);
    counters_.add(Counter::kReaderReads);
    const bool pushed = lane.port->done.try_push(job);
    IMS_ASSERT(pushed);
    lane.answered = true;
    worked = true;
  }
  return worked;
}

bool Reader::idle() const noexcept {
  for (const Lane& lane : lanes_) {
    if (!lane.port->submitted.empty()) return false;
  }
  return true;
}

void run_reader(Reader& reader, Wakeup& own, std::span<Wakeup* const> workers,
                const std::atomic<bool>& stop) {
  const auto wake = [&](WorkerIndex worker) {
    if (workers[worker] != nullptr) workers[worker]->notify();
  };
  for (;;) {
    const bool worked = reader.run_once();
    reader.take_answered(wake);
    if (worked) continue;
    // acquire: what was queued before `stop` was set is seen by the idle() that follows.
    if (stop.load(std::memory_order_acquire) && reader.idle()) return;
    own.prepare_sleep();
    if (!reader.idle() || stop.load(std::memory_order_acquire)) {
      own.cancel_sleep();
    } else {
      own.sleep(-1);
    }
  }
}

}  // namespace ims::logic
