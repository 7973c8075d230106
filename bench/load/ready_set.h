// Numbers below a limit, any of which is to be picked: add, remove and pick in constant time.
//
// Threads  One.
#pragma once

#include <cstdint>
#include <vector>

namespace ims::bench {

class ReadySet {
 public:
  static constexpr std::uint32_t kNobody = ~std::uint32_t{0};

  explicit ReadySet(std::uint32_t limit) : place_of_(limit, kNobody) {}

  bool empty() const noexcept { return all_.empty(); }
  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(all_.size()); }
  std::uint32_t at(std::uint32_t place) const noexcept { return all_[place]; }

  void add(std::uint32_t number) {
    if (place_of_[number] != kNobody) return;
    place_of_[number] = size();
    all_.push_back(number);
  }

  // The last one takes its place.
  void remove(std::uint32_t number) noexcept {
    const std::uint32_t place = place_of_[number];
    if (place == kNobody) return;
    all_[place] = all_.back();
    place_of_[all_[place]] = place;
    all_.pop_back();
    place_of_[number] = kNobody;
  }

 private:
  std::vector<std::uint32_t> all_;
  std::vector<std::uint32_t> place_of_;  // kNobody: it is not in there
};

}  // namespace ims::bench
