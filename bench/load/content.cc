// Header, check and pattern (content.h).
#include "bench/load/content.h"

#include <algorithm>
#include <cstring>

#include "shared/assert.h"

namespace ims::bench {
namespace {

static_assert(sizeof(Content) == 16);
constexpr std::uint64_t kStep = 0x9e37'79b9'7f4a'7c15;  // 2^64 / phi

constexpr std::uint64_t mix(std::uint64_t value) noexcept {  // the finalizer of splitmix64
  value = (value ^ (value >> 30)) * 0xbf58'476d'1ce4'e5b9;
  value = (value ^ (value >> 27)) * 0x94d0'49bb'1331'11eb;
  return value ^ (value >> 31);
}

std::uint64_t check_of(const Content& content) noexcept {
  const std::uint64_t low = std::uint64_t{content.run} << 32 | content.stream;
  const std::uint64_t high = std::uint64_t{content.place} << 32 | content.number;
  return mix(mix(low + kStep) ^ high);
}

}  // namespace

void write_content(std::byte* payload, std::size_t bytes, const Content& content, bool whole) {
  IMS_ASSERT(bytes >= kContentBytesMin);
  const std::uint64_t check = check_of(content);
  std::memcpy(payload, &content, sizeof content);
  std::memcpy(payload + sizeof content, &check, sizeof check);
  if (!whole) return;
  std::uint64_t word = check;
  for (std::size_t at = kContentBytesMin; at < bytes; at += sizeof word) {
    word += kStep;
    const std::uint64_t mixed = word ^ (word >> 29);
    std::memcpy(payload + at, &mixed, std::min(sizeof mixed, bytes - at));
  }
}

ContentCheck read_content(ByteView payload, Content& content) noexcept {
  if (payload.size() < kContentBytesMin) return ContentCheck::kTooShort;
  std::memcpy(&content, payload.data(), sizeof content);
  std::uint64_t check = 0;
  std::memcpy(&check, payload.data() + sizeof content, sizeof check);
  return check == check_of(content) ? ContentCheck::kOk : ContentCheck::kHeader;
}

bool pattern_matches(ByteView payload, const Content& content) noexcept {
  std::uint64_t word = check_of(content);
  std::uint64_t differs = 0;
  std::size_t at = kContentBytesMin;
  for (; at + sizeof word <= payload.size(); at += sizeof word) {
    word += kStep;
    std::uint64_t found = 0;
    std::memcpy(&found, payload.data() + at, sizeof found);
    differs |= found ^ word ^ (word >> 29);
  }
  if (at < payload.size()) {
    word += kStep;
    const std::uint64_t mixed = word ^ (word >> 29);
    if (std::memcmp(payload.data() + at, &mixed, payload.size() - at) != 0) return false;
  }
  return differs == 0;
}

}  // namespace ims::bench
