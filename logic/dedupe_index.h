// Where in its timeline a client_id was used lately, by hash: an index over the rows, in memory
// only. What it says is checked against the row itself, so equal hashes do no harm.
//
//   insert ──▶ current ──half of the bytes, or window / 2──▶ previous ──▶ filters ──window──▶ gone
//              exact: hash and seq                          exact         a bit pattern a hash
//
//   find       the seqs of the exact tables; `maybe_older`: a filter has the hash (or another that
//              looks like it: one in 2,000), and the timeline's rows have to be looked through
//   complete   every row not older than complete_since_ms() that has a client_id is in here: the
//              start of the run, or later where the filters outgrew their bound
//
// Source   Filters: Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters
//          (2007): one cache line a key.
// Limits   Tables: `bytes_max` together. Filters: kDedupeFiltersMax, each a sixth of that for eight
//          tables; they come one by one as the rate of messages asks for them.
// Pauses   None: a table moves into a filter shard by shard while its successor fills.
// Threads  The worker's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace ims::logic {

// Open addressing, in shards that grow one by one: no growth moves more than a shard.
class DedupeTable {
 public:
  explicit DedupeTable(std::size_t entries_max);

  bool full() const noexcept { return size_ >= entries_max_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return bytes_; }
  // Not full().
  void insert(std::uint64_t hash, std::uint64_t seq);
  template <typename Visit>  // visit(seq) for each, newest first or last
  void find(std::uint64_t hash, Visit&& visit) const;
  template <typename Visit>  // visit(hash) for those of one shard
  void for_shard(std::size_t shard, Visit&& visit) const;

  static constexpr std::size_t kShards = 1024;

 private:
  struct Entry {
    std::uint64_t hash = 0;
    std::uint64_t seq = 0;  // 0: empty
  };
  struct Shard {
    std::unique_ptr<Entry[]> entries;
    std::uint32_t mask = 0;
    std::uint32_t used = 0;
  };
  static std::size_t shard_of(std::uint64_t hash) noexcept { return hash >> 54; }
  static_assert(kShards == std::size_t{1} << (64 - 54));
  void grow(Shard& shard);
  static void place(Shard& shard, const Entry& entry) noexcept;

  const std::size_t entries_max_;
  std::vector<Shard> shards_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

class DedupeFilter {
 public:
  explicit DedupeFilter(std::size_t keys_max);

  void add(std::uint64_t hash) noexcept;
  bool may_have(std::uint64_t hash) const noexcept;
  std::size_t bytes() const noexcept { return blocks_.size() * sizeof(Block); }

 private:
  struct alignas(64) Block {
    std::uint64_t words[8] = {};
  };
  std::size_t block_of(std::uint64_t hash) const noexcept;

  std::vector<Block> blocks_;
};

class DedupeIndex {
 public:
  // `now_ms`: wall time; what was stored before is not in here.
  DedupeIndex(std::size_t bytes_max, std::int64_t window_ms, std::int64_t now_ms);

  void insert(std::uint64_t hash, std::uint64_t seq, std::int64_t now_ms);

  // Calls visit(seq) for each that was inserted under `hash` and is in an exact table.
  template <typename Visit>
  void find(std::uint64_t hash, Visit&& visit) const {
    current_->find(hash, visit);
    if (previous_ != nullptr) previous_->find(hash, visit);
  }
  bool maybe_older(std::uint64_t hash) const noexcept;

  // Lets go of what is past the window. Often enough: each second.
  void tick(std::int64_t now_ms);

  std::int64_t complete_since_ms() const noexcept { return complete_since_ms_; }
  // Raised whenever complete_since_ms() is.
  std::uint32_t epoch() const noexcept { return epoch_; }
  // Rows that were looked through in generation g are in an exact table while g >= exact_from().
  std::uint32_t generation() const noexcept { return generation_; }
  std::uint32_t exact_from() const noexcept {
    return previous_ != nullptr ? generation_ - 1 : generation_;
  }
  std::size_t size() const noexcept;   // of the exact tables
  std::size_t bytes() const noexcept;  // of all

 private:
  struct Aged {
    DedupeFilter filter;
    std::size_t tables;  // moved into it, the last one perhaps not wholly
    std::int64_t newest_ms;
  };
  void rotate(std::int64_t now_ms);
  void convert(std::size_t shards);

  const std::size_t entries_max_;  // of a table
  const std::int64_t window_ms_;
  std::unique_ptr<DedupeTable> current_;
  std::unique_ptr<DedupeTable> previous_;
  std::int64_t current_since_ms_;
  std::int64_t previous_newest_ms_ = 0;
  std::size_t converted_ = 0;  // shards of `previous_` that are in the newest filter too
  std::deque<Aged> filters_;  // oldest first
  std::int64_t complete_since_ms_;
  std::uint32_t epoch_ = 1;
  std::uint32_t generation_ = 1;
};

template <typename Visit>
void DedupeTable::find(std::uint64_t hash, Visit&& visit) const {
  const Shard& shard = shards_[shard_of(hash)];
  if (shard.entries == nullptr) return;
  for (std::uint32_t at = static_cast<std::uint32_t>(hash) & shard.mask;
       shard.entries[at].seq != 0; at = (at + 1) & shard.mask) {
    if (shard.entries[at].hash == hash) visit(shard.entries[at].seq);
  }
}

template <typename Visit>
void DedupeTable::for_shard(std::size_t index, Visit&& visit) const {
  const Shard& shard = shards_[index];
  if (shard.entries == nullptr) return;
  for (std::uint32_t at = 0; at <= shard.mask; ++at) {
    if (shard.entries[at].seq != 0) visit(shard.entries[at].hash);
  }
}

}  // namespace ims::logic
