// Tables that grow shard by shard, filters of one cache line a key (dedupe_index.h).
#include "logic/dedupe_index.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "logic/dedupe_key.h"
#include "shared/assert.h"
#include "shared/limits.h"

namespace ims::logic {
namespace {

constexpr std::uint32_t kShardEntriesMin = 8;
constexpr std::size_t kFilterBitsPerKey = 16;  // with 8 of a line's bits set: 1 in 2,000 by chance
constexpr int kFilterBits = 8;
constexpr std::size_t kTablesPerFilter = 8;  // few filters: a look into each costs a cache miss
constexpr std::size_t kEntryBytesMax = 52;   // a shard that just grew: 16 bytes of 5/16

}  // namespace

DedupeKey::DedupeKey(std::uint64_t seed, std::uint64_t timeline_id, UserId from,
                     ByteView id) noexcept
    : timeline(timeline_id), sender(from.value), client_id_bytes(id.size()) {
  IMS_ASSERT(id.size() <= kClientIdBytesMax);
  std::memcpy(client_id.data(), id.data(), id.size());
  hash = XXH3_64bits_withSeed(
      &timeline, sizeof *this - sizeof hash - client_id.size() + client_id_bytes, seed);
}

// ---- exact --------------------------------------------------------------------------------------

DedupeTable::DedupeTable(std::size_t entries_max)
    : entries_max_(entries_max),
      shards_(kShards),
      bytes_(shards_.size() * sizeof(Shard)) {}

void DedupeTable::insert(std::uint64_t hash, std::uint64_t seq) {
  IMS_ASSERT(seq != 0);
  Shard& shard = shards_[shard_of(hash)];
  if (shard.entries == nullptr || shard.used + shard.used / 4 > shard.mask) grow(shard);
  place(shard, {hash, seq});
  ++shard.used;
  ++size_;
}

void DedupeTable::place(Shard& shard, const Entry& entry) noexcept {
  std::uint32_t at = static_cast<std::uint32_t>(entry.hash) & shard.mask;
  while (shard.entries[at].seq != 0) at = (at + 1) & shard.mask;
  shard.entries[at] = entry;
}

void DedupeTable::grow(Shard& shard) {
  const std::uint32_t room = shard.entries == nullptr ? 0 : shard.mask + 1;
  const std::uint32_t wanted = room == 0 ? kShardEntriesMin : room * 2;
  Shard grown{std::make_unique<Entry[]>(wanted), wanted - 1, shard.used};
  for (std::uint32_t at = 0; at < room; ++at) {
    if (shard.entries[at].seq != 0) place(grown, shard.entries[at]);
  }
  shard = std::move(grown);
  bytes_ += (wanted - room) * sizeof(Entry);
}

// ---- filters ------------------------------------------------------------------------------------

DedupeFilter::DedupeFilter(std::size_t keys_max)
    : blocks_(keys_max * kFilterBitsPerKey / (8 * sizeof(Block)) + 1) {}

// The high bits name the block, the low ones its bits: nine for each.
std::size_t DedupeFilter::block_of(std::uint64_t hash) const noexcept {
  return static_cast<std::size_t>((hash >> 32) * blocks_.size() >> 32);
}

void DedupeFilter::add(std::uint64_t hash) noexcept {
  Block& block = blocks_[block_of(hash)];
  std::uint64_t bits = hash * 0x9e3779b97f4a7c15;  // the low bits alone would repeat the shard's
  for (int i = 0; i < kFilterBits; ++i, bits = bits >> 9 | bits << 55) {
    block.words[bits >> 6 & 7] |= std::uint64_t{1} << (bits & 63);
  }
}

bool DedupeFilter::may_have(std::uint64_t hash) const noexcept {
  const Block& block = blocks_[block_of(hash)];
  std::uint64_t bits = hash * 0x9e3779b97f4a7c15;
  for (int i = 0; i < kFilterBits; ++i, bits = bits >> 9 | bits << 55) {
    if ((block.words[bits >> 6 & 7] & std::uint64_t{1} << (bits & 63)) == 0) return false;
  }
  return true;
}

// ---- all ----------------------------------------------------------------------------------------

DedupeIndex::DedupeIndex(std::size_t bytes_max, std::int64_t window_ms, std::int64_t now_ms)
    : entries_max_(std::max(bytes_max / 2 / kEntryBytesMax, DedupeTable::kShards)),
      window_ms_(window_ms),
      current_(std::make_unique<DedupeTable>(entries_max_)),
      current_since_ms_(now_ms),
      complete_since_ms_(now_ms) {}

void DedupeIndex::insert(std::uint64_t hash, std::uint64_t seq, std::int64_t now_ms) {
  if (current_->full()) rotate(now_ms);
  current_->insert(hash, seq);
  if (previous_ != nullptr) convert(current_->size() * DedupeTable::kShards / entries_max_);
}

bool DedupeIndex::maybe_older(std::uint64_t hash) const noexcept {
  return std::ranges::any_of(filters_,
                             [&](const Aged& aged) { return aged.filter.may_have(hash); });
}

void DedupeIndex::tick(std::int64_t now_ms) {
  while (!filters_.empty() && filters_.front().newest_ms + window_ms_ < now_ms) {
    filters_.pop_front();
  }
  if (previous_ != nullptr && previous_newest_ms_ + window_ms_ < now_ms) previous_.reset();
  if (current_->size() > 0 && current_since_ms_ + window_ms_ / 2 < now_ms) rotate(now_ms);
}

void DedupeIndex::rotate(std::int64_t now_ms) {
  if (previous_ != nullptr && previous_newest_ms_ + window_ms_ >= now_ms) {
    convert(DedupeTable::kShards);
  }
  previous_ = std::move(current_);
  previous_newest_ms_ = now_ms;
  converted_ = 0;
  current_ = std::make_unique<DedupeTable>(entries_max_);
  current_since_ms_ = now_ms;
  ++generation_;
}

// The first `shards` of the previous table are in the newest filter.
void DedupeIndex::convert(std::size_t shards) {
  if (shards <= converted_) return;
  if (converted_ == 0) {
    if (filters_.empty() || filters_.back().tables == kTablesPerFilter) {
      filters_.push_back({DedupeFilter(kTablesPerFilter * entries_max_), 0, 0});
    }
    ++filters_.back().tables;
    filters_.back().newest_ms = previous_newest_ms_;
    if (filters_.size() > kDedupeFiltersMax) {
      complete_since_ms_ = filters_.front().newest_ms + 1;
      filters_.pop_front();
      ++epoch_;
    }
  }
  for (; converted_ < shards; ++converted_) {
    previous_->for_shard(converted_, [this](std::uint64_t hash) {
      filters_.back().filter.add(hash);
    });
  }
}

std::size_t DedupeIndex::size() const noexcept {
  return current_->size() + (previous_ != nullptr ? previous_->size() : 0);
}

std::size_t DedupeIndex::bytes() const noexcept {
  std::size_t bytes = current_->bytes() + (previous_ != nullptr ? previous_->bytes() : 0);
  for (const Aged& aged : filters_) bytes += aged.filter.bytes();
  return bytes;
}

}  // namespace ims::logic
