// Who writes to whom, and what every receiver has seen of it.
//
//   stream      the messages of one sender to one target, a user or a group; their places are 0, 1,
//               2 ... as they are sent
//   slot        one receiver of one stream: the next place that it has to be given
//   group       its members are users in a row: start, start + 1 ... (modulo the number of users)
//   timeline    what one member was pushed of one group, and wrote itself: seqs without a hole
//
// A place that comes early is remembered as passed over; it comes later (out of order) or is lost.
// Users are counted within one process: no stream leaves it.
// Threads  One.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

namespace ims::bench {

struct Group {
  std::uint32_t start = 0;           // the first member; the owner
  std::uint32_t size = 0;
  std::uint32_t timeline_first = 0;  // of its first member
};

struct Stream {
  std::uint32_t sender = 0;
  std::uint32_t target = 0;      // user or group
  bool to_group = false;
  bool relayed_to_away = false;  // receivers come and go: what is lost is known elsewhere
  std::uint32_t next_place = 0;
  std::uint32_t slot_first = 0;
};

enum class Arrival : std::uint8_t { kNext, kAhead, kLate, kTwice, kBehind };

// The rows of a group as one member knows them.
struct Timeline {
  std::uint64_t first = 0;   // 0: none yet
  std::uint64_t last = 0;
  std::uint64_t pushed = 0;  // the last one pushed
  std::uint64_t rows = 0;

  void add(std::uint64_t seq) noexcept;
  bool has_hole() const noexcept { return rows != 0 && rows != last - first + 1; }
};

class Streams {
 public:
  explicit Streams(std::uint32_t users) : users_(users) {}

  std::uint32_t add_group(std::uint32_t start, std::uint32_t size);
  std::uint32_t add(std::uint32_t sender, std::uint32_t user, bool relayed_to_away = false);
  std::uint32_t add_to_group(std::uint32_t sender, std::uint32_t group);

  std::vector<Stream>& all() noexcept { return streams_; }
  const std::vector<Group>& groups() const noexcept { return groups_; }

  // kNowhere: `user` is no member.
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};
  std::uint32_t position(const Group& group, std::uint32_t user) const noexcept {
    const std::uint32_t at = (user + users_ - group.start) % users_;
    return at < group.size ? at : kNowhere;
  }
  std::uint32_t member(const Group& group, std::uint32_t position) const noexcept {
    return (group.start + position) % users_;
  }

  // The slot of `user` as a receiver, or kNowhere.
  std::uint32_t slot(const Stream& stream, std::uint32_t user) const noexcept;

  // A message has come to a receiver. kBehind: late or twice, of a stream to users who come and go.
  Arrival arrive(const Stream& stream, std::uint32_t slot, std::uint32_t place);

  // The message of this place was refused: no receiver is due.
  void refuse(std::uint32_t stream, std::uint32_t place) { refused_.insert(key(stream, place)); }

  Timeline& timeline(std::uint32_t group, std::uint32_t position) {
    return timelines_[groups_[group].timeline_first + position];
  }

  // Calls back with (stream, receiver's user, count) of what is due and has not come.
  template <class Lost>
  void for_lost(Lost&& lost) const {
    for (std::uint32_t i = 0; i < streams_.size(); ++i) {
      const Stream& stream = streams_[i];
      if (stream.relayed_to_away) continue;
      const std::uint32_t receivers = stream.to_group ? groups_[stream.target].size : 1;
      for (std::uint32_t at = 0; at < receivers; ++at) {
        const std::uint32_t user =
            stream.to_group ? member(groups_[stream.target], at) : stream.target;
        if (user == stream.sender && stream.to_group) continue;
        const std::uint64_t count = missing(i, stream.slot_first + at);
        if (count != 0) lost(stream, user, count);
      }
    }
  }

 private:
  static std::uint64_t key(std::uint32_t high, std::uint32_t low) noexcept {
    return std::uint64_t{high} << 32 | low;
  }
  std::uint64_t missing(std::uint32_t stream, std::uint32_t slot) const;

  const std::uint32_t users_;
  std::vector<Stream> streams_;
  std::vector<Group> groups_;
  std::vector<std::uint32_t> next_place_;          // by slot
  std::vector<Timeline> timelines_;
  std::unordered_set<std::uint64_t> passed_over_;  // slot and place
  std::vector<std::uint32_t> has_passed_over_;     // by slot: how many
  std::unordered_set<std::uint64_t> refused_;      // stream and place
};

}  // namespace ims::bench
