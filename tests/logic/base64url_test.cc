// base64url: RFC 4648 vectors without padding, and everything that is not exactly one spelling.
#include "logic/base64url.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace ims::logic {
namespace {

std::optional<std::string> decode(std::string_view text) {
  std::array<char, 64> buffer;
  const auto size = decode_base64url(text, buffer);
  if (!size) return std::nullopt;
  return std::string(buffer.data(), *size);
}

TEST_CASE("base64url: RFC 4648 section 10 without padding, and both ways") {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},           {"f", "Zg"},         {"fo", "Zm8"},           {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"},
  };
  for (const auto& row : rows) {
    const auto& bytes = row.first;
    const auto& text = row.second;
    INFO(text);
    CHECK(encode_base64url(bytes) == text);
    CHECK(decode(text) == bytes);
    CHECK(has_base64url_form(text));
  }
}

TEST_CASE("base64url: every byte value comes back, at every alignment") {
  for (int value = 0; value < 256; ++value) {
    for (const std::size_t before : {0u, 1u, 2u}) {
      const std::string bytes = std::string(before, 'x') + static_cast<char>(value);
      CHECK(decode(encode_base64url(bytes)) == bytes);
    }
  }
}

TEST_CASE("base64url: refused") {
  struct Row {
    const char* name;
    std::string_view text;
    bool has_form;
  };
  const Row rows[] = {
      {"padding", "Zg==", false},        {"one pad", "Zm8=", false},
      {"a length of 4n+1", "Z", false},  {"a length of 4n+1, longer", "Zm9vY", false},
      {"plus", "+__-", false},           {"slash", "-//-", false},
      {"space", "Zm9 v", false},         {"line end", "Zm9v\n", false},
      {"zero byte", {"Zm\0v", 4}, false}, {"high byte", "Zm9\xc3", false},
      {"dot", "Zm9.", false},            {"4 trailing bits", "Zh", true},
      {"2 trailing bits", "Zm9", true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK_FALSE(decode(row.text).has_value());
    CHECK(has_base64url_form(row.text) == row.has_form);
  }
}

TEST_CASE("base64url: of the last characters exactly those without trailing bits are taken") {
  int taken_of_two = 0;
  int taken_of_three = 0;
  for (int c = 0; c < 256; ++c) {
    const char last = static_cast<char>(c);
    taken_of_two += decode(std::string("Z") + last).has_value();
    taken_of_three += decode(std::string("Zm") + last).has_value();
  }
  CHECK(taken_of_two == 4);     // 2 bits of 6 count
  CHECK(taken_of_three == 16);  // 4 of 6
}

TEST_CASE("base64url: room for the bytes, one less, none") {
  std::array<char, 6> buffer;
  for (const std::string_view text : {"Zm9vYmFy", "Zm9vYmE", "Zm9vYg", "Zm9v"}) {
    INFO(text);
    const std::size_t size = decode(text)->size();
    CHECK(decode_base64url(text, std::span(buffer).first(size)) == size);
    CHECK_FALSE(decode_base64url(text, std::span(buffer).first(size - 1)).has_value());
    CHECK_FALSE(decode_base64url(text, {}).has_value());
  }
}

}  // namespace
}  // namespace ims::logic
