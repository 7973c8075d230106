// A vector that is one pointer while empty: for the many lists of users and sessions that mostly
// hold nothing, or one element. Size and capacity stand in front of the elements, in one block.
// KnownList: one that may be unknown.
//
// Growth     1, 2, 4, ... elements; memory is kept until assignment or destruction, as a vector's.
// Exceptions Elements must move without throwing. Iterators are pointers, and a growing or
//            shrinking call ends them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "shared/assert.h"

namespace ims::logic {

template <typename T>
class KnownList;

template <typename T>
class CompactVector {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>);

 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = const T*;

  CompactVector() noexcept = default;
  CompactVector(CompactVector&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  CompactVector& operator=(CompactVector&& other) noexcept {
    CompactVector moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~CompactVector() { release(); }

  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept { return block_ == nullptr ? 0 : block_->size; }
  std::size_t capacity() const noexcept { return block_ == nullptr ? 0 : block_->capacity; }
  T* data() noexcept { return block_ == nullptr ? nullptr : elements(); }
  const T* data() const noexcept { return block_ == nullptr ? nullptr : elements(); }
  T* begin() noexcept { return data(); }
  T* end() noexcept { return data() + size(); }
  const T* begin() const noexcept { return data(); }
  const T* end() const noexcept { return data() + size(); }
  T& operator[](std::size_t index) noexcept { return elements()[index]; }
  const T& operator[](std::size_t index) const noexcept { return elements()[index]; }
  T& front() noexcept { return *begin(); }
  const T& front() const noexcept { return *begin(); }
  T& back() noexcept { return end()[-1]; }
  const T& back() const noexcept { return end()[-1]; }

  void push_back(T value) { emplace_back(std::move(value)); }
  template <typename... Args>
  T& emplace_back(Args&&... args) {
    if (size() == capacity()) {
      // Made first: an argument may live in here.
      T value(std::forward<Args>(args)...);
      grow(std::max<std::size_t>(1, 2 * capacity()));
      return *std::construct_at(elements() + block_->size++, std::move(value));
    }
    return *std::construct_at(elements() + block_->size++, std::forward<Args>(args)...);
  }
  iterator insert(const_iterator before, T value) {
    const std::ptrdiff_t index = before - begin();
    emplace_back(std::move(value));
    std::rotate(begin() + index, end() - 1, end());
    return begin() + index;
  }

  void pop_back() noexcept { erase(end() - 1, end()); }
  iterator erase(const_iterator at) noexcept { return erase(at, at + 1); }
  iterator erase(const_iterator first, const_iterator last) noexcept {
    T* const from = begin() + (first - begin());
    if (first == last) return from;
    T* const new_end = std::move(begin() + (last - begin()), end(), from);
    std::destroy(new_end, end());
    block_->size = static_cast<std::uint32_t>(new_end - begin());
    return from;
  }
  void resize(std::size_t count) {
    if (count < size()) {
      erase(begin() + count, end());
      return;
    }
    if (count > capacity()) grow(count);
    while (size() < count) std::construct_at(elements() + block_->size++);
  }
  // No more room than it needs.
  void shrink() {
    if (size() == capacity()) return;
    if (empty()) return release();
    grow(size());
  }
  // At least so many; exactly so many where it grows.
  void reserve(std::size_t count) {
    if (count > capacity()) grow(count);
  }
  void clear() noexcept { erase(begin(), end()); }
  void swap(CompactVector& other) noexcept { std::swap(block_, other.block_); }

 private:
  struct Block {
    std::uint32_t size;
    std::uint32_t capacity;
  };
  static_assert(alignof(T) <= sizeof(Block));
  friend class KnownList<T>;
  // Of lists that are known to be empty: no element ever goes in there, it is never freed.
  static inline Block empty_block_{0, 0};

  T* elements() noexcept { return reinterpret_cast<T*>(block_ + 1); }
  const T* elements() const noexcept { return reinterpret_cast<const T*>(block_ + 1); }

  void grow(std::size_t capacity) {
    auto* larger = static_cast<Block*>(::operator new(sizeof(Block) + capacity * sizeof(T)));
    larger->size = static_cast<std::uint32_t>(size());
    larger->capacity = static_cast<std::uint32_t>(capacity);
    std::uninitialized_move(begin(), end(), reinterpret_cast<T*>(larger + 1));
    release();
    block_ = larger;
  }
  void release() noexcept {
    if (block_ != nullptr && block_ != &empty_block_) {
      std::destroy(begin(), end());
      ::operator delete(block_);
    }
    block_ = nullptr;
  }

  Block* block_ = nullptr;
};

// A CompactVector that may be unknown, read like a pointer to one: null while nobody has read it
// from the store. Known and empty, it owns nothing either.
template <typename T>
class KnownList {
 public:
  KnownList() noexcept = default;

  void set(CompactVector<T> list) noexcept {
    list_ = std::move(list);
    if (list_.empty()) return forget_room();
    list_.shrink();
  }
  void reset() noexcept { list_ = {}; }
  // Gives back what an empty list holds.
  void forget_room() noexcept {
    IMS_ASSERT(list_.empty());
    list_ = {};
    list_.block_ = &CompactVector<T>::empty_block_;
  }

  CompactVector<T>& operator*() noexcept { return list_; }
  const CompactVector<T>& operator*() const noexcept { return list_; }
  CompactVector<T>* operator->() noexcept { return &list_; }
  const CompactVector<T>* operator->() const noexcept { return &list_; }
  explicit operator bool() const noexcept { return list_.block_ != nullptr; }
  friend bool operator==(const KnownList& list, std::nullptr_t) noexcept {
    return !static_cast<bool>(list);
  }

 private:
  CompactVector<T> list_;
};

}  // namespace ims::logic
