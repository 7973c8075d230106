// What a message of the generator carries, so that its receiver can tell whose it is, which one,
// and whether a byte of it changed.
//
//   payload   = run stream place number check pattern
//   run       u32: of one run of the tool; rows of an earlier one are told apart by it
//   stream    u32: sender and target (streams.h)
//   place     u32: of the message in its stream, from 0
//   number    u32: of the message among all of its sender: what its request id is made of
//   check     u64: a hash of the four before it
//   pattern   bytes that follow from `check`; of messages that are not checked whole: any
//
// Integers are little-endian. Threads: free functions.
#pragma once

#include <cstdint>

#include "shared/bytes.h"

namespace ims::bench {

inline constexpr std::size_t kContentBytesMin = 24;

struct Content {
  std::uint32_t run = 0;
  std::uint32_t stream = 0;
  std::uint32_t place = 0;
  std::uint32_t number = 0;
};

enum class ContentCheck : std::uint8_t { kOk, kTooShort, kHeader, kPattern };

// Writes all of it, the pattern only if `whole`. `payload` has kContentBytesMin bytes or more.
void write_content(std::byte* payload, std::size_t bytes, const Content& content, bool whole);

// Reads the header; kHeader: it was not written like that.
ContentCheck read_content(ByteView payload, Content& content) noexcept;

// Compares every byte behind the header.
bool pattern_matches(ByteView payload, const Content& content) noexcept;

}  // namespace ims::bench
