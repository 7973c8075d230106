// Values of configuration keys: sizes, durations, addresses, the nearest word.
#include "shared/config_value.h"

#include <doctest/doctest.h>

#include <limits>

namespace ims {
namespace {

constexpr std::uint64_t kOverflow = std::numeric_limits<std::uint64_t>::max();

TEST_CASE("numbers") {
  struct Row {
    const char* rule;
    KeyKind kind;
    std::string_view text;
    std::optional<std::uint64_t> value;
  };
  const Row rows[] = {
      {"a count", KeyKind::kCount, "256", 256},
      {"a count has no unit", KeyKind::kCount, "256KiB", std::nullopt},
      {"no sign", KeyKind::kCount, "-1", std::nullopt},
      {"no plus", KeyKind::kCount, "+1", std::nullopt},
      {"no blank before", KeyKind::kCount, " 1", std::nullopt},
      {"no blank behind", KeyKind::kCount, "1 ", std::nullopt},
      {"no fraction", KeyKind::kCount, "1.5", std::nullopt},
      {"no hex", KeyKind::kCount, "0x10", std::nullopt},
      {"empty", KeyKind::kCount, "", std::nullopt},
      {"words", KeyKind::kCount, "many", std::nullopt},
      {"the largest", KeyKind::kCount, "18446744073709551615", kOverflow},
      {"one more is the largest", KeyKind::kCount, "18446744073709551616", kOverflow},
      {"plain bytes", KeyKind::kBytes, "65536", 65536},
      {"KiB", KeyKind::kBytes, "64KiB", 65536},
      {"MiB", KeyKind::kBytes, "1MiB", 1048576},
      {"GiB", KeyKind::kBytes, "1GiB", 1073741824},
      {"TiB", KeyKind::kBytes, "1TiB", 1099511627776},
      {"decimal units are refused", KeyKind::kBytes, "64KB", std::nullopt},
      {"units are case sensitive", KeyKind::kBytes, "64kib", std::nullopt},
      {"a unit alone", KeyKind::kBytes, "KiB", std::nullopt},
      {"a product over 64 bits is the largest", KeyKind::kBytes, "18014398509481984KiB",
       kOverflow},
      {"plain seconds", KeyKind::kDuration, "5", 5000},
      {"ms", KeyKind::kDuration, "500ms", 500},
      {"s", KeyKind::kDuration, "5s", 5000},
      {"m", KeyKind::kDuration, "10m", 600'000},
      {"h", KeyKind::kDuration, "1h", 3'600'000},
      {"d", KeyKind::kDuration, "7d", 604'800'000},
      {"us is no unit", KeyKind::kDuration, "5us", std::nullopt},
      {"seconds over 64 bits", KeyKind::kDuration, "18446744073709551615", kOverflow},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CAPTURE(row.text);
    CHECK(parse_number(row.kind, row.text) == row.value);
  }
}

TEST_CASE("a number's text is read back") {
  struct Row {
    KeyKind kind;
    std::uint64_t value;
    std::string text;
  };
  const Row rows[] = {
      {KeyKind::kCount, 65536, "65536"},      {KeyKind::kBytes, 0, "0"},
      {KeyKind::kBytes, 1023, "1023"},        {KeyKind::kBytes, 1024, "1KiB"},
      {KeyKind::kBytes, 65537, "65537"},      {KeyKind::kBytes, 3ull << 30, "3GiB"},
      {KeyKind::kDuration, 1, "1ms"},         {KeyKind::kDuration, 1500, "1500ms"},
      {KeyKind::kDuration, 90'000, "90s"},    {KeyKind::kDuration, 600'000, "10m"},
      {KeyKind::kDuration, 86'400'000, "1d"}, {KeyKind::kDuration, 0, "0"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(format_number(row.kind, row.value) == row.text);
    CHECK(parse_number(row.kind, row.text) == row.value);
  }
}

TEST_CASE("listen addresses") {
  for (const std::string text : {"127.0.0.1:7000", "0.0.0.0:0", "255.255.255.255:65535",
                                 "[::1]:7000", "[::]:1", "[fe80::1]:7000"}) {
    CAPTURE(text);
    const auto address = parse_listen_address(text);
    REQUIRE(address);
    CHECK(format_listen_address(*address) == text);
    CHECK(address->storage.ss_family == (text.front() == '[' ? AF_INET6 : AF_INET));
    CHECK(address->size == (text.front() == '[' ? sizeof(sockaddr_in6) : sizeof(sockaddr_in)));
  }
  for (const std::string_view text :
       {"", ":", "7000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:70x", "127.0.0.256:7000", ":7000", "localhost:7000", "::1:7000", "[::1]",
        "[::1]7000", "[127.0.0.1]:7000", "[::1:7000", "127.0.0.1:7000 "}) {
    CAPTURE(text);
    CHECK_FALSE(parse_listen_address(text));
  }
}

TEST_CASE("the nearest word") {
  const std::vector<std::string> words = {"max_devices", "max_watches", "push_window", "pin"};
  CHECK(nearest_word("max_device", words) == "max_devices");
  CHECK(nearest_word("push_widnow", words) == "push_window");
  CHECK(nearest_word("max_watch", words) == "max_watches");
  CHECK(nearest_word("pni", words) == "pin");
  CHECK(nearest_word("", words) == "pin");
  CHECK(nearest_word("x", {}).empty());
  // A swap of neighbours is one edit: "ab" is nearer to "ba" than to "bcd".
  CHECK(nearest_word("ab", {"bcd", "ba"}) == "ba");
}

TEST_CASE("quoted text cannot break a line") {
  CHECK(quote("plain") == "\"plain\"");
  CHECK(quote("a\nb\x1b[0m") == "\"a\\x0ab\\x1b[0m\"");
  CHECK(quote(std::string(80, 'x')) == "\"" + std::string(80, 'x') + "\"");
  CHECK(quote(std::string(81, 'x')) == "\"" + std::string(80, 'x') + "...\"");
}

}  // namespace
}  // namespace ims
