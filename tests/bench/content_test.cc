// What a message carries: whatever byte of it changes is noticed, at every length.
#include "bench/load/content.h"

#include <doctest/doctest.h>

#include <vector>

namespace ims::bench {
namespace {

std::vector<std::byte> written(std::size_t bytes, const Content& content, bool whole = true) {
  std::vector<std::byte> payload(bytes, std::byte{0x5a});
  write_content(payload.data(), bytes, content, whole);
  return payload;
}

constexpr Content kContent{.run = 7, .stream = 8, .place = 9, .number = 10};

TEST_CASE("the header comes back") {
  for (const std::size_t bytes : {24u, 25u, 100u, 4000u}) {
    Content content;
    const auto payload = written(bytes, kContent);
    REQUIRE(read_content(payload, content) == ContentCheck::kOk);
    CHECK(content.run == 7);
    CHECK(content.stream == 8);
    CHECK(content.place == 9);
    CHECK(content.number == 10);
    CHECK(pattern_matches(payload, content));
  }
}

TEST_CASE("too short by one byte") {
  const auto payload = written(kContentBytesMin, kContent);
  Content content;
  CHECK(read_content(ByteView(payload).first(kContentBytesMin - 1), content) ==
        ContentCheck::kTooShort);
  CHECK(read_content({}, content) == ContentCheck::kTooShort);
}

TEST_CASE("every bit of a message counts") {
  for (const std::size_t bytes : {24u, 29u, 32u, 100u, 103u}) {
    const auto right = written(bytes, kContent);
    for (std::size_t bit = 0; bit < 8 * bytes; ++bit) {
      CAPTURE(bytes);
      CAPTURE(bit);
      auto wrong = right;
      wrong[bit / 8] ^= std::byte{1} << (bit % 8);
      Content content;
      const bool header = read_content(wrong, content) == ContentCheck::kOk;
      CHECK_FALSE((header && pattern_matches(wrong, kContent)));
      CHECK(header == (bit / 8 >= kContentBytesMin));
    }
  }
}

TEST_CASE("messages differ in all of their pattern") {
  Content next = kContent;
  ++next.number;
  const auto one = written(64, kContent);
  const auto other = written(64, next);
  for (std::size_t word = kContentBytesMin; word < 64; word += 8) {
    CHECK(ByteView(one).subspan(word, 8).size() == 8);
    CHECK_FALSE(std::equal(one.begin() + static_cast<std::ptrdiff_t>(word),
                           one.begin() + static_cast<std::ptrdiff_t>(word) + 8,
                           other.begin() + static_cast<std::ptrdiff_t>(word)));
  }
}

TEST_CASE("what is not written whole keeps its old bytes, and its header") {
  const auto payload = written(40, kContent, false);
  Content content;
  CHECK(read_content(payload, content) == ContentCheck::kOk);
  CHECK(payload[24] == std::byte{0x5a});
  CHECK(payload[39] == std::byte{0x5a});
}

}  // namespace
}  // namespace ims::bench
