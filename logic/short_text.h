// A name as a user or session keeps it: 16 bytes, up to 15 characters in place, longer ones on the
// heap. std::string would take 32 for the same.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "shared/assert.h"
#include "shared/copy_short.h"

namespace ims::logic {

class ShortText {
 public:
  ShortText() noexcept = default;
  explicit ShortText(std::string_view text) { assign(text); }
  ShortText(ShortText&& other) noexcept { std::swap(bytes_, other.bytes_); }
  ShortText& operator=(ShortText&& other) noexcept {
    ShortText moved(std::move(other));
    std::swap(bytes_, moved.bytes_);
    return *this;
  }
  ShortText& operator=(std::string_view text) {
    ShortText made(text);
    std::swap(bytes_, made.bytes_);
    return *this;
  }
  ~ShortText() {
    if (is_long()) delete[] long_text();
  }

  std::string_view view() const noexcept {
    const std::size_t bytes = size();
    return {is_long() ? long_text() : bytes_, bytes};
  }
  operator std::string_view() const noexcept { return view(); }
  std::size_t size() const noexcept {
    if (!is_long()) return static_cast<unsigned char>(bytes_[kInlineBytes]);
    std::uint32_t bytes = 0;
    std::memcpy(&bytes, bytes_ + sizeof(char*), sizeof bytes);
    return bytes;
  }
  bool empty() const noexcept { return size() == 0; }

  friend bool operator==(const ShortText& a, std::string_view b) noexcept {
    const std::string_view text = a.view();
    return text.size() == b.size() && equal_short(text.data(), b.data(), b.size());
  }
  friend bool operator==(const ShortText& a, const ShortText& b) noexcept {
    return a.view() == b.view();
  }

 private:
  static constexpr std::size_t kInlineBytes = 15;
  static constexpr char kLong = kInlineBytes + 1;

  bool is_long() const noexcept { return bytes_[kInlineBytes] == kLong; }
  char* long_text() const noexcept {
    char* text = nullptr;
    std::memcpy(&text, bytes_, sizeof text);
    return text;
  }
  void assign(std::string_view text) {
    if (text.size() <= kInlineBytes) {
      if (!text.empty()) std::memcpy(bytes_, text.data(), text.size());  // data() may be null
      bytes_[kInlineBytes] = static_cast<char>(text.size());
      return;
    }
    const auto bytes = static_cast<std::uint32_t>(text.size());
    IMS_ASSERT(bytes == text.size());
    char* copy = new char[bytes];
    std::memcpy(copy, text.data(), bytes);
    std::memcpy(bytes_, &copy, sizeof copy);
    std::memcpy(bytes_ + sizeof copy, &bytes, sizeof bytes);
    bytes_[kInlineBytes] = kLong;
  }

  // In place: the text, and behind it its size. Else: its address, its size, kLong.
  alignas(char*) char bytes_[kInlineBytes + 1] = {};
};
static_assert(sizeof(ShortText) == 16);

}  // namespace ims::logic
