// The part that pair, group and offline have in common: senders, and when each of them sends.
//
//   closed loop   a sender has `window` messages outstanding: until answered and, where that is
//                 awaited, delivered to all who are due
//   open loop     each sender has its share of the rate: evenly, they take turns; Poisson, each is
//                 a client of its own
//   both          due by the rate, but no sender has more than `window` outstanding
//
// Held back     by a full window, a connection that is gone, or kUnsentBytesMax that the server did
//               not read: what is due then waits, and its corrected latency counts from when it was
//               due. What still waits at the end never goes, and is in there by its age.
// Limits        An open loop without a window has one of kOpenMax over all senders of a process, at
//               least kOpenLeast each. What waits costs no memory: a sender's arrivals stand still.
#pragma once

#include <cstdint>
#include <queue>
#include <vector>

#include "bench/load/arrivals.h"
#include "bench/load/load.h"

namespace ims::bench {

class MessageLoad : public Load {
 protected:
  MessageLoad(const Share& share, const Numbering& numbering, bool has_connections_b = true);

  // Its streams are `count` in a row; it uses them in turn.
  void add_sender(std::uint32_t user, std::uint32_t stream_first, std::uint32_t count = 1);

  void start(std::uint64_t load_ns) override;
  void tick(std::uint64_t now_ns) override;
  std::uint64_t next_due_ns() const override;
  void stop() override;
  void on_settled(std::uint32_t user, const Sent& sent) override;

  bool awaits_deliveries_ = true;

 private:
  static constexpr std::uint32_t kNobody = ~std::uint32_t{0};

  struct Sender {
    std::uint32_t user = 0;
    std::uint32_t stream_first = 0;
    std::uint32_t stream_count = 1;
    std::uint32_t stream_next = 0;
    std::uint32_t open = 0;
    bool held_back = false;  // what is due waits for room; it is not in schedule_
    Arrivals arrivals;
  };
  struct Due {
    std::uint64_t at_ns;
    std::uint32_t sender;
    bool operator>(const Due& other) const { return at_ns > other.at_ns; }
  };

  bool has_room(const Sender& sender) const;
  void pump(std::uint32_t index);
  void send_one(Sender& sender, std::uint64_t intended_ns, bool held_back);
  void count_unsent(Sender& sender);

  MessageTemplate message_;
  std::vector<Sender> senders_;
  std::vector<std::uint32_t> sender_of_;  // by user
  std::priority_queue<Due, std::vector<Due>, std::greater<>> schedule_;  // of who is free to go
  std::uint32_t window_ = 0;
  bool sending_ = false;
};

}  // namespace ims::bench
