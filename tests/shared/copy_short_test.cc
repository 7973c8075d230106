// copy_short() and equal_short(): every length up to 80, no byte beyond.
#include "shared/copy_short.h"

#include <doctest/doctest.h>

#include <string>

namespace ims {
namespace {

std::string letters(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>('a' + i % 26);
  return text;
}

TEST_CASE("copy_short writes exactly its bytes and returns what is behind them") {
  for (std::size_t size = 0; size <= 80; ++size) {
    CAPTURE(size);
    const std::string from = letters(size);
    std::string out(size + 16, '#');
    std::byte* const at = reinterpret_cast<std::byte*>(out.data());
    CHECK(copy_short(at, reinterpret_cast<const std::byte*>(from.data()), size) == at + size);
    CHECK(out == from + std::string(16, '#'));
  }
}

TEST_CASE("equal_short sees a difference at every place, and none behind the end") {
  for (std::size_t size = 0; size <= 80; ++size) {
    CAPTURE(size);
    const std::string text = letters(size) + "x";
    std::string other = letters(size) + "y";
    CHECK(equal_short(text.data(), other.data(), size));
    for (std::size_t at = 0; at < size; ++at) {
      CAPTURE(at);
      other[at] ^= 1;
      CHECK_FALSE(equal_short(text.data(), other.data(), size));
      other[at] ^= 1;
    }
  }
}

}  // namespace
}  // namespace ims
