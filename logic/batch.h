// One commit's worth of a worker's changes, with what has to happen once it is durable.
//
// Ownership  The worker's pool. The committer has the CommitBatch part from submission to result
//            and never looks at `effects` and `arena`.
// Order      Effects are released in the order in which they were added, batches in the order of
//            submission: so per timeline seqs are pushed ascending.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "logic/committer.h"
#include "logic/entity.h"
#include "logic/requester.h"
#include "shared/codes.h"

namespace ims::logic {

struct AdminCommand;
struct Load;

struct Effect {
  enum class Kind : std::uint8_t {
    kRow,         // a row became durable: push it, answer who sent it
    kAnswer,      // only the answer waited (ACK, GROUP without a row)
    kLogin,       // the login answer waited
    kOutbox,      // an outbox row became durable: send it to its owner
    kEffectDone,  // a remote owner's effect became durable here: tell it
    kLoad,        // a read that must see this batch
    kAdmin,       // an operator's command waited
  };

  Kind kind{};
  Code code = Code::kOk;
  RowKind row_kind{};
  bool meta = false;  // the group changed in more than its timeline
  bool has_dedupe = false;  // the message has a client_id
  bool copies = false;  // the sender has other devices, which get a copy
  WorkerIndex worker = 0;         // kEffectDone: the coordinator
  Entity* owner = nullptr;        // pinned until released
  Requester requester;
  SessionId origin_session;
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
  std::uint64_t number = 0;       // kOutbox, kEffectDone
  Load* load = nullptr;           // kLoad
  AdminCommand* command = nullptr;  // kAdmin
  std::uint32_t body_offset = 0;  // kRow: the push, in the batch's bytes
  std::uint32_t body_bytes = 0;
  std::uint32_t payload_offset = 0;  // the answer's payload, or the outbox row, in `arena`
  std::uint32_t payload_bytes = 0;
  std::uint32_t dedupe_offset = 0;  // kRow, with `has_dedupe`: the DedupeKey, in `arena`

  // A message that nobody waits for: who sent it was answered when the recipient's row was durable.
  bool is_own_copy() const noexcept {
    return kind == Kind::kRow && row_kind == RowKind::kMessage && owner->kind == NameKind::kUser &&
           requester.connection == ConnectionId{};
  }
};

struct Batch : CommitBatch {
  std::vector<Effect> effects;
  std::string arena;
  std::vector<std::string> erased_outbox;  // keys
  std::vector<Entity*> heads;  // whose user or group row is written when the batch is closed
  std::size_t released = 0;    // effects already released
  std::int64_t finished_ms = 0;  // by the monotonic clock: when it was free again

  // While nobody uses it: gives back the room that a burst needed.
  void shrink() {
    effects = {};
    arena = {};
    heads = {};
    batch = {};
  }

  // Tells it from the few others that are pending (Timeline::dirty_mark); never 0.
  std::uint32_t mark() const noexcept {
    return static_cast<std::uint32_t>(number) | std::uint32_t{1} << 31;
  }
};

}  // namespace ims::logic
