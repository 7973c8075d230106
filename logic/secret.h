// Bytes that are wiped when their owner lets go: a password on its way to the authenticator.
//
// Not std::string: moving a short one copies its bytes and leaves the old ones behind. This one is
// always on the heap, moves by pointer, and is zeroed (sodium_memzero) by the last owner.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace ims::logic {

class Secret {
 public:
  Secret() = default;
  template <std::convertible_to<std::string_view> Text>
  Secret(const Text& text) : Secret(std::string_view(text), 0) {}  // NOLINT: a value, as a string

  Secret(Secret&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      wipe();
      bytes_ = std::move(other.bytes_);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(); }

  std::string_view view() const noexcept { return {bytes_.get(), size_}; }
  bool empty() const noexcept { return size_ == 0; }
  void wipe() noexcept;  // afterwards empty

 private:
  Secret(std::string_view text, int);

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace ims::logic
