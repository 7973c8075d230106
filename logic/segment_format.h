// The bytes of the segment log: files of records, each record one write of the store.
//
//   <number, 10 digits>.seg | header | record | record | ... | zeros up to the file's end |
//   header   | magic u64 | number u32 | 0 u32 | first commit u64 | salt u64 | hash u64 |
//   record   | hash u64 | commit u64 | body bytes u32 | flags u32 | body: ops (StoreBatch) | to 8 |
//
// A header is written together with its segment's first record. Commits ascend by one through all
// segments. A record's hash covers the rest of it and is seeded with the segment's salt, which is
// random, and the record's place: what an earlier use of the blocks, a write that failed or a
// payload holds is never taken for a record.
//
// Where a segment's header names a first commit, records of the segment before it from that commit
// on are void: they are of a write that failed. A segment begins only when all before it is synced.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ims::logic {

inline constexpr std::uint64_t kSegmentMagic = 0x31676f4c65736d69;  // "imseLog1"

struct SegmentHeader {
  std::uint64_t magic = kSegmentMagic;
  std::uint32_t number = 0;
  std::uint32_t zero = 0;
  std::uint64_t first_commit = 0;
  std::uint64_t salt = 0;
  std::uint64_t hash = 0;
};
static_assert(sizeof(SegmentHeader) == 40);

struct CommitHeader {
  std::uint64_t hash = 0;
  std::uint64_t commit = 0;
  std::uint32_t body_bytes = 0;
  std::uint32_t flags = 0;
};
static_assert(sizeof(CommitHeader) == 24);

// All records before this one were synced when it was written: where it is there and they are not,
// they were damaged, not torn.
inline constexpr std::uint32_t kFollowsSynced = 1;

constexpr std::uint64_t record_bytes(std::uint64_t body_bytes) noexcept {
  return (sizeof(CommitHeader) + body_bytes + 7) / 8 * 8;
}

std::uint64_t hash_header(const SegmentHeader& header) noexcept;
// `body` in parts; `header.hash` is not looked at.
std::uint64_t hash_record(std::uint64_t salt, std::uint64_t offset, const CommitHeader& header,
                          std::span<const iovec> body) noexcept;
// Of an op where it lies in a segment: what an index keeps to know it again.
std::uint32_t hash_op(std::string_view op) noexcept;

std::string segment_name(std::uint32_t number);
// 0: not the name of a segment.
std::uint32_t parse_segment_name(std::string_view name) noexcept;

}  // namespace ims::logic
