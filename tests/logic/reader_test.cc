// The reader: pages and their bounds, round-robin, its thread.
#include "logic/reader.h"

#include <doctest/doctest.h>

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "logic/store_memory.h"
#include "tests/support/sim_store.h"

namespace ims::logic {
namespace {

// Ten rows r0..r9, each with a key of 2 bytes and a value of 8.
void fill(Store& store) {
  StoreBatch batch;
  for (int at = 0; at < 10; ++at) {
    batch.put(Table::kRows, "r" + std::to_string(at), "value-0" + std::to_string(at));
  }
  batch.put(Table::kMeta, "m", "meta");
  const StoreBatch* const batches[] = {&batch};
  REQUIRE(store.write(batches, 1, true) == StoreStatus::kOk);
}

std::string keys(const ReadJob& job) {
  std::string text;
  job.for_each_row([&](std::string_view key, std::string_view value) {
    CHECK(value == "value-0" + std::string(key.substr(1)));
    text += key[1];
  });
  return text;
}

ReadJob scan_job(std::string from, std::string to, bool reverse, std::uint32_t rows_max,
                 std::size_t bytes_max) {
  ReadJob job;
  job.has_scan = true;
  job.scan_table = Table::kRows;
  job.scan_from = std::move(from);
  job.scan_to = std::move(to);
  job.scan_reverse = reverse;
  job.rows_max = rows_max;
  job.bytes_max = bytes_max;
  return job;
}

TEST_CASE("reader: a page ends at rows_max, or with the row that reaches bytes_max") {
  struct Row {
    const char* rule;
    std::string from, to;
    bool reverse;
    std::uint32_t rows_max;
    std::size_t bytes_max;
    std::string keys;
    bool more;
  };
  const Row rows[] = {
      {"all, room to spare", "r0", "s", false, 11, 1000, "0123456789", false},
      {"exactly all rows", "r0", "s", false, 10, 1000, "0123456789", false},
      {"one row less", "r0", "s", false, 9, 1000, "012345678", true},
      {"exactly all bytes", "r0", "s", false, 99, 100, "0123456789", false},
      {"bytes reached by the last but one", "r0", "s", false, 99, 90, "012345678", true},
      {"bytes passed within a row", "r0", "s", false, 99, 81, "012345678", true},
      {"at least one row", "r3", "s", false, 99, 0, "3", true},
      {"no row asked", "r0", "s", false, 0, 1000, "", true},
      {"reverse", "r2", "r6", true, 3, 1000, "543", true},
      {"reverse to the end", "r2", "r6", true, 4, 1000, "5432", false},
      {"empty range", "x", "y", false, 9, 1000, "", false},
  };
  MemoryStore store;
  fill(store);
  for (const Row& row : rows) {
    INFO("rule: " << row.rule);
    ReadJob job = scan_job(row.from, row.to, row.reverse, row.rows_max, row.bytes_max);
    CHECK(run_read(store, job, ReadTier::kMayBlock) == StoreStatus::kOk);
    CHECK(keys(job) == row.keys);
    CHECK(job.row_count == row.keys.size());
    CHECK(job.more == row.more);
    CHECK(job.status == StoreStatus::kOk);
    // The same job again gives the same page: a retry keeps nothing of the first run.
    CHECK(run_read(store, job, ReadTier::kMayBlock) == StoreStatus::kOk);
    CHECK(keys(job) == row.keys);
    CHECK(job.more == row.more);
  }
}

TEST_CASE("reader: gets answer one by one, a missing key is no failure") {
  MemoryStore store;
  fill(store);
  ReadJob job = scan_job("r8", "s", false, 99, 1000);
  job.gets.push_back({Table::kMeta, "m", "", StoreStatus::kIoError});
  job.gets.push_back({Table::kMeta, "absent", "", StoreStatus::kIoError});
  job.gets.push_back({Table::kRows, "r1", "", StoreStatus::kIoError});
  CHECK(run_read(store, job, ReadTier::kMayBlock) == StoreStatus::kOk);
  CHECK(job.gets[0].status == StoreStatus::kOk);
  CHECK(job.gets[0].value == "meta");
  CHECK(job.gets[1].status == StoreStatus::kNotFound);
  CHECK(job.gets[2].value == "value-01");
  CHECK(keys(job) == "89");

  job.clear();
  CHECK(run_read(store, job, ReadTier::kMayBlock) == StoreStatus::kOk);
  CHECK(job.gets.empty());
  CHECK(job.rows.empty());
}

TEST_CASE("reader: kCacheOnly says kIncomplete as a whole; the reader then answers the same job") {
  testing::SimStore store(3);
  fill(store);
  store.set_faults({.incomplete_percent = 100});
  CounterBlock counters;
  ReadPort port(4);
  ReadPort* const ports[] = {&port};
  Reader reader(store, ports, counters);

  ReadJob job = scan_job("r0", "s", false, 99, 1000);
  CHECK(run_read(store, job, ReadTier::kCacheOnly) == StoreStatus::kIncomplete);
  ReadJob* view = &job;
  REQUIRE(port.submitted.try_push(view));
  REQUIRE(reader.run_once());
  REQUIRE(port.done.try_pop() == &job);
  CHECK(job.status == StoreStatus::kOk);
  CHECK(keys(job) == "0123456789");

  ReadJob get;
  get.gets.push_back({Table::kMeta, "m", "", StoreStatus::kOk});
  CHECK(run_read(store, get, ReadTier::kCacheOnly) == StoreStatus::kIncomplete);
  CHECK(run_read(store, get, ReadTier::kMayBlock) == StoreStatus::kOk);
  CHECK(get.gets[0].value == "meta");
}

// Errors of the disk.
class BadStore final : public Store {
 public:
  StoreStatus write(const StoreBatch* const*, std::size_t, bool) override { return status; }
  StoreStatus sync() override { return status; }
  StoreStatus get(Table, std::string_view, std::string*, ReadTier) override { return status; }
  StoreStatus scan(Table, std::string_view, std::string_view, bool, ReadTier,
                   RowVisitor& visitor) override {
    visitor.on_row("r1", "value-01");
    return status;
  }
  bool has_space() override { return true; }
  StoreStatus status = StoreStatus::kCorrupt;
};

TEST_CASE("reader: errors of the disk come back in the get and in the scan") {
  for (const StoreStatus status : {StoreStatus::kCorrupt, StoreStatus::kIoError}) {
    BadStore store;
    store.status = status;
    ReadJob job = scan_job("r0", "s", false, 99, 1000);
    job.gets.push_back({Table::kMeta, "m", "", StoreStatus::kOk});
    CHECK(run_read(store, job, ReadTier::kMayBlock) == status);
    CHECK(job.gets[0].status == status);
    CHECK(job.status == status);
  }
}

TEST_CASE("reader: one job of each port in turn, answered in order") {
  MemoryStore store;
  fill(store);
  CounterBlock counters;
  ReadPort port0(8);
  ReadPort port1(8);
  ReadPort* const ports[] = {&port0, &port1};
  Reader reader(store, ports, counters);
  CHECK(reader.idle());
  CHECK_FALSE(reader.run_once());

  std::deque<ReadJob> jobs;
  const auto submit = [&](ReadPort& port, std::uint64_t ticket) {
    ReadJob& job = jobs.emplace_back();
    job.ticket = ticket;
    job.gets.push_back({Table::kMeta, "m", "", StoreStatus::kOk});
    ReadJob* view = &job;
    REQUIRE(port.submitted.try_push(view));
  };
  for (std::uint64_t ticket = 0; ticket < 8; ++ticket) submit(port0, ticket);
  submit(port1, 100);
  CHECK_FALSE(reader.idle());
  REQUIRE(reader.run_once());
  REQUIRE(port1.done.size_approx() == 1);  // did not wait for the eight
  CHECK(port0.done.size_approx() == 1);
  std::vector<int> woken;
  reader.take_answered([&](WorkerIndex worker) { woken.push_back(worker); });
  CHECK(woken == std::vector<int>{0, 1});
  while (reader.run_once()) {
  }
  reader.take_answered([&](WorkerIndex worker) { woken.push_back(worker); });
  CHECK(woken == std::vector<int>{0, 1, 0});
  for (std::uint64_t ticket = 0; ticket < 8; ++ticket) {
    const auto job = port0.done.try_pop();
    REQUIRE(job);
    CHECK((*job)->ticket == ticket);
  }
  CHECK(reader.idle());
  CHECK(counters.get(Counter::kReaderReads) == 9);
}

TEST_CASE("reader: its thread answers while another thread writes, and ends when told") {
  constexpr std::uint64_t kJobs = 3000;
  MemoryStore store;
  fill(store);
  CounterBlock counters;
  ReadPort port(16);
  ReadPort* const ports[] = {&port};
  Reader reader(store, ports, counters);
  Wakeup own(Wakeup::Kind::kFutex);
  Wakeup worker(Wakeup::Kind::kFutex);
  Wakeup* const workers[] = {&worker};
  std::atomic<bool> stop{false};
  std::thread reading([&] { run_reader(reader, own, workers, stop); });
  std::atomic<bool> written{false};
  std::thread writing([&] {
    StoreBatch batch;
    const StoreBatch* const batches[] = {&batch};
    for (int at = 0; !written.load(); ++at) {
      batch.clear();
      batch.put(Table::kRows, "w1", std::to_string(at));
      batch.put(Table::kRows, "w2", std::to_string(at));
      store.write(batches, 1, true);
    }
  });

  std::uint64_t done = 0;
  std::uint64_t torn = 0;
  ReadJob job = scan_job("w", "x", false, 9, 1000);
  while (done < kJobs) {
    ReadJob* view = &job;
    REQUIRE(port.submitted.try_push(view));
    own.notify();
    while (port.done.empty()) {
      worker.prepare_sleep();
      if (port.done.empty()) {
        worker.sleep(1000);
      } else {
        worker.cancel_sleep();
      }
    }
    REQUIRE(port.done.try_pop() == &job);
    std::vector<std::string> values;
    job.for_each_row([&](std::string_view, std::string_view value) { values.emplace_back(value); });
    if (!values.empty() && (values.size() != 2 || values[0] != values[1])) ++torn;
    ++done;
  }
  CHECK(torn == 0);  // a scan sees no half of a write
  written.store(true);
  writing.join();
  stop.store(true);
  own.notify();
  reading.join();
}

}  // namespace
}  // namespace ims::logic
