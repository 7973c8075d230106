// Length prefixes at their limits; varints around every power of two against libprotobuf.
#include "shared/varint.h"

#include <doctest/doctest.h>

#include <google/protobuf/io/coded_stream.h>

#include <array>
#include <string>
#include <string_view>

using namespace std::string_view_literals;

namespace ims {
namespace {

struct PrefixRow {
  const char* rule;
  std::string_view input;
  VarintStatus status;
  std::uint32_t value = 0;
  std::size_t prefix_bytes = 0;
};

constexpr PrefixRow kPrefixRows[] = {
    {"nothing yet", ""sv, VarintStatus::kNeedMore},
    {"zero", "\x00"sv, VarintStatus::kOk, 0, 1},
    {"largest of one byte", "\x7f"sv, VarintStatus::kOk, 127, 1},
    {"first of two bytes", "\x80\x01"sv, VarintStatus::kOk, 128, 2},
    {"cut after one byte", "\x80"sv, VarintStatus::kNeedMore},
    {"cut after four bytes", "\xff\xff\xff\xff"sv, VarintStatus::kNeedMore},
    {"2^32 - 1", "\xff\xff\xff\xff\x0f"sv, VarintStatus::kOk, 0xffff'ffff, 5},
    {"2^32", "\x80\x80\x80\x80\x10"sv, VarintStatus::kMalformed},
    {"five bytes, top bits set", "\xff\xff\xff\xff\x7f"sv, VarintStatus::kMalformed},
    {"zero in five bytes", "\x80\x80\x80\x80\x00"sv, VarintStatus::kOk, 0, 5},
    {"one in two bytes", "\x81\x00"sv, VarintStatus::kOk, 1, 2},
    {"six bytes", "\x80\x80\x80\x80\x80\x00"sv, VarintStatus::kMalformed},
    {"five bytes that go on: decided at once", "\x80\x80\x80\x80\x80"sv, VarintStatus::kMalformed},
    {"bytes behind are not looked at", "\x05\xff\xff"sv, VarintStatus::kOk, 5, 1},
};

TEST_CASE("length prefix") {
  for (const PrefixRow& row : kPrefixRows) {
    CAPTURE(row.rule);
    const LengthPrefix prefix = decode_length_prefix(as_bytes(row.input));
    CHECK(prefix.status == row.status);
    CHECK(prefix.value == row.value);
    CHECK(prefix.prefix_bytes == row.prefix_bytes);
  }
}

TEST_CASE("a written varint is protobuf's, its length announced, and reads back") {
  for (int bit = 0; bit <= 64; ++bit) {
    const std::uint64_t power = bit == 64 ? 0 : std::uint64_t{1} << bit;
    for (const std::uint64_t value : {power - 1, power, power + 1}) {
      CAPTURE(value);
      std::array<std::byte, kVarintBytesMax> ours{};
      std::array<std::uint8_t, kVarintBytesMax> theirs{};
      const auto size = static_cast<std::size_t>(write_varint(ours.data(), value) - ours.data());
      google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(value, theirs.data());
      CHECK(size == varint_bytes(value));
      CHECK(size == google::protobuf::io::CodedOutputStream::VarintSize64(value));
      CHECK(std::memcmp(ours.data(), theirs.data(), size) == 0);
      const Varint read = decode_varint(ours);
      CHECK(read.status == VarintStatus::kOk);
      CHECK(read.value == value);
      CHECK(read.varint_bytes == size);
      CHECK(decode_varint(ByteView(ours).first(size - 1)).status == VarintStatus::kNeedMore);
    }
  }
}

TEST_CASE("varint of ten bytes: bits beyond 64 are dropped, an eleventh byte refused") {
  const auto wide = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"sv;
  CHECK(decode_varint(as_bytes(wide)).value == 0xffff'ffff'ffff'ffffull);
  CHECK(decode_varint(as_bytes(wide)).varint_bytes == 10);
  const auto eleven = "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"sv;
  CHECK(decode_varint(as_bytes(eleven)).status == VarintStatus::kMalformed);
}

}  // namespace
}  // namespace ims
