// One client's TCP connection as its gateway sees it.
//
//   kFree ─accept─▶ kOpen ─CONNECT─▶ kLogin ─answer OK─▶ kOnline
//                     │                │                    │          begin_close(reason)
//                     └────────────────┴───────────┬────────┘
//                                                  ▼
//     kClosing     takes no frame; waits for answers that are due, then for the last send
//        │ EOF seen: close at once        │ else
//        ▼                                ▼
//     kReleasing ◀── EOF or 1 s ── kDraining ◀── done ── kShutdown   input is discarded
//        │ kClosed: the kernel holds nothing of it any more
//        ▼
//     kGone        until the worker was told (kEnded needs room in a ring), then kFree, generation
//                  + 1
//
// Thread    Owned by one gateway thread from accept to release. All others hold a ConnectionId.
// Lifetime  Slots never move (connection_table.h). A slot is reused only after kGone.
// Memory    An idle connection is this struct and 8 bytes of Liveness; blocks exist only while
//           bytes wait (carry, queue, farewell) or the sender is longer than kSenderInlineBytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "gateway/block_pool.h"
#include "gateway/io.h"
#include "gateway/send_queue.h"
#include "shared/bytes.h"
#include "shared/codes.h"
#include "shared/encode.h"
#include "shared/ids.h"
#include "shared/limits.h"

namespace ims::gateway {

enum class State : std::uint8_t {
  kFree,
  kOpen,
  kLogin,
  kOnline,
  kClosing,
  kShutdown,
  kDraining,
  kReleasing,
  kGone,
};

// Why a connection ended: one counter each (ims_closed_total).
enum class CloseReason : std::uint8_t {
  kNormal,
  kPeerClosed,
  kIoError,
  kProtocolError,
  kLoginFailed,
  kLoginTimeout,
  kIdleTimeout,
  kSlowConsumer,
  kReplaced,
  kTokenExpired,
  kShutdown,
  kKicked,
  kUnavailable,
  kOverloaded,
  kRateLimited,
};

// What holds back the next frame. The first ones end by an event of the connection itself; a
// connection held by the others stands in a queue of the gateway.
enum class Hold : std::uint8_t {
  kNone,
  kLogin,    // the login answer
  kAnswers,  // stop-and-wait, max_inflight, or no room for one more answer
  kRing,     // a request ring is full
  kMemory,   // send_memory_bytes is used up
  kBudget,   // it had its share of this turn
};

struct Connection {
  static constexpr std::size_t kSenderInlineBytes = 52;

  ConnectionId id;                 // of this tenancy, or while free of the next; its slot stays

  // ---- who it is; kOnline and later ----
  SessionId session;               // kLogin: holds the CONNECT's id until the answer
  UserId user;
  std::uint64_t user_hash = 0;     // from kLogin on
  union {
    std::uint64_t tenant_hash = 0; // from kLogin on, until requests are taken no more
    Block* farewell;               // `has_farewell`: the encoded Disconnect, sent after all answers
  };
  TenantId tenant;

  // ---- the socket ----
  SocketHandle socket = -1;        // owned from accept until kClosed
  std::int32_t version = 2;        // echoed

  // ---- what is owed to the client ----
  std::uint32_t reserved_bytes = 0;  // room kept for the answers to `inflight` requests
  SendQueue queue;
  std::uint64_t taken_ordinal = 0;   // the last stored row that the kernel took wholly
  std::uint32_t progress_ms = 0;     // kOpen, kDraining: since when; else when owed bytes last
                                     // moved, or with none owed when bytes last went into the carry
  std::uint32_t deadline_ms = 0;     // the earliest entry in the wheel, if `deadline_set`

  // ---- what waits to be taken ----
  Block* carry = nullptr;            // received, not taken; null exactly when empty

  std::uint16_t inflight = 0;        // requests that a worker has not answered
  std::uint16_t unreported_rows = 0; // taken, not yet in a kTaken
  std::uint16_t frames_taken = 0;    // in turn `frames_turn`
  std::uint16_t first_trace = 0;     // the first queued frame that is followed (tracer.h); 0: none
  std::uint8_t frames_turn = 0;
  State state = State::kFree;
  Edition edition = Edition::kV2;
  Hold hold = Hold::kNone;
  WorkerIndex home = 0;              // the worker of its user, from kLogin on

  CloseReason close_reason : 4 = CloseReason::kNormal;
  bool recv_armed : 1 = false;       // the kernel may report bytes
  bool recv_stopping : 1 = false;    // asked to stop
  bool send_in_flight : 1 = false;
  bool eof : 1 = false;              // the client sends no more
  bool awaits_login : 1 = false;     // a worker owes the login answer
  bool stop_and_wait : 1 = false;    // a request with id 0 is unanswered
  bool send_only : 1 = false;
  bool copies : 1 = false;           // the user has other devices: kFlagCopies
  bool queued_hold : 1 = false;      // stands in a queue of held connections
  bool dirty : 1 = false;            // stands in a list of connections to send to
  bool dirty_fanout : 1 = false;     // only in the fan-out list
  bool owes_own : 1 = false;         // not all that is queued came by fan-outs
  bool deadline_set : 1 = false;
  bool refusing : 1 = false;         // stored rows are refused until kTargetRestart
  bool owes_taken : 1 = false;       // notices for `home` that wait for room in its ring
  bool owes_refused : 1 = false;
  bool owes_drained : 1 = false;
  bool owes_copies : 1 = false;
  bool owes_ended : 1 = false;
  bool notice_queued : 1 = false;    // stands in the queue of notices
  bool ended_told : 1 = false;       // kEnded is in the ring, or nobody needs it
  bool drained_due : 1 = false;      // kRefused was said, kDrained not yet
  bool has_farewell : 1 = false;     // kClosing and later
  bool sender_in_block : 1 = false;
  bool stalled : 1 = false;          // had its grace: the next stall is the end

  std::uint8_t user_bytes = 0;
  std::uint8_t device_bytes = 0;
  std::uint8_t sender_bytes = 0;
  // Who sends, as fields of a Message (encode.h); or, where they are longer, the address of a block
  // that holds them.
  std::byte sender_inline[kSenderInlineBytes] = {};

  ByteView sender_fields() const noexcept {
    return {sender_in_block ? sender_block()->data() : sender_inline, sender_bytes};
  }
  // kOnline and later.
  std::string_view user_name() const noexcept {
    return as_text({sender_fields().data() + 2, user_bytes});  // behind its tag and length
  }
  Outer outer() const noexcept { return {edition, version}; }
  bool takes_frames() const noexcept { return state >= State::kOpen && state <= State::kOnline; }

  void set_sender(std::string_view user_text, std::string_view device_text, BlockPool& pool);
  void clear_sender(BlockPool& pool) noexcept;

 private:
  Block* sender_block() const noexcept {
    Block* block = nullptr;
    std::memcpy(&block, sender_inline, sizeof block);
    return block;
  }
};

// When it was last heard, beside the connections so that a scan reads nothing else.
struct Liveness {
  std::uint32_t last_rx_ms = 0;      // low half of Now::mono_ms
  std::uint32_t idle_limit_ms = 0;   // 1.5 x keepalive_s; 0: TCP keepalive alone watches
};

static_assert(sizeof(Connection) + sizeof(Liveness) <= kConnectionIdleBytesMax,
              "DESIGN.md section 4");
static_assert(sizeof(Connection) == 176);
static_assert(static_cast<unsigned>(CloseReason::kRateLimited) < 16, "Connection::close_reason");

}  // namespace ims::gateway
