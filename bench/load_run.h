// One run of the load generator: log in, warm up, measure, drain, verify.
//
// Closed loop  A sender's message is outstanding until its answer came and every delivery of it: so
//              a window of one is one message on its way, both directions counted.
// Verified     Every answer is OK and belongs to a message that was sent, none comes twice (counts
//              and sums of ids); deliveries from one sender come in its order, none missing or
//              doubled; stored ones carry ascending seqs. A violation throws.
// Output       Lines on standard output for whoever drives it: `ready`, `start`, `stop`, then one
//              line of JSON. `start` to `stop` is what the numbers are about.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/load_options.h"
#include "bench/load_sockets.h"
#include "shared/histogram.h"

namespace ims::bench {

class LoadRun {
 public:
  explicit LoadRun(const LoadOptions& options);

  void run();

 private:
  struct Sender {
    std::vector<MessageTemplate> message;  // one, or none for who only receives
    std::uint32_t sent = 0;
    std::uint32_t answered = 0;
    std::uint64_t delivered = 0;           // by all who receive it
    std::uint32_t receivers = 1;
    std::uint64_t id_sum = 0;              // sent minus answered, modulo 2^64
    std::vector<std::uint64_t> sent_ns;    // by number modulo the window
  };
  struct Receiver {
    std::uint32_t next_number = 0;         // from its one sender
    std::uint64_t last_seq = 0;
  };

  void log_in();
  void make_groups();
  void make_senders();
  void load();
  void drain();
  void idle();
  void report(const char* line) const;
  void wait_for_line() const;

  void on_frame(Connection& connection, ByteView frame);
  void on_answer(Connection& connection, const Seen& seen);
  void on_message(Connection& connection, const Seen& seen);
  void pump(std::uint32_t index);
  bool done(const Sender& sender) const {
    return sender.answered == sender.sent &&
           sender.delivered == std::uint64_t{sender.sent} * sender.receivers;
  }
  std::uint32_t group_of(std::uint32_t index) const { return index / options_.group_members; }
  bool sends(std::uint32_t index) const {
    return options_.workload != Workload::kGroup || index % options_.group_members == 0;
  }

  const LoadOptions options_;
  const Edition edition_;
  Sockets sockets_;
  std::vector<Sender> senders_;
  std::vector<Receiver> receivers_;
  std::uint32_t logged_in_ = 0;
  std::uint32_t setup_answers_ = 0;
  bool loading_ = false;
  bool sending_ = false;
  std::uint64_t sent_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t delivered_ = 0;
  std::vector<std::uint64_t> latency_ = std::vector<std::uint64_t>(kHistogramBuckets);
  bool measuring_ = false;
};

}  // namespace ims::bench
