// In what order the ops of a write reach RocksDB, and that none is lost.
#include "logic/key_order.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace ims::logic {
namespace {

std::vector<std::string> ordered(KeyOrder& order, const std::vector<const StoreBatch*>& batches) {
  order.clear();
  for (const StoreBatch* batch : batches) order.add(*batch);
  std::vector<std::string> found;
  order.for_each([&](Table table, StoreBatch::Op op, std::string_view key,
                     std::string_view value) {
    found.push_back(std::to_string(static_cast<int>(table)) + std::string(key) +
                    (op == StoreBatch::Op::kDelete ? "-" : "=") + std::string(value));
  });
  return found;
}

using Found = std::vector<std::string>;

TEST_CASE("by table, then by key") {
  StoreBatch batch;
  batch.put(Table::kCursors, "a", "1");
  batch.put(Table::kRows, "z", "2");
  batch.put(Table::kRows, "b", "3");
  batch.erase(Table::kMeta, "zz");
  batch.put(Table::kMeta, "z", "4");
  KeyOrder order;
  CHECK(ordered(order, {&batch}) == Found{"0z=4", "0zz-", "1b=3", "1z=2", "2a=1"});
}

TEST_CASE("ops on one key stay as they came, over batches too") {
  StoreBatch first;
  StoreBatch second;
  first.put(Table::kMeta, "key of many bytes", "1");
  first.put(Table::kMeta, "a", "2");
  first.erase(Table::kMeta, "key of many bytes");
  second.put(Table::kMeta, "key of many bytes", "3");
  second.erase(Table::kMeta, "a");
  KeyOrder order;
  CHECK(ordered(order, {&first, &second}) ==
        Found{"0a=2", "0a-", "0key of many bytes=1", "0key of many bytes-",
              "0key of many bytes=3"});
}

TEST_CASE("keys are bytes without sign, of any length") {
  StoreBatch batch;
  const std::string keys[] = {"\xff\xff\xff\xff\xff\xff\xff\xff", "\x80", "\x7f", "1234567",
                              "12345678", "123456789"};
  for (const std::string& key : keys) batch.put(Table::kRows, key, "");
  KeyOrder order;
  CHECK(ordered(order, {&batch}) == Found{"11234567=", "112345678=", "1123456789=", "1\x7f=",
                                          "1\x80=", "1\xff\xff\xff\xff\xff\xff\xff\xff="});
}

TEST_CASE("a write of many ops, and the one after it") {
  KeyOrder order;
  StoreBatch many;
  for (int i = 0; i < 40'000; ++i) many.put(Table::kRows, std::to_string(99'999 - i), "");
  const Found found = ordered(order, {&many});
  REQUIRE(found.size() == 40'000);
  CHECK(std::is_sorted(found.begin(), found.end()));
  CHECK(ordered(order, {}).empty());
  StoreBatch one;
  one.put(Table::kMeta, "k", "v");
  CHECK(ordered(order, {&one}) == Found{"0k=v"});
}

}  // namespace
}  // namespace ims::logic
