// The engines on a disk that fails: EIO, full, power cuts, at every step of a workload that appends
// to and syncs WAL or segments, tables and manifest.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "logic/commit_floor.h"
#include "logic/durable_store.h"
#include "tests/support/fault_files.h"
#include "tests/support/store_oracle.h"
#include "tests/support/temp_dir.h"

namespace ims::logic {
namespace {

using testing::FaultFiles;
using testing::StoreOracle;
using testing::TempDir;

constexpr int kWrites = 40;
constexpr std::size_t kValueBytes = 8 * kKiB;  // 40 of them overflow the memtables once or twice

constexpr StoreEngine kEngines[] = {StoreEngine::kRocksdb, StoreEngine::kSegments};

StoreOptions fault_options(FaultFiles& files) {
  StoreOptions options;
  options.block_cache_bytes = 1 * kMiB;
  options.write_buffer_bytes = 256 * kKiB;
  options.store_reserve_bytes = 0;
  options.ballast_bytes = 0;
  options.segment_bytes = 64 * kKiB;  // eight writes
  options.env = files.env();
  options.segment_io = files.segment_io();
  return options;
}

TEST_CASE("disk: EIO at any append or sync: kIoError for ever, nothing acknowledged is lost") {
  for (const StoreEngine engine : kEngines) {
    INFO("engine: " << static_cast<int>(engine));
    int failures = 0;
    for (const auto op : {FaultFiles::Op::kAppend, FaultFiles::Op::kSync}) {
      for (std::uint64_t nth = 1;; ++nth) {
        INFO("op: " << static_cast<int>(op) << " nth: " << nth);
        const TempDir directory(TempDir::Place::kInMemory);
        FaultFiles files;
        StoreOracle oracle(kValueBytes);
        bool fired = false;
        bool failed = false;
        {
          const auto made = open_store(engine, directory.path(), fault_options(files));
          DurableStore& store = *made;
          files.arm({.op = op, .nth = nth, .error = FaultFiles::Error::kIo, .tears = nth % 2 == 0});
          for (int at = 0; at < kWrites && !failed; ++at) {
            const StoreStatus status = oracle.write_next(store, "tag");
            failed = status != StoreStatus::kOk;
            if (failed) REQUIRE(status == StoreStatus::kIoError);
          }
          fired = files.fired();
          files.arm({});
          if (failed) {
            ++failures;
            CHECK(oracle.write_next(store, "after") == StoreStatus::kIoError);
            CHECK(store.sync() == StoreStatus::kIoError);
            CHECK_FALSE(store.has_space());
            std::string value;
            const StoreStatus read = store.get(Table::kMeta, "uhead", &value, ReadTier::kMayBlock);
            CHECK(read == (oracle.acked() > 0 ? StoreStatus::kOk : StoreStatus::kNotFound));
          }
        }
        if (nth % 3 != 0) files.lose_power(nth);
        {
          const auto made = open_store(engine, directory.path(), fault_options(files));
          DurableStore& store = *made;
          CHECK(oracle.check(store, failed) == "");
          CHECK(oracle.write_next(store, "again") == StoreStatus::kOk);
        }
        if (!fired) break;
        REQUIRE(nth < 1000);
      }
    }
    CHECK(failures > kWrites);
  }
}

enum class Ending { kCrash, kResume, kCrashInResume };

// Fills the disk at the nth append of the workload, then ends as told. False once nth is past the
// end.
bool fill_disk_at(StoreEngine engine, std::uint64_t nth, Ending ending, int& failed_writes) {
  INFO("nth: " << nth << " ending: " << static_cast<int>(ending));
  const TempDir directory(TempDir::Place::kInMemory);
  FaultFiles files;
  StoreOracle oracle(kValueBytes);
  bool fired = false;
  bool unknown = false;
  {
    const auto made = open_store(engine, directory.path(), fault_options(files));
    DurableStore& store = *made;
    files.arm({.op = FaultFiles::Op::kAppend,
               .nth = nth,
               .error = FaultFiles::Error::kNoSpace,
               .stays = true,
               .tears = nth % 2 == 0});
    StoreStatus status = StoreStatus::kOk;
    for (int at = 0; at < kWrites && status == StoreStatus::kOk; ++at) {
      status = oracle.write_next(store, "first");
    }
    fired = files.fired();
    unknown = status != StoreStatus::kOk;
    if (unknown) {
      ++failed_writes;
      CHECK(status == StoreStatus::kNoSpace);
      CHECK_FALSE(store.has_space());
      CHECK(oracle.write_next(store, "untried") == StoreStatus::kNoSpace);
      CHECK(oracle.check(store, false) == "");  // reads go on and see the acknowledged alone
    }
    files.arm({});
    if (ending == Ending::kResume) {
      for (int at = 0; at < 5; ++at) {
        // A flush in the background may find the disk full later than the last write did.
        int tries = 0;
        while ((status = oracle.write_next(store, "second")) == StoreStatus::kNoSpace) {
          REQUIRE(++tries < 500);
          REQUIRE(store.sync() != StoreStatus::kIoError);
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        REQUIRE(status == StoreStatus::kOk);
      }
      CHECK(store.has_space());
      unknown = false;
    } else if (ending == Ending::kCrashInResume) {
      files.arm({.op = FaultFiles::Op::kAny, .nth = 1 + nth % 23, .stays = true});
      // As the committer does, until the flush that failed is over.
      for (int tries = 0; tries < 500 && store.sync() == StoreStatus::kNoSpace; ++tries) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    }
    // Nothing that closing does may help.
    files.arm({.op = FaultFiles::Op::kAny, .nth = 1, .stays = true});
  }
  files.arm({});
  if (nth % 3 != 0) files.lose_power(nth);
  const auto made = open_store(engine, directory.path(), fault_options(files));
  DurableStore& store = *made;
  CHECK(oracle.check(store, unknown) == "");
  CHECK(oracle.write_next(store, "third") == StoreStatus::kOk);
  CHECK(oracle.check(store, false) == "");
  REQUIRE(nth < 1000);
  return fired;
}

TEST_CASE("disk: full at any append, then a crash: the failed write is whole or not there") {
  for (const StoreEngine engine : kEngines) {
    INFO("engine: " << static_cast<int>(engine));
    int failed_writes = 0;
    for (std::uint64_t nth = 1; fill_disk_at(engine, nth, Ending::kCrash, failed_writes); ++nth) {
    }
    CHECK(failed_writes > kWrites / 2);
  }
}

TEST_CASE("disk: full at any append, then room: writes go on, the failed one is gone for good") {
  for (const StoreEngine engine : kEngines) {
    INFO("engine: " << static_cast<int>(engine));
    int failed_writes = 0;
    for (std::uint64_t nth = 1; fill_disk_at(engine, nth, Ending::kResume, failed_writes); ++nth) {
    }
    CHECK(failed_writes > kWrites / 2);
  }
}

TEST_CASE("disk: full at any append, then a crash while it resumes: never half a write") {
  for (const StoreEngine engine : kEngines) {
    INFO("engine: " << static_cast<int>(engine));
    int failed_writes = 0;
    for (std::uint64_t nth = 1;
         fill_disk_at(engine, nth, Ending::kCrashInResume, failed_writes); ++nth) {
    }
    CHECK(failed_writes > kWrites / 2);
  }
}

TEST_CASE("disk: a power cut takes nothing that was synced, and only a tail of what was not") {
  for (const StoreEngine engine : kEngines) {
    INFO("engine: " << static_cast<int>(engine));
    std::uint64_t lost = 0;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      const bool sync = seed % 2 == 0;
      INFO("seed: " << seed);
      const TempDir directory(TempDir::Place::kInMemory);
      FaultFiles files;
      StoreOracle oracle(kValueBytes);
      {
        const auto made = open_store(engine, directory.path(), fault_options(files));
        DurableStore& store = *made;
        for (std::uint64_t at = 0; at < 5 + seed; ++at) {
          REQUIRE(oracle.write_next(store, "tag", sync) == StoreStatus::kOk);
        }
        // No sync while closing. The background's go on: RocksDB 7.8 aborts the process where a log
        // whose sync failed in a flush is synced again.
        files.arm({.op = FaultFiles::Op::kSync, .nth = 1, .stays = true, .caller_only = true});
      }
      files.arm({});
      files.lose_power(seed);
      const auto made = open_store(engine, directory.path(), fault_options(files));
      DurableStore& store = *made;
      if (!sync) {
        std::string value;
        std::uint64_t head = 0;
        if (store.get(Table::kMeta, "uhead", &value, ReadTier::kMayBlock) == StoreStatus::kOk) {
          head = read_big_endian<std::uint64_t>(value);
        }
        lost += oracle.acked() - head;
        oracle.forget_above(head);
      }
      CHECK(oracle.check(store, false) == "");
    }
    CHECK(lost > 0);  // the cuts do cut
  }
}

// The file of the WAL, or the segment, with the most bytes.
std::filesystem::path largest_wal(const std::string& directory) {
  std::filesystem::path largest;
  std::uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory)) {
    const std::string kind = file.path().extension().string();
    if ((kind == ".log" || kind == ".seg") && file.file_size() > bytes) {
      bytes = file.file_size();
      largest = file.path();
    }
  }
  return largest;
}

