// SegmentStore against MemoryStore: the same random writes to both, through seals, restarts,
// crashes and copies; every read must answer the same.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "logic/keys.h"
#include "logic/store_memory.h"
#include "logic/store_segments.h"
#include "logic/sys_keys.h"
#include "shared/prng.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_store.h"

namespace ims::logic {
namespace {

// The beginning of it, for messages.
std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = std::to_string(bytes.size()) + ":";
  for (const char byte : bytes.substr(0, 24)) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

class Collector final : public RowVisitor {
 public:
  explicit Collector(std::size_t rows_max) : rows_max_(rows_max) {}
  bool on_row(std::string_view key, std::string_view value) override {
    // The stores' own facts differ.
    if (key.starts_with("s")) return true;
    rows.emplace_back(key, value);
    return rows.size() < rows_max_;
  }
  Pairs rows;

 private:
  std::size_t rows_max_;
};

class World {
 public:
  explicit World(std::uint64_t seed) : prng_(seed) { open(); }

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      INFO("step: " << step);
      write();
      for (int reads = 0; reads < 4; ++reads) read();
      const std::uint64_t event = prng_.below(60);
      if (event == 0) REQUIRE(store_->seal() == StoreStatus::kOk);
      if (event == 1) reopen();
      if (event == 2) crash();
      if (event == 3) check_copy();
      if (event == 4) REQUIRE(store_->compact() == StoreStatus::kOk);
    }
    check_all(*store_);
    reopen();
    check_all(*store_);
  }

 private:
  static constexpr std::uint64_t kTimelines = 9;

  void open() {
    StoreOptions options = testing::tiny_store_options();
    options.segment_bytes = 64 * kKiB;
    store_ = std::make_unique<SegmentStore>(path(), options);
  }
  std::string path() const { return directory_.path() + "/store" + std::to_string(life_); }

  void reopen() {
    store_.reset();
    open();
  }
  // Goes on with the files as they lie there in the middle of everything.
  void crash() {
    const std::string old = path();
    ++life_;
    REQUIRE(store_->checkpoint(path()) == StoreStatus::kOk);
    std::filesystem::copy(old + "/commit_floor", path() + "/commit_floor");
    store_.reset();
    std::filesystem::remove_all(old);
    open();
  }
  void check_copy() {
    const std::string copy = directory_.path() + "/copy";
    REQUIRE(store_->checkpoint(copy) == StoreStatus::kOk);
    check_all(*open_store_copy(copy, testing::tiny_store_options()));
    std::filesystem::remove_all(copy);
  }

  std::string value() {
    std::string bytes;
    append_big_endian(bytes, ++values_);
    bytes.resize(8 + prng_.below(prng_.chance(3) ? 9000 : 300), 'v');
    return bytes;
  }
  TimelineKey timeline(std::uint64_t at) const {
    return {static_cast<std::uint16_t>(at % 3), 100 + at};
  }
  std::string meta_key() {
    static constexpr char kLetters[] = "gmnotu";
    return std::string(1, kLetters[prng_.below(6)]) + std::to_string(prng_.below(30));
  }
  std::string cursor_key() { return "c" + std::to_string(prng_.below(40)); }

  void write() {
    std::vector<StoreBatch> batches(1 + prng_.below(3));
    std::vector<const StoreBatch*> views;
    for (StoreBatch& batch : batches) {
      for (std::uint64_t ops = 1 + prng_.below(12); ops > 0; --ops) add_op(batch);
      views.push_back(&batch);
    }
    const bool sync = prng_.chance(50);
    REQUIRE(store_->write(views.data(), views.size(), sync) == StoreStatus::kOk);
    REQUIRE(model_.write(views.data(), views.size(), sync) == StoreStatus::kOk);
  }

