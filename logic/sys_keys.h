// The keys of the store's own facts: kMeta keys that begin with 's', read at start and written by
// the committer's thread. Numbers are big-endian.
//
//   sformat    u32                      layout of keys and values; kStoreFormat
//   sidentity  epoch 16 | seed u64 | boots u32          StoreIdentity
//   scommits   u64                      writes so far, in every write (RocksStore)
//   sclock     i64                      ms, the retention clock
//   sended B   i64                      ms, when run B of the server ended: the retention clock as
//                                       the next start found it (run_ends.h); B u32
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/assert.h"

namespace ims::logic {

// 2: contacts. 3: recalled rows keep a hash, and no table of client_ids. What an earlier format
// wrote is read as it is, and the number is raised at the first start. Of both engines.
inline constexpr std::uint32_t kStoreFormat = 3;
inline constexpr std::uint32_t kStoreFormatMin = 1;

inline constexpr std::string_view kSysFormat = "sformat";
inline constexpr std::string_view kSysIdentity = "sidentity";
inline constexpr std::string_view kSysCommits = "scommits";
inline constexpr std::string_view kSysClock = "sclock";
inline constexpr std::string_view kSysEnded = "sended";
inline constexpr std::string_view kSysSegment = "ssegment";

// In every table, behind every other key; means nothing (RocksStore::fill_sealed).
inline constexpr std::string_view kLastKey =
    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";

template <typename T>
void append_big_endian(std::string& out, T number) {
  for (std::size_t shift = sizeof(T) * 8; shift > 0;) {
    shift -= 8;
    out.push_back(static_cast<char>((static_cast<std::uint64_t>(number) >> shift) & 0xff));
  }
}

// The first sizeof(T) bytes, of which there must be as many.
template <typename T>
T read_big_endian(std::string_view bytes) noexcept {
  IMS_ASSERT(bytes.size() >= sizeof(T));
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < sizeof(T); ++at) {
    number = (number << 8) | static_cast<unsigned char>(bytes[at]);
  }
  return static_cast<T>(number);
}

}  // namespace ims::logic
