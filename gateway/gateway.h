// The gateway core: completions and ring records in, I/O requests and ring records out.
//
//   wait ──▶ on_completions ──▶ on_records ──▶ on_tick ──▶ submit(requests()) ──▶ end_turn
//               bytes: frames,      answers,      deadlines,
//               requests to         pushes        one send per
//               workers                           connection
//
// No socket, thread, clock or lock in here: the same core runs on io_uring, on epoll and in a
// simulation. One class, one file per act:
//
//   on_completions.cc  what the kernel reports          closing.cc   from decision to release
//   take_frames.cc     bytes -> frames, carry, holds    notices.cc   kTaken, kRefused, kDrained ...
//   take_login.cc      the first frame                  timers.cc    deadlines, keepalive, shutdown
//   take_request.cc    requests -> records              flush.cc     owed bytes -> sends
//   take_contact.cc    CONTACT and PRESENCE likewise    take_message.cc  MESSAGE
//   push_request.cc    records onto rings
//   on_records.cc      records -> owed bytes            on_push.cc, on_relay.cc  pushes
//
// Threads   One. The rings, the counters and `config` outlive it.
// Limits    Every queue in here has one entry per connection; bytes are bounded by send_queue_bytes
//           per connection and send_memory_bytes over all (blocks of carries and queues).
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "gateway/block_pool.h"
#include "gateway/connection.h"
#include "gateway/connection_table.h"
#include "gateway/deadline_wheel.h"
#include "gateway/id_queue.h"
#include "gateway/io.h"
#include "gateway/request_rules.h"
#include "gateway/tracer.h"
#include "shared/byte_ring.h"
#include "shared/clock.h"
#include "shared/config.h"
#include "shared/counters.h"
#include "shared/encode.h"
#include "shared/inline.h"
#include "shared/message_frame.h"
#include "shared/prng.h"
#include "shared/records.h"
#include "shared/relay_frame.h"
#include "shared/route.h"

namespace ims::gateway {

inline constexpr std::size_t kPushBytesPerTurn = 1 * kMiB;  // of one ring, copied to its targets

// What a gateway is made of, by the composition root.
struct GatewayParts {
  GatewayIndex index = 0;
  const Config& config;
  std::uint64_t hash_seed = 0;             // of route.h, from the store
  std::span<ByteRing* const> requests;     // by worker; this gateway produces
  std::span<ByteRing* const> deliveries;   // by worker; this gateway consumes
  CounterBlock& counters;
  std::uint64_t prng_seed = 0;
  std::uint32_t slots_max = 0;             // connections_per_gateway()
  Now now;
  // Every gateway's, where there are several: by gateway, and in it by worker. For what is relayed
  // from their clients (RelayRecord).
  std::span<ByteRing* const> all_requests = {};
  const Traces* traces = nullptr;          // every gateway's; null: none are kept
};

class Gateway {
 public:
  explicit Gateway(const GatewayParts& parts);
  ~Gateway();  // after the backend's: the kernel may still read from the queues
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // ---- one turn ----

  void on_completions(std::span<const Completion> completions, Now now);
  void on_records(Now now);
  void on_tick(Now now);
  std::span<const IoRequest> requests() const noexcept { return requests_; }

  // After submit(). Publishes the request rings. Bit w: worker w has something new and must be
  // woken.
  std::uint64_t end_turn() noexcept;
  // The same for records so far: before a worker's turn on this thread (fused placement).
  std::uint64_t publish() noexcept;
  // After the last turn: workers wait for nothing in here any more.
  void leave() noexcept;

  // ---- between turns ----

  // True: the next turn has work already, wait() must only look.
  bool has_work() const noexcept;
  // A fresh look at the delivery rings, for the re-check before sleeping.
  bool records_waiting() noexcept;
  std::chrono::milliseconds wait_max() const noexcept;
  // What the backend's listener should do: false near the table's end and from shutdown on.
  bool accepting() const noexcept { return accepting_; }

  // Takes no further frame, answers what was accepted, says SHUTDOWN, closes.
  void begin_shutdown(Now now);
  bool drained() const noexcept { return shutting_down_ && table_.used() == 0; }

  std::uint32_t connection_count() const noexcept { return table_.used(); }
  std::size_t memory_bytes() const noexcept {
    return pool_.used_bytes() + carry_pool_.used_bytes();
  }

