// JSON strings and numbers by what they mean: bytes compared through escapes, and times.
#include "logic/json_text.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <utility>

#include "logic/json_scan.h"

namespace ims::logic {
namespace {

TEST_CASE("json_text: strings equal what they spell, byte for byte") {
  struct StringRow {
    std::string_view raw;
    std::string_view plain;
    bool equal;
  };
  const StringRow rows[] = {
      {"alice", "alice", true},
      {"alice", "alic", false},
      {"alic", "alice", false},
      {"", "", true},
      {"", "a", false},
      {R"(\u0061lice)", "alice", true},
      {R"(\u0061lic)", "alice", false},
      {R"(\u0061lice)", "alic", false},
      {R"(\u00e9)", "\xc3\xa9", true},
      {R"(\u20AC)", "\xe2\x82\xac", true},
      {R"(\ud83d\ude00)", "\xf0\x9f\x98\x80", true},
      {R"(\ud800\udc00)", "\xf0\x90\x80\x80", true},
      {R"(\udbff\udfff)", "\xf4\x8f\xbf\xbf", true},
      {R"(\u07ff\u0800\uffff)", "\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", true},
      {R"(\"\\\/\b\f\n\r\t)", "\"\\/\b\f\n\r\t", true},
      {R"(a\u0000b)", {"a\0b", 3}, true},
      {R"(a\u0000)", "a", false},
      {"\xc3\xa9", "e\xcc\x81", false},  // no normalisation
  };
  for (const StringRow& row : rows) {
    INFO(row.raw);
    CHECK(json_string_equals(row.raw, row.plain) == row.equal);
  }
}

TEST_CASE("json_text: quoting and reading back") {
  std::string all;
  for (int c = 0; c < 0x80; ++c) all.push_back(static_cast<char>(c));
  for (const std::string& text : {std::string("alice"), std::string("a\"b\\c/d"), all,
                                  std::string("\xf0\x9f\x98\x80")}) {
    const std::string json = "{\"a\":" + json_quoted(text) + "}";
    JsonObject object;
    REQUIRE(object.parse(json) == JsonStatus::kOk);
    CHECK(json_string_equals(object.find("a")->raw, text));
  }
}

TEST_CASE("json_text: NumericDate in milliseconds") {
  const std::pair<const char*, std::int64_t> rows[] = {
      {"0", 0},
      {"-0", 0},
      {"0.0e9", 0},
      {"1", 1000},
      {"-1", -1000},
      {"1300819380", 1'300'819'380'000},
      {"1300819380.0", 1'300'819'380'000},
      {"1300819380.25", 1'300'819'380'250},
      {"1300819380.2509999", 1'300'819'380'250},
      {"1300819380.999999999999999999999", 1'300'819'380'999},
      {"0.5", 500},
      {"0.0005", 0},
      {"1.3e9", 1'300'000'000'000},
      {"1.30081938025e9", 1'300'819'380'250},
      {"13008193802500e-4", 1'300'819'380'250},
      {"1E+2", 100'000},
      {"1e-3", 1},
      {"1e-4", 0},
      {"0.00001e5", 1000},
      {"253402300799.998", kNumericDateMsMax - 1},
      {"253402300799.999", kNumericDateMsMax},
      {"253402300800", kNumericDateMsMax},
      {"9223372036854775807", kNumericDateMsMax},
      {"18446744073709551617", kNumericDateMsMax},  // 2^64 + 1: no wrap to 1
      {"1e400", kNumericDateMsMax},
      {"1e99999999999999999999", kNumericDateMsMax},
      {"-1e400", -kNumericDateMsMax},
      {"1e-400", 0},
      {"1e-99999999999999999999", 0},
      {"0e99999999999999999999", 0},
      {"10000000000000000000000000000e-19", 1'000'000'000'000},
  };
  for (const auto& row : rows) {
    const auto& number = row.first;
    const auto& ms = row.second;
    INFO(number);
    CHECK(numeric_date_ms(number) == ms);
  }
}

}  // namespace
}  // namespace ims::logic
