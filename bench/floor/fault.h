// A fault that the floor makes on purpose, so that a generator can show that it would notice: every
// Nth frame that it relays.
//
//   drop     acknowledged, delivered to nobody        corrupt  delivered with its last byte changed
//   dup      delivered twice                          noack    delivered, not acknowledged
//   reorder  delivered behind the next of its sender  stray    delivered to its sender instead
//            (who must have two outstanding)
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ims::bench {

struct Fault {
  enum class Kind : std::uint8_t { kNone, kDrop, kDup, kReorder, kCorrupt, kNoAck, kStray };
  Kind kind = Kind::kNone;
  std::uint64_t every = 0;
};

// "drop=1000". Nullopt: no such kind, or no number of at least 1.
std::optional<Fault> parse_fault(std::string_view text);

// Which frames are hit: one in `every`, the first one after every - 1 others.
class FaultClock {
 public:
  explicit FaultClock(Fault fault) noexcept : fault_(fault) {}

  // Called once a frame: what happens to this one.
  Fault::Kind next() noexcept {
    if (fault_.kind == Fault::Kind::kNone || ++frames_ % fault_.every != 0) {
      return Fault::Kind::kNone;
    }
    return fault_.kind;
  }

 private:
  const Fault fault_;
  std::uint64_t frames_ = 0;
};

}  // namespace ims::bench