 private:
  struct Worker {
    ByteRing* requests = nullptr;
    ByteRing* deliveries = nullptr;
    std::vector<const ByteRing*> all_requests;  // to it, by gateway
    IdQueue held;                   // connections whose head frame found the ring full
    IdQueue notices;                // connections that owe a SessionRecord
    std::uint32_t next_target = 0;  // of the record in front: a fan-out may take several turns
  };

  // on_completions.cc
  void on_accept(const Completion& completion);
  void on_recv(Connection& connection, const Completion& completion);
  void on_eof(Connection& connection);
  void on_send(Connection& connection, const Completion& completion);

  // take_frames.cc
  void feed(Connection& connection, ByteView bytes);
  void serve_carry(Connection& connection);
  void after_taking(Connection& connection);
  std::size_t take_frames(Connection& connection, ByteView input);
  void begin_trace(const Connection& connection) noexcept;
  bool take_frame(Connection& connection, ByteView frame);
  bool may_take(Connection& connection);
  void hold(Connection& connection, Hold why, IdQueue* queue);
  void keep(Connection& connection, ByteView bytes);
  void drop_carry(Connection& connection) noexcept;
  void update_receive(Connection& connection) {
    if (connection.recv_armed && connection.carry == nullptr) return;  // as nearly always
    change_receive(connection);
  }
  void change_receive(Connection& connection);
  void retry_held();
  void favour_one();

  // take_login.cc
  bool take_first_frame(Connection& connection, ByteView frame);
  bool take_connect(Connection& connection, const Command& command);

  // take_request.cc
  bool take_next_frame(Connection& connection, ByteView frame);
  bool take_request(Connection& connection, const Command& command);
  bool take_ack(Connection& connection, std::uint64_t id, const RequestView& request);
  bool take_sync(Connection& connection, std::uint64_t id, const RequestView& request);
  bool take_group(Connection& connection, std::uint64_t id, const RequestView& request);
  bool take_contact(Connection& connection, std::uint64_t id, const RequestView& request);
  bool take_presence(Connection& connection, std::uint64_t id, const RequestView& request);
  std::string_view make_group_name(std::span<char> out) noexcept;

  // take_message.cc
  bool take_message(Connection& connection, std::uint64_t id, const RequestView& request);

  // push_request.cc
  bool push_message(Connection& connection, const MessageFrame& frame);
  WorkerIndex worker_for(const Connection& connection, const RequestRecord& record) const noexcept;
  bool push_request(Connection& connection, RequestRecord& record, std::string_view target,
                    ByteView payload);
  bool ring_open(Connection& connection, WorkerIndex worker);
  RequestRecord* reserve_request(Connection& connection, WorkerIndex worker, std::size_t bytes);
  void commit_request(Connection& connection, WorkerIndex worker, RequestRecord& record,
                      std::size_t answer_bytes);

  // on_records.cc
  bool on_record(Worker& worker, ByteView record);
  void on_login_answer(const LoginAnswerRecord& record);
  void on_response(const ResponseRecord& record);
  void on_disconnect(const DisconnectRecord& record);
  void on_relay(const Worker& worker, const RelayRecord& record);
  bool relay(Connection& connection, const RequestRecord& request, bool fanout);
  void after_answer(Connection& connection);

  // on_push.cc
  bool on_push(Worker& worker, const PushRecord& record);
  void push_stored(Connection& connection, std::uint64_t ordinal, ByteView head, ByteView body,
                   bool fanout);
  void append_push(Connection& connection, ByteView head, ByteView body, bool row, bool fanout);

  // owe.h
  bool answer_fits(Connection& connection, std::size_t bytes);
  bool relayed_has_room(const Connection& connection, std::size_t bytes) noexcept;
  std::byte* owe(Connection& connection, std::size_t bytes);
  void owed(Connection& connection, std::size_t bytes, bool row, bool fanout);
  void mark_dirty(Connection& connection, bool fanout);
  Connection* settle(ConnectionId id, std::uint64_t request_id, std::size_t reserved_bytes);
  bool queue_memory_left(std::size_t bytes) const noexcept {
    return pool_.used_bytes() + bytes <= queue_memory_max_;
  }
  bool carry_memory_left(std::size_t bytes) const noexcept {
    return carry_pool_.used_bytes() + bytes <= carry_memory_max_;
  }

