// What every engine promises of appended rows and of keys that an engine may keep elsewhere.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "logic/keys.h"
#include "logic/sys_keys.h"
#include "tests/support/store_engines.h"

namespace ims::logic {
namespace {

using testing::Collector;
using testing::Engine;
using testing::get;
using testing::on_each_engine;
using testing::Pairs;
using testing::put;
using testing::scan;
using testing::write_one;

std::string row_of(std::uint64_t timeline, std::uint64_t seq) {
  return row_key({static_cast<std::uint16_t>(timeline % 3), timeline}, seq);
}

std::string value_of(std::uint64_t timeline, std::uint64_t seq, std::size_t bytes = 60) {
  std::string value;
  append_big_endian(value, static_cast<std::int64_t>(seq));
  value += std::to_string(timeline) + "/" + std::to_string(seq);
  value.resize(std::max(value.size(), bytes), '.');
  return value;
}

TEST_CASE("store: appended rows are rows: got, scanned, put again; also after a reopen") {
  on_each_engine([](Engine& engine) {
    constexpr std::uint64_t kRows = 40;
    for (std::uint64_t seq = 1; seq <= kRows; ++seq) {
      StoreBatch batch;
      for (const std::uint64_t timeline : {7u, 8u, 9u}) {
        batch.append(row_of(timeline, seq), value_of(timeline, seq));
      }
      REQUIRE(write_one(engine.store(), batch) == StoreStatus::kOk);
    }
    REQUIRE(put(engine.store(), Table::kRows, row_of(8, 5), "again") == StoreStatus::kOk);
    for (int reopens = 0; reopens < 3; ++reopens) {
      INFO("reopens: " << reopens);
      Store& store = engine.store();
      CHECK(get(store, Table::kRows, row_of(7, 1)) == value_of(7, 1));
      CHECK(get(store, Table::kRows, row_of(9, kRows)) == value_of(9, kRows));
      CHECK(get(store, Table::kRows, row_of(8, 5)) == "again");
      CHECK(get(store, Table::kRows, row_of(8, kRows + 1)) == "(none)");
      CHECK(get(store, Table::kRows, row_of(8, 0)) == "(none)");
      CHECK(get(store, Table::kRows, row_of(10, 1)) == "(none)");
      for (const bool reverse : {false, true}) {
        const Pairs page = scan(store, row_of(8, 4), row_of(8, 12), reverse);
        REQUIRE(page.size() == 8);
        for (std::size_t at = 0; at < page.size(); ++at) {
          const std::uint64_t seq = reverse ? 11 - at : 4 + at;
          CHECK(page[at].first == row_of(8, seq));
          CHECK(page[at].second == (seq == 5 ? "again" : value_of(8, seq)));
        }
        CHECK(scan(store, "", "\xff", reverse).size() == 3 * kRows);
        CHECK(scan(store, row_of(9, kRows - 1), row_of(9, kRows + 9), reverse).size() == 2);
        CHECK(scan(store, row_of(10, 1), row_of(10, 9), reverse).empty());
      }
      engine.reopen();
    }
  });
}

TEST_CASE("store: kMeta keys of every letter are scanned in order, deleted ones are not") {
  on_each_engine([](Engine& engine) {
    std::string all;
    for (int round = 0; round < 3; ++round) {
      Store& store = engine.store();
      for (char letter = 'a'; letter <= 'z'; ++letter) {
        const std::string key(1, letter);
        REQUIRE(put(store, Table::kMeta, "x" + key, "-") == StoreStatus::kOk);
        REQUIRE(put(store, Table::kMeta, key + "key", std::to_string(round)) == StoreStatus::kOk);
        if (letter % 5 == round) {
          StoreBatch batch;
          batch.erase(Table::kMeta, key + "key");
          REQUIRE(write_one(store, batch) == StoreStatus::kOk);
        }
      }
      for (const bool reverse : {false, true}) {
        Collector found;
        REQUIRE(store.scan(Table::kMeta, "b", "wz", reverse, ReadTier::kMayBlock, found) ==
                StoreStatus::kOk);
        std::string letters;
        for (const auto& [key, value] : found.rows) {
          if (key.size() == 4) letters += key[0];
          if (key.size() == 4) CHECK(value == std::to_string(round));
        }
        std::string expected;
        for (char letter = 'b'; letter <= 'w'; ++letter) {
          if (letter % 5 != round && letter != 's') expected += letter;
        }
        if (reverse) expected.assign(expected.rbegin(), expected.rend());
        std::erase(letters, 's');  // the store's own are there
        CHECK(letters == expected);
      }
      CHECK(get(store, Table::kMeta, "ukey") ==
            ('u' % 5 == round ? "(none)" : std::to_string(round)));
      engine.reopen();
    }
  });
}

}  // namespace
}  // namespace ims::logic
