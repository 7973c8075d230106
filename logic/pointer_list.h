// A list of pointers that is one pointer while it holds one, or none: most users have one session.
//
// Ownership  Of the list, not of what it points to. Iterators are pointers, and a growing or
//            shrinking call ends them. Order is that of insertion.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "logic/compact_vector.h"

namespace ims::logic {

template <typename T>
class PointerList {
 public:
  PointerList() noexcept = default;
  PointerList(const PointerList&) = delete;
  PointerList& operator=(const PointerList&) = delete;
  ~PointerList() {
    if (is_many()) delete many();
  }

  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept {
    if (is_many()) return many()->size();
    return one_ == nullptr ? 0 : 1;
  }
  T* const* begin() const noexcept { return is_many() ? many()->data() : &one_; }
  T* const* end() const noexcept { return begin() + size(); }

  void push_back(T* item) {
    if (one_ == nullptr) {
      one_ = item;
      return;
    }
    if (!is_many()) {
      auto* list = new CompactVector<T*>();
      list->push_back(one_);
      one_ = reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(list) | kManyBit);
    }
    many()->push_back(item);
  }
  // It is there once.
  void erase(const T* item) noexcept {
    if (!is_many()) {
      one_ = nullptr;
      return;
    }
    CompactVector<T*>& list = *many();
    list.erase(std::find(list.begin(), list.end(), item));
    if (list.size() > 1) return;
    T* const last = list.front();
    delete many();
    one_ = last;
  }

 private:
  // An address of a T or of a list is even: the lowest bit tells them apart.
  static constexpr std::uintptr_t kManyBit = 1;

  bool is_many() const noexcept { return (reinterpret_cast<std::uintptr_t>(one_) & kManyBit) != 0; }
  CompactVector<T*>* many() const noexcept {
    return reinterpret_cast<CompactVector<T*>*>(reinterpret_cast<std::uintptr_t>(one_) & ~kManyBit);
  }

  T* one_ = nullptr;
};

}  // namespace ims::logic
