// Every code point in every role, the edges of UTF-8, and random bytes as libprotobuf judges them.
#include "shared/names.h"

#include <doctest/doctest.h>

#include <google/protobuf/stubs/common.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "ims.pb.h"
#include "shared/limits.h"
#include "shared/prng.h"

using namespace std::string_view_literals;

namespace ims {
namespace {

std::string utf8(std::uint32_t point) {  // whatever the point, surrogates too
  std::string text;
  const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6), put(0x80 | (point & 0x3f));
  } else if (point < 0x1'0000) {
    put(0xe0 | point >> 12), put(0x80 | (point >> 6 & 0x3f)), put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | point >> 18), put(0x80 | (point >> 12 & 0x3f)), put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  }
  return text;
}

// PROTOCOL.md section 3, written out once more.
bool is_control(std::uint32_t p) { return p <= 0x1f || (p >= 0x7f && p <= 0x9f); }
bool is_white_space(std::uint32_t p) {
  for (const std::uint32_t single :
       {0x20u, 0xa0u, 0x1680u, 0x2028u, 0x2029u, 0x202fu, 0x205fu, 0x3000u}) {
    if (p == single) return true;
  }
  return p >= 0x2000 && p <= 0x200a;
}

TEST_CASE("every code point: as UTF-8, in a name, in a label") {
  std::uint32_t wrong = 0;
  for (std::uint32_t point = 0; point <= 0x11'ffff; ++point) {
    const bool exists = point <= 0x10'ffff && !(point >= 0xd800 && point <= 0xdfff);
    const bool special = point == '/' || point == '#' || point == '*' || point == '>';
    const bool name = exists && !is_control(point) && !is_white_space(point) && !special;
    const bool label = exists && !is_control(point);
    const std::string text = "n" + utf8(point) + "m";
    if (valid_utf8(text) != exists || valid_name(text) != name || valid_label(text) != label) {
      ++wrong;
      CHECK_MESSAGE(false, "code point ", point);
      if (wrong > 10) break;
    }
  }
  CHECK(wrong == 0);
}

struct TextRow {
  const char* rule;
  std::string_view text;
  bool utf8;
};

constexpr TextRow kTextRows[] = {
    {"empty", ""sv, true},
    {"ASCII over a word's length", "0123456789abcdef0"sv, true},
    {"NUL is UTF-8", "a\0b"sv, true},
    {"two bytes", "\xc2\x80"sv, true},
    {"overlong in two bytes: C0", "\xc0\x80"sv, false},
    {"overlong in two bytes: C1", "\xc1\xbf"sv, false},
    {"overlong in three bytes", "\xe0\x9f\xbf"sv, false},
    {"least of three bytes", "\xe0\xa0\x80"sv, true},
    {"last before the surrogates", "\xed\x9f\xbf"sv, true},
    {"first surrogate", "\xed\xa0\x80"sv, false},
    {"last surrogate", "\xed\xbf\xbf"sv, false},
    {"first after the surrogates", "\xee\x80\x80"sv, true},
    {"overlong in four bytes", "\xf0\x8f\xbf\xbf"sv, false},
    {"least of four bytes", "\xf0\x90\x80\x80"sv, true},
    {"U+10FFFF", "\xf4\x8f\xbf\xbf"sv, true},
    {"U+110000", "\xf4\x90\x80\x80"sv, false},
    {"a lead of five bytes", "\xf8\x88\x80\x80\x80"sv, false},
    {"a tail alone", "\x80"sv, false},
    {"a tail after ASCII of a word's length", "01234567\xbf"sv, false},
    {"cut in two", "abc\xc3"sv, false},
    {"cut in three", "abc\xe2\x82"sv, false},
    {"cut in four", "abc\xf0\x9f\x98"sv, false},
    {"a lead where a tail should be", "\xe2\xc3\xa4"sv, false},
    {"FF", "\xff"sv, false},
};

TEST_CASE("UTF-8: the edges") {
  for (const TextRow& row : kTextRows) {
    CAPTURE(row.rule);
    CHECK(valid_utf8(row.text) == row.utf8);
    if (!row.utf8) {
      CHECK_FALSE(valid_name(row.text));
      CHECK_FALSE(valid_label(row.text));
    }
  }
}

TEST_CASE("UTF-8: random bytes, as libprotobuf judges them") {
  google::protobuf::SetLogHandler(nullptr);
  Prng prng(20);
  std::uint32_t accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    for (std::uint64_t left = prng.below(12); left > 0; --left) {
      if (prng.chance(50)) {
        text += utf8(static_cast<std::uint32_t>(prng.below(0x11'0000)));
      } else {
        text.push_back(static_cast<char>(prng.chance(90) ? prng.below(0x80) : prng.below(0x100)));
      }
    }
    std::string wire = "\x0a";
    wire.push_back(static_cast<char>(text.size()));
    wire += text;
    ims::MessageTxt message;
    const bool theirs = message.ParseFromString(wire);
    REQUIRE(valid_utf8(text) == theirs);
    accepted += theirs;
  }
  CHECK(accepted > 20'000);
  CHECK(accepted < 180'000);
}

// A name is looked at eight bytes at a time; the rule knows nothing of that.
TEST_CASE("every ASCII byte at every place of a name of every length") {
  constexpr std::string_view kForbidden = "/#*> ";
  for (std::size_t length = 1; length <= kNameBytesMax; ++length) {
    for (std::size_t place = 0; place < length; ++place) {
      for (int byte = 0; byte < 0x80; ++byte) {
        const char c = static_cast<char>(byte);
        const bool expected =
            byte >= 0x20 && byte != 0x7f && kForbidden.find(c) == std::string_view::npos;
        for (const char filler : {'!', 'a', '~'}) {
          std::string name(length, filler);
          name[place] = c;
          if (valid_name(name) == expected) continue;
          CAPTURE(length);
          CAPTURE(place);
          CAPTURE(byte);
          FAIL_CHECK("valid_name is wrong");
        }
      }
    }
  }
}

TEST_CASE("lengths: names 1 to 64 bytes, labels 0 to 256") {
  CHECK_FALSE(valid_name(""));
  CHECK(valid_name("a"));
  CHECK(valid_name(std::string(63, 'a')));
  CHECK(valid_name(std::string(64, 'a')));
  CHECK_FALSE(valid_name(std::string(65, 'a')));
  CHECK(valid_name(std::string(62, 'a') + "\u00e4"));        // 64 bytes, 63 characters
  CHECK_FALSE(valid_name(std::string(63, 'a') + "\u00e4"));  // 65 bytes, 64 characters
  CHECK(valid_label(""));
  CHECK(valid_label("two words / # * >"));
  CHECK(valid_label(std::string(256, 'a')));
  CHECK_FALSE(valid_label(std::string(257, 'a')));
}

TEST_CASE("is_plain_name: every byte at every place of 0 to 17") {
  for (std::size_t size = 0; size <= 17; ++size) {
    for (std::size_t at = 0; at < std::max<std::size_t>(size, 1); ++at) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        std::string name(size, 'a');
        if (size > 0) name[at] = static_cast<char>(byte);
        const bool plain = size >= 1 && size <= 16 && byte < 0x80 && valid_unusual_name(name);
        if (is_plain_name(name) != plain) {
          CAPTURE(size);
          CAPTURE(at);
          CAPTURE(byte);
          FAIL("is_plain_name");
        }
      }
    }
  }
}

}  // namespace
}  // namespace ims
