// Hashes and names (segment_format.h).
#include "logic/segment_format.h"

#include <charconv>
#include <cstdio>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ims::logic {
namespace {

constexpr std::string_view kSuffix = ".seg";
constexpr std::size_t kDigits = 10;

}  // namespace

std::uint64_t hash_header(const SegmentHeader& header) noexcept {
  return XXH3_64bits(&header, offsetof(SegmentHeader, hash));
}

std::uint64_t hash_record(std::uint64_t salt, std::uint64_t offset, const CommitHeader& header,
                          std::span<const iovec> body) noexcept {
  XXH3_state_t state{};
  XXH3_64bits_reset_withSeed(&state, salt + offset);
  XXH3_64bits_update(&state, &header.commit, sizeof header - offsetof(CommitHeader, commit));
  for (const iovec& part : body) XXH3_64bits_update(&state, part.iov_base, part.iov_len);
  return XXH3_64bits_digest(&state);
}

std::uint32_t hash_op(std::string_view op) noexcept {
  return static_cast<std::uint32_t>(XXH3_64bits(op.data(), op.size()));
}

std::string segment_name(std::uint32_t number) {
  char name[kDigits + kSuffix.size() + 1];
  std::snprintf(name, sizeof name, "%010u.seg", number);
  return name;
}

std::uint32_t parse_segment_name(std::string_view name) noexcept {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return 0;
  std::uint32_t number = 0;
  const auto end = name.data() + kDigits;
  const auto [at, error] = std::from_chars(name.data(), end, number);
  return error == std::errc() && at == end ? number : 0;
}

}  // namespace ims::logic
