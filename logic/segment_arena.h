// Memory that is given out piece by piece and taken back as a whole.
//
// Threads  One. Lifetime  Pieces live as long as the arena; what is made in them is not destroyed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

namespace ims::logic {

class SegmentArena {
 public:
  static constexpr std::size_t kChunkBytes = 256 * 1024;
  static constexpr std::size_t kAlignBytes = 64;

  // Aligned for `T`, with `extra_bytes` behind it.
  template <typename T>
  T* make(std::size_t extra_bytes = 0) {
    static_assert(alignof(T) <= kAlignBytes && std::is_trivially_destructible_v<T>);
    return new (take(sizeof(T) + extra_bytes, alignof(T))) T();
  }

  std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* chunk) const noexcept {
      ::operator delete[](chunk, std::align_val_t{kAlignBytes});
    }
  };

  void* take(std::size_t bytes, std::size_t align) {
    used_ = (used_ + align - 1) / align * align;
    if (chunks_.empty() || used_ + bytes > size_) {
      // Small at first: most stores of tools and tests hold little.
      size_ = std::max(bytes, chunks_.empty() ? kChunkBytes / 32 : kChunkBytes);
      chunks_.emplace_back(
          static_cast<std::byte*>(::operator new[](size_, std::align_val_t{kAlignBytes})));
      bytes_ += size_;
      used_ = 0;
    }
    void* piece = chunks_.back().get() + used_;
    used_ += bytes;
    return piece;
  }

  std::vector<std::unique_ptr<std::byte[], Free>> chunks_;
  std::size_t size_ = 0;  // of the last chunk
  std::size_t used_ = 0;  // of it
  std::size_t bytes_ = 0;
};

}  // namespace ims::logic