TEST_CASE("disk: durable commits that recovery does not find are refused unless accepted") {
  for (const StoreEngine engine : kEngines) {
    INFO("engine: " << static_cast<int>(engine));
    FaultFiles files;
    for (const bool flips : {false, true}) {
      INFO("a flipped bit, or a cut: " << flips);
      const TempDir directory(TempDir::Place::kInMemory);
      StoreOracle oracle(100);
      {
        const auto made = open_store(engine, directory.path(), fault_options(files));
        DurableStore& store = *made;
        for (int at = 0; at < 50; ++at) {
          REQUIRE(oracle.write_next(store, "tag") == StoreStatus::kOk);
        }
        CHECK(store.commits() == 51);  // the format's is the first
      }
      const std::filesystem::path wal = largest_wal(directory.path());
      const std::uintmax_t bytes = std::filesystem::file_size(wal);
      REQUIRE(bytes > 5000);
      if (flips) {
        std::fstream file(wal, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(static_cast<std::streamoff>(bytes / 2));
        const int byte = file.get();
        file.seekp(static_cast<std::streamoff>(bytes / 2));
        file.put(static_cast<char>(byte ^ 0x10));
      } else {
        std::filesystem::resize_file(wal, bytes / 2);
      }
      CHECK_THROWS_WITH_AS(open_store(engine, directory.path(), fault_options(files)),
                           doctest::Contains("commits that were durable"), StoreError);
      CHECK_THROWS_WITH_AS(open_store(engine, directory.path(), fault_options(files)),
                           doctest::Contains("commit_floor says 51"), StoreError);
      StoreOptions options = fault_options(files);
      options.accept_loss = true;
      {
        const auto made = open_store(engine, directory.path(), options);
        DurableStore& store = *made;
        CHECK(store.lost_commits() > 10);
        CHECK(store.lost_commits() < 40);
        CHECK(store.commits() + store.lost_commits() == 51);
        oracle.forget_above(store.commits() - 1);
        CHECK(oracle.check(store, false) == "");
      }
      const auto made = open_store(engine, directory.path(), fault_options(files));
      DurableStore& store = *made;
      CHECK(store.lost_commits() == 0);
      CHECK(oracle.check(store, false) == "");
    }
  }
}

TEST_CASE("commit floor: a note comes back; an absent, short or damaged file proves nothing") {
  const TempDir directory;
  CHECK(CommitFloor(directory.path()).read() == 0);
  CommitFloor floor(directory.path());
  floor.write(77);
  CHECK(CommitFloor(directory.path()).read() == 77);
  floor.write_lazily(78, 1000);
  floor.write_lazily(79, 1999);
  CHECK(floor.read() == 78);
  floor.write_lazily(80, 2000);
  CHECK(floor.read() == 80);
  const std::string path = directory.path() + "/commit_floor";
  for (std::streamoff at = 0; at < 24; ++at) {
    INFO("byte: " << at);
    floor.write(80);
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(at);
      const int byte = file.get();
      file.seekp(at);
      file.put(static_cast<char>(byte ^ 1));
    }
    CHECK(floor.read() == 0);
  }
  std::filesystem::resize_file(path, 23);
  CHECK(floor.read() == 0);
}

}  // namespace
}  // namespace ims::logic