  // flush.cc
  void respond(Connection& connection, std::uint64_t id, const ResponseFields& fields);
  void refuse(Connection& connection, std::uint64_t id, const Refusal& refusal);
  void answer_login(Connection& connection, std::uint64_t id, const ConAckFields& fields);
  std::byte* owe_more(Connection& connection, std::size_t bytes);
  void flush();
  void flush_fanout();
  void time_fanout_turn() noexcept;
  std::uint32_t fanout_sends_max() const noexcept;
  bool flush_one(Connection& connection);

  // closing.cc
  void protocol_error(Connection& connection, std::string_view why);
  void begin_close(Connection& connection, CloseReason reason, const DisconnectFields* farewell);
  void continue_close(Connection& connection);
  void abort(Connection& connection, CloseReason reason);
  void request_close(Connection& connection);
  void drop_farewell(Connection& connection) noexcept;
  void on_shutdown(Connection& connection, const Completion& completion);
  void on_closed(Connection& connection);
  void release_if_told(Connection& connection);

  // notices.cc
  void rows_taken(Connection& connection, std::uint32_t rows);
  void report_taken(Connection& connection);
  void refuse_rows(Connection& connection);
  void check_drained(Connection& connection);
  void confirm_copies(Connection& connection);
  void tell_ended(Connection& connection);
  void send_notices(Connection& connection);
  bool try_notices(Connection& connection);
  void retry_notices(Worker& worker);

  // timers.cc
  void set_deadline(Connection& connection, std::int64_t in_ms);
  void on_deadline(Connection& connection);
  void scan_liveness();
  void look_around() noexcept;
  void continue_shutdown();
  void update_accepting() noexcept;

  std::uint32_t now_ms() const noexcept { return static_cast<std::uint32_t>(now_.mono_ms); }
  IMS_INLINE void request_io(IoOp op, const Connection& connection, ByteView bytes = {}) {
    requests_.push_back({op, connection.socket, connection.id, bytes});
  }
  void begin(Now now) noexcept { now_ = now; }

  const GatewayIndex index_;
  const Config& config_;
  const std::uint64_t hash_seed_;
  const std::size_t big_answer_bytes_;  // a whole frame with its length
  CounterBlock& counters_;
  Prng prng_;
  Now now_;

  // send_memory_bytes, in two shares: were it one, carries that wait for memory could hold all of
  // it, and no frame could be taken out of them.
  const std::uint64_t queue_memory_max_;  // three quarters
  const std::uint64_t carry_memory_max_;  // one quarter
  BlockPool pool_;                        // queues, farewells, long names
  BlockPool carry_pool_;
  ConnectionTable table_;
  DeadlineWheel wheel_;
  std::vector<Worker> workers_;
  std::vector<IoRequest> requests_;

  IdQueue dirty_;
  IdQueue dirty_fanout_;
  std::uint64_t turn_began_ticks_ = 0;
  std::uint64_t fanout_turn_sends_ = 0;   // of the turn before, if it left some of a fan-out; or 0
  std::uint64_t fanout_send_ns_ = 0;      // what one took lately
  IdQueue answer_held_;                   // by Hold::kMemory: no memory for an answer
  IdQueue carry_held_;                    // ... for the rest of a cut frame
  IdQueue ready_;                         // held by Hold::kBudget
  ConnectionId favoured_ = kNoConnection; // may complete its cut frame although memory is short
  std::int64_t favoured_until_ms_ = 0;
  const Connection* taking_ = nullptr;    // its frames are being taken: its carry must stay
  const Worker* retrying_ = nullptr;      // its held connections are being served
  bool records_left_ = false;             // on_records stopped before the rings were empty
  bool accepting_ = true;
  bool shutting_down_ = false;
  std::uint8_t turn_ = 0;
  std::uint32_t first_worker_ = 0;        // whose ring is drained first, rotates
  std::uint32_t shutdown_slot_ = 0;
  std::uint32_t scan_slot_ = 0;
  std::int64_t scan_tick_ = 0;
  std::uint64_t published_ = 0;           // since the last end_turn
  std::uint64_t queue_bytes_ = 0;
  std::size_t copied_bytes_ = 0;          // of the ring that is drained, this turn
  std::uint32_t fanout_targets_ = 0;      // likewise
  EncodedTime relay_time_;                // of the last relayed message
  std::vector<std::byte> whole_frames_[2];  // by edition: of the fan-out at hand
  std::vector<std::byte> rewritten_;      // a message that could not go as it came
  Tracer tracer_;
};

}  // namespace ims::gateway