  void add_op(StoreBatch& batch) {
    // Some timelines get most of the rows.
    const std::uint64_t at = prng_.below(prng_.chance(60) ? 2 : kTimelines);
    std::uint64_t& head = heads_[at];
    switch (prng_.below(10)) {
      case 0:
        if (head > 0) {
          batch.put(Table::kRows, row_key(timeline(at), 1 + prng_.below(head)), value());
        }
        break;
      case 1:
        batch.put(Table::kMeta, meta_key(), value());
        break;
      case 2:
        batch.erase(Table::kMeta, meta_key());
        break;
      case 3:
        batch.put(Table::kCursors, cursor_key(), value());
        break;
      case 4:
        batch.erase(Table::kCursors, cursor_key());
        break;
      case 5:
        if (prng_.chance(5)) head += 1 + prng_.below(4);  // a hole: no index holds what follows
        [[fallthrough]];
      default:
        batch.append(row_key(timeline(at), ++head), value());
        break;
    }
  }

  std::string bound() {
    const std::uint64_t at = prng_.below(kTimelines + 1);
    std::string key = row_key(timeline(at), prng_.below(heads_[at % kTimelines] + 3));
    if (prng_.chance(20)) key.resize(prng_.below(key.size() + 1));
    if (prng_.chance(10)) key.push_back(static_cast<char>(prng_.below(256)));
    return key;
  }

  void read() {
    const std::uint64_t at = prng_.below(kTimelines);
    switch (prng_.below(4)) {
      case 0:
        return check_get(Table::kRows, row_key(timeline(at), prng_.below(heads_[at] + 2)));
      case 1:
        return check_get(Table::kMeta, meta_key());
      case 2:
        return check_scan(*store_, Table::kMeta, meta_key(), meta_key());
      default:
        break;
    }
    if (prng_.chance(50)) return check_scan(*store_, Table::kRows, bound(), bound());
    const std::uint64_t from = prng_.below(heads_[at] + 2);
    check_scan(*store_, Table::kRows, row_key(timeline(at), from),
               row_key(timeline(at), from + prng_.below(40)));
  }

  void check_get(Table table, const std::string& key) {
    std::string found;
    std::string expected;
    const StoreStatus status = store_->get(table, key, &found, ReadTier::kMayBlock);
    REQUIRE(status == model_.get(table, key, &expected, ReadTier::kMayBlock));
    if (status == StoreStatus::kOk) REQUIRE(found == expected);
  }

  void check_scan(Store& store, Table table, const std::string& from, const std::string& to,
                  std::size_t rows_max = 0) {
    if (rows_max == 0) rows_max = prng_.chance(50) ? 1 : 1 + prng_.below(200);
    for (const bool reverse : {false, true}) {
      Collector found(rows_max);
      Collector expected(rows_max);
      REQUIRE(store.scan(table, from, to, reverse, ReadTier::kMayBlock, found) == StoreStatus::kOk);
      REQUIRE(model_.scan(table, from, to, reverse, ReadTier::kMayBlock, expected) ==
              StoreStatus::kOk);
      INFO("table: " << static_cast<int>(table) << " reverse: " << reverse
                     << " rows: " << found.rows.size() << " of " << expected.rows.size());
      for (std::size_t at = 0; at < std::min(found.rows.size(), expected.rows.size()); ++at) {
        INFO("at: " << at);
        REQUIRE(hex(found.rows[at].first) == hex(expected.rows[at].first));
        REQUIRE(hex(found.rows[at].second) == hex(expected.rows[at].second));
      }
      REQUIRE(found.rows.size() == expected.rows.size());
    }
  }

  void check_all(Store& store) {
    for (const Table table : {Table::kMeta, Table::kRows, Table::kCursors}) {
      check_scan(store, table, "", "\xff", SIZE_MAX);
    }
  }

  Prng prng_;
  const testing::TempDir directory_;
  int life_ = 0;
  MemoryStore model_;
  std::unique_ptr<SegmentStore> store_;
  std::uint64_t heads_[kTimelines] = {};
  std::uint64_t values_ = 0;
};

TEST_CASE("segments: random writes read as from a map, through seals, restarts and copies") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    INFO("seed: " << seed);
    World(seed).run(400);
  }
}

}  // namespace
}  // namespace ims::logic
