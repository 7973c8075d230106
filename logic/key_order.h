// The ops of a write in the order of their keys, mostly: by table and the key's first 8 bytes, and
// as they came where these are the same, so that of two ops on one key the later one wins.
//
//   order  | table, 2 bits | the key's first 62 bits |      key  | 8 bytes ... |
//
// Why        What goes into a sorted structure in order finds its place near the one before, in
//            memory that is still warm.
// Ownership  Views into batches that outlive the use.
// Memory     56 bytes for each op; room for kOpsKept of them stays for the next write.
// Thread     Whoever writes to the store.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "logic/big_endian.h"
#include "logic/store.h"

namespace ims::logic {

class KeyOrder {
 public:
  void clear() {
    if (ops_.capacity() > kOpsKept) {
      ops_ = {};
      order_ = {};
    }
    ops_.clear();
    order_.clear();
  }

  void add(const StoreBatch& batch) {
    batch.for_each([this](Table table, StoreBatch::Op op, std::string_view key,
                          std::string_view value) {
      order_.emplace_back(order_of(table, key), static_cast<std::uint32_t>(ops_.size()));
      ops_.push_back({table, op, key, value});
    });
  }

  // Calls visit(table, op, key, value) for each.
  template <typename Visit>
  void for_each(Visit&& visit) {
    std::sort(order_.begin(), order_.end());
    for (const auto& [order, at] : order_) {
      const One& one = ops_[at];
      visit(one.table, one.op, one.key, one.value);
    }
  }

 private:
  struct One {
    Table table;
    StoreBatch::Op op;
    std::string_view key;
    std::string_view value;
  };
  static constexpr std::size_t kOpsKept = 16'384;  // of a batch of a worker, and more
  static constexpr int kTableBits = 2;
  static_assert(kTableCount <= 1 << kTableBits);

  static std::uint64_t order_of(Table table, std::string_view key) {
    std::uint64_t first = 0;
    if (key.size() >= sizeof first) {
      first = read_number<std::uint64_t>(key, 0);
    } else {
      for (std::size_t i = 0; i < key.size(); ++i) {
        first |= std::uint64_t{static_cast<unsigned char>(key[i])} << (56 - 8 * i);
      }
    }
    return std::uint64_t{static_cast<std::uint8_t>(table)} << (64 - kTableBits) |
           first >> kTableBits;
  }

  std::vector<One> ops_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> order_;  // and its place in ops_
};

}  // namespace ims::logic
