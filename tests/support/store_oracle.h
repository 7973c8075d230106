// A small workload on a store and what must be true of it afterwards, for the fault tests.
//
//   write s   row T/s, cursor d/s and the head of T, all naming `tag`, as one batch; s = head + 1
//
// After any failure and recovery: every acknowledged s is there; at most one more, the write whose
// outcome is unknown, and that one whole or not at all.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "logic/store.h"
#include "logic/sys_keys.h"

namespace ims::testing {

class StoreOracle {
 public:
  explicit StoreOracle(std::size_t value_bytes) : value_bytes_(value_bytes) {}

  // Writes acked() + 1. What it says is remembered only if the store said kOk.
  logic::StoreStatus write_next(logic::Store& store, const std::string& tag, bool sync = true) {
    using logic::Table;
    const std::uint64_t seq = acked_ + 1;
    logic::StoreBatch batch;
    std::string value = tag + ":";
    value.resize(tag.size() + 1 + value_bytes_, 'x');
    batch.append(row_key(seq), value);
    batch.put(Table::kCursors, cursor_key(seq), tag);
    batch.put(Table::kMeta, "uhead", number(seq));
    const logic::StoreBatch* const batches[] = {&batch};
    const logic::StoreStatus status = store.write(batches, 1, sync);
    if (status == logic::StoreStatus::kOk) {
      acked_ = seq;
      tags_[seq] = tag;
    }
    return status;
  }

  // Empty when the store holds exactly acked() or, where `unknown`, also acked() + 1 whole.
  // Otherwise what is wrong. Goes on from what the store has.
  std::string check(logic::Store& store, bool unknown) {
    using logic::ReadTier;
    using logic::StoreStatus;
    using logic::Table;
    std::string value;
    std::uint64_t head = 0;
    const StoreStatus read = store.get(Table::kMeta, "uhead", &value, ReadTier::kMayBlock);
    if (read == StoreStatus::kOk) {
      head = logic::read_big_endian<std::uint64_t>(value);
    } else if (read != StoreStatus::kNotFound) {
      return "head cannot be read";
    }
    if (head < acked_) {
      return "lost: acknowledged " + std::to_string(acked_) + ", head " + std::to_string(head);
    }
    if (head > acked_ + (unknown ? 1 : 0)) {
      return "surplus: acknowledged " + std::to_string(acked_) + ", head " + std::to_string(head);
    }
    for (std::uint64_t seq = 1; seq <= head + 2; ++seq) {
      const bool has_row = store.get(Table::kRows, row_key(seq), &value, ReadTier::kMayBlock) ==
                           StoreStatus::kOk;
      const std::string row_tag = value.substr(0, value.find(':'));
      const bool has_cursor = store.get(Table::kCursors, cursor_key(seq), &value,
                                        ReadTier::kMayBlock) == StoreStatus::kOk;
      const std::string at = " at " + std::to_string(seq) + ", head " + std::to_string(head);
      if (has_row != (seq <= head)) return (has_row ? "a row above the head" : "no row") + at;
      if (has_cursor != has_row) return "half a write" + at;
      if (has_row && row_tag != value) return "two writes mixed: " + row_tag + ", " + value + at;
      if (seq <= acked_ && row_tag != tags_[seq]) return "another write's row " + row_tag + at;
      if (seq > acked_ && has_row) tags_[seq] = row_tag;
    }
    acked_ = head;
    return {};
  }

  std::uint64_t acked() const noexcept { return acked_; }
  // After a power cut where not all was synced: what is left counts.
  void forget_above(std::uint64_t seq) noexcept { acked_ = seq; }

 private:
  static std::string number(std::uint64_t seq) {
    std::string bytes;
    logic::append_big_endian(bytes, seq);
    return bytes;
  }
  // As real rows have it: a prefix of ten bytes, then the seq.
  static std::string row_key(std::uint64_t seq) { return "timeline-T" + number(seq); }
  static std::string cursor_key(std::uint64_t seq) { return "d" + number(seq); }

  const std::size_t value_bytes_;
  std::uint64_t acked_ = 0;
  std::map<std::uint64_t, std::string> tags_;
};

}  // namespace ims::testing
