// The part that pair, group and offline have in common: senders, and when each of them sends.
//
//   closed loop   a sender has `window` messages outstanding: until answered and, where that is
//                 awaited, delivered to all who are due
//   open loop     messages are due by the rate, the senders take turns
//   both          due by the rate, but no sender has more than `window` outstanding: what is due
//                 then waits, and its corrected latency counts from when it was due
#pragma once

#include <cstdint>
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
  void stop() override { sending_ = false; }
  void finish() override;
  void on_settled(std::uint32_t user, const Sent& sent) override;

  bool awaits_deliveries_ = true;
  bool to_group_ = false;

 private:
  static constexpr std::uint32_t kNobody = ~std::uint32_t{0};

  struct Sender {
    std::uint32_t user = 0;
    std::uint32_t stream_first = 0;
    std::uint32_t stream_count = 1;
    std::uint32_t stream_next = 0;
    std::uint32_t open = 0;
    std::vector<std::uint64_t> waiting;  // due, and held back by the window; from waiting_at on
    std::size_t waiting_at = 0;
  };

  void offer(Sender& sender, std::uint64_t due_ns);
  void pump(Sender& sender);
  void send_one(Sender& sender, std::uint64_t intended_ns, bool held_back);

  MessageTemplate message_;
  Arrivals arrivals_;
  std::vector<Sender> senders_;
  std::vector<std::uint32_t> sender_of_;  // by user
  std::uint32_t turn_of_ = 0;
  bool sending_ = false;
  std::uint64_t held_back_ = 0;
};

}  // namespace ims::bench
