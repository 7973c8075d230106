// Opening a store: directories, locks, formats, identity, the retention clock and what it takes
// away.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "logic/retention_clock.h"
#include "logic/run_ends.h"
#include "logic/store_identity.h"
#include "logic/store_memory.h"
#include "logic/store_rocks.h"
#include "logic/sys_keys.h"
#include "tests/support/sim_store.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_store.h"

namespace ims::logic {
namespace {

using testing::TempDir;
using testing::tiny_store_options;

StoreStatus put(Store& store, Table table, std::string_view key, std::string_view value) {
  StoreBatch batch;
  batch.put(table, key, value);
  const StoreBatch* const batches[] = {&batch};
  return store.write(batches, 1, true);
}

bool has(Store& store, Table table, std::string_view key) {
  std::string value;
  return store.get(table, key, &value, ReadTier::kMayBlock) == StoreStatus::kOk;
}

std::string at_time(std::int64_t time_ms) {
  std::string value;
  append_big_endian(value, time_ms);
  return value + "rest of the row";
}

TEST_CASE("open: makes the directory and its parents, opens it again") {
  const TempDir directory;
  const std::string path = directory.path() + "/a/b";
  { RocksStore store(path, tiny_store_options()); }
  RocksStore store(path, tiny_store_options());
  CHECK(store.commits() == 1);
}

TEST_CASE("open: a file in the way, a store in use, a newer format: clear errors") {
  const TempDir directory;
  const std::string file = directory.path() + "/file";
  std::ofstream(file) << "x";
  CHECK_THROWS_WITH_AS(RocksStore(file, tiny_store_options()), doctest::Contains("directory"),
                       StoreError);
  CHECK_THROWS_WITH_AS(RocksStore(file + "/below", tiny_store_options()),
                       doctest::Contains("cannot make the directory"), StoreError);

  const std::string path = directory.path() + "/store";
  {
    RocksStore store(path, tiny_store_options());
    CHECK_THROWS_WITH_AS(RocksStore(path, tiny_store_options()),
                         doctest::Contains("in use by another process"), StoreError);
    std::string newer;
    append_big_endian(newer, kStoreFormat + 1);
    REQUIRE(put(store, Table::kMeta, kSysFormat, newer) == StoreStatus::kOk);
  }
  CHECK_THROWS_WITH_AS(RocksStore(path, tiny_store_options()),
                       doctest::Contains("has format 4, this imsd reads and writes format 3"),
                       StoreError);
}

TEST_CASE("open: a store of the format before is read, and of this one from then on") {
  const TempDir directory;
  const std::string path = directory.path() + "/store";
  std::string number;
  {
    RocksStore store(path, tiny_store_options());
    append_big_endian(number, kStoreFormatMin);
    REQUIRE(put(store, Table::kMeta, kSysFormat, number) == StoreStatus::kOk);
  }
  RocksStore store(path, tiny_store_options());
  std::string now;
  REQUIRE(store.get(Table::kMeta, kSysFormat, &now, ReadTier::kMayBlock) == StoreStatus::kOk);
  CHECK(read_big_endian<std::uint32_t>(now) == kStoreFormat);
}

TEST_CASE("open: the ends of earlier runs are noted when the next one starts") {
  MemoryStore store;
  std::vector<std::int64_t> ends_ms;
  std::uint32_t boot = 0;
  for (const std::int64_t last_ms : {1000, 2000, 3000}) {
    REQUIRE(open_run_ends(store, ++boot, ends_ms) == StoreStatus::kOk);
    RetentionClock clock(true);
    REQUIRE(clock.open(store, last_ms) == StoreStatus::kOk);
  }
  CHECK(ends_ms == std::vector<std::int64_t>{0, 1000, 2000});
  REQUIRE(open_run_ends(store, ++boot, ends_ms) == StoreStatus::kOk);
  CHECK(ends_ms == std::vector<std::int64_t>{0, 1000, 2000, 3000});
}

TEST_CASE("open: a directory without permission names it and says what is needed") {
  const TempDir directory;
  const std::string path = directory.path() + "/closed";
  std::filesystem::create_directory(path);
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
  const auto refuses = [&] {
    try {
      RocksStore store(path, tiny_store_options());
    } catch (const StoreError& error) {
      return std::string_view(error.what()).find("cannot use the directory " + path) !=
             std::string_view::npos;
    }
    return false;
  };
  if (geteuid() != 0) {
    CHECK(refuses());
    return;
  }
  const pid_t child = fork();  // root may everything: ask as nobody
  if (child == 0) _exit(setuid(65'534) == 0 && refuses() ? 0 : 1);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("open: a store whose files vanished is not a new one") {
  const TempDir directory;
  { RocksStore store(directory.path(), tiny_store_options()); }
  for (const auto& file : std::filesystem::directory_iterator(directory.path())) {
    if (file.path().filename() != "commit_floor") std::filesystem::remove_all(file.path());
  }
  CHECK_THROWS_WITH_AS(RocksStore(directory.path(), tiny_store_options()),
                       doctest::Contains("lost at least 1 commits"), StoreError);
  StoreOptions options = tiny_store_options();
  options.accept_loss = true;
  { RocksStore store(directory.path(), options); }
  RocksStore store(directory.path(), tiny_store_options());
  CHECK(store.lost_commits() == 0);
}

TEST_CASE("identity: drawn once, the boot counter grows durably, a lost store gets a new epoch") {
  const TempDir directory;
  StoreIdentity first;
  {
    RocksStore store(directory.path(), tiny_store_options());
    first = open_identity(store);
    CHECK(first.boot == 1);
    CHECK(first.seed != 0);
    CHECK(first.epoch != StoreIdentity().epoch);
  }
  RocksStore store(directory.path(), tiny_store_options());
  const StoreIdentity second = open_identity(store);
  CHECK(second.boot == 2);
  CHECK(second.seed == first.seed);
  CHECK(second.epoch == first.epoch);
  const StoreIdentity third = open_identity(store, true);
  CHECK(third.boot == 3);
  CHECK(third.seed == first.seed);
  CHECK(third.epoch != first.epoch);
  CHECK(open_identity(store).epoch == third.epoch);

  MemoryStore other;
  const StoreIdentity stranger = open_identity(other);
  CHECK(stranger.epoch != first.epoch);
  CHECK(stranger.seed != first.seed);
}

TEST_CASE("identity: damaged, used up, or not to be written: refused") {
  MemoryStore store;
  REQUIRE(put(store, Table::kMeta, kSysIdentity, "short") == StoreStatus::kOk);
  CHECK_THROWS_WITH_AS(open_identity(store), doctest::Contains("damaged"), StoreError);

  for (const std::uint32_t boot : {kBootMax - 1, kBootMax}) {
    std::string value(16, 'e');
    append_big_endian(value, std::uint64_t{9});
    append_big_endian(value, boot);
    REQUIRE(put(store, Table::kMeta, kSysIdentity, value) == StoreStatus::kOk);
    if (boot < kBootMax) {
      CHECK(open_identity(store).boot == kBootMax);
    } else {
      CHECK_THROWS_WITH_AS(open_identity(store), doctest::Contains("used up"), StoreError);
    }
  }
  testing::SimStore full(1);
  full.set_faults({.fail_write = 1, .fail_status = StoreStatus::kNoSpace});
  CHECK_THROWS_WITH_AS(open_identity(full), doctest::Contains("no space"), StoreError);
  testing::SimStore broken(1);
  broken.set_faults({.fail_write = 1, .fail_status = StoreStatus::kIoError});
  CHECK_THROWS_AS(open_identity(broken), StoreError);
}

TEST_CASE("retention clock: never back, never over a day past what is stored, unless accepted") {
  constexpr std::int64_t kStart = 1'700'000'000'000;
  constexpr std::int64_t kDay = RetentionClock::kJumpMsMax;
  MemoryStore store;
  {
    RetentionClock clock(false);
    CHECK(clock.now_ms() == 0);
    REQUIRE(clock.open(store, kStart) == StoreStatus::kOk);
    CHECK(clock.now_ms() == kStart);
    CHECK(clock.advance(kStart - 1));
    CHECK(clock.now_ms() == kStart);
    CHECK_FALSE(clock.advance(kStart + kDay + 1));
    CHECK(clock.now_ms() == kStart);
    CHECK(clock.advance(kStart + kDay));
    CHECK(clock.now_ms() == kStart + kDay);
    CHECK_FALSE(clock.advance(kStart + kDay + 1));  // a day past what is *stored*
    clock.on_stored();
    CHECK(clock.advance(kStart + 2 * kDay));
  }
  {
    RetentionClock clock(false);  // the first store holds kStart: on_stored() lied, as a crash does
    REQUIRE(clock.open(store, kStart + kDay + 1) == StoreStatus::kOk);
    CHECK(clock.now_ms() == kStart);
  }
  {
    RetentionClock clock(true);
    REQUIRE(clock.open(store, kStart + 30 * kDay) == StoreStatus::kOk);
    CHECK(clock.now_ms() == kStart + 30 * kDay);
  }
  RetentionClock clock(false);
  REQUIRE(clock.open(store, kStart) == StoreStatus::kOk);  // stored by the open before, not back
  CHECK(clock.now_ms() == kStart + 30 * kDay);
}

TEST_CASE("retention: compaction takes what is older than its table keeps, and nothing of kMeta") {
  constexpr std::int64_t kNow = 1'700'000'000'000;
  constexpr std::int64_t kKeep = 1'000'000;
  const TempDir directory;
  RetentionClock clock(false);
  StoreOptions options = tiny_store_options();
  options.retention_ms = kKeep;
  options.clock = &clock;
  RocksStore store(directory.path(), options);

  struct Row {
    const char* rule;
    Table table;
    std::int64_t age_ms;
    bool stays;
  };
  const Row rows[] = {
      {"row below", Table::kRows, kKeep - 1, true},
      {"row at", Table::kRows, kKeep, true},
      {"row above", Table::kRows, kKeep + 1, false},
      {"row of the future", Table::kRows, -kKeep, true},
      {"cursor at", Table::kCursors, kKeep, true},
      {"cursor above", Table::kCursors, kKeep + 1, false},
      {"meta however old", Table::kMeta, kNow, true},
  };
  for (const Row& row : rows) {
    REQUIRE(put(store, row.table, row.rule, at_time(kNow - row.age_ms)) == StoreStatus::kOk);
  }
  REQUIRE(put(store, Table::kRows, "shorter than a time", "1234567") == StoreStatus::kOk);
  REQUIRE(store.compact() == StoreStatus::kOk);
  for (const Row& row : rows) {
    INFO("before the clock is open, rule: " << row.rule);
    CHECK(has(store, row.table, row.rule));
  }
  REQUIRE(clock.open(store, kNow) == StoreStatus::kOk);
  REQUIRE(store.compact() == StoreStatus::kOk);
  for (const Row& row : rows) {
    INFO("rule: " << row.rule);
    CHECK(has(store, row.table, row.rule) == row.stays);
  }
  CHECK(has(store, Table::kRows, "shorter than a time"));
}

}  // namespace
}  // namespace ims::logic
