// Slots, frames that are waited for, and what a finished trace leaves behind (tracer.h).
#include "gateway/tracer.h"

#include <algorithm>
#include <limits>

#include "shared/assert.h"

namespace ims::gateway {
namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr int kSlotTries = 8;
static_assert(kTracesQueuedMax <= std::numeric_limits<std::uint16_t>::max());

TraceKind kind_of_request(const RequestRecord& record) noexcept {
  if (record.header.kind != RecordKind::kMessage) return TraceKind::kOther;
  if ((record.header.flags & kFlagToGroup) != 0) return TraceKind::kGroup;
  return (record.header.flags & kFlagOffline) != 0 ? TraceKind::kStored : TraceKind::kRelayed;
}

}  // namespace

Tracer::Tracer(const Traces* traces, GatewayIndex gateway, std::uint32_t sample,
               CounterBlock& counters)
    : traces_(sample == 0 ? nullptr : traces),
      sample_(sample),
      gateway_(gateway),
      counters_(counters),
      prng_(gateway + 1),
      left_(traces_ == nullptr ? kNever : 0) {
  if (traces_ == nullptr) return;
  IMS_ASSERT(gateway < traces_->regions().size());
  TraceRegion& region = traces_->regions()[gateway];
  stages_ = StageBlock(region.cells);
  slow_ = SlowTable(region.slow);
  queued_.resize(1);
}

// ---- the beginning ------------------------------------------------------------------------------

TraceId Tracer::start(const RequestRecord& record) noexcept {
  if ((record.header.flags & kFlagNoAnswer) != 0) return 0;  // it would never end; the next one
  left_ = sample_ == 1 ? 0 : prng_.below(2 * std::uint64_t{sample_} - 1);
  TraceSlot* const slot = take_slot();
  if (slot == nullptr) return 0;
  slot->user = record.sender.value;
  slot->tenant = record.tenant.value;
  return begin(slot, kind_of_request(record), record.connection.bits, record.request_id);
}

TraceId Tracer::start(const LoginRecord& record) noexcept {
  TraceSlot* const slot = take_slot();
  if (slot == nullptr) return 0;
  slot->user = 0;
  slot->tenant = 0;
  return begin(slot, TraceKind::kLogin, record.connection.bits, record.request_id);
}

// A free slot, or one whose message must have died. Null: all that were looked at are in use.
TraceSlot* Tracer::take_slot() noexcept {
  while (freed_count_ > 0) {
    TraceSlot* const slot = freed_[--freed_count_];
    if (Traces::is_free(*slot)) return slot;  // not taken in its turn meanwhile
  }
  const auto now_ms = static_cast<std::uint32_t>(now_.mono_ms);
  for (int i = 0; i < kSlotTries; ++i) {
    TraceSlot& slot = traces_->regions()[gateway_].slots[next_slot_++ % kTraceSlots];
    if (Traces::is_free(slot)) return &slot;
    if (now_ms - slot.started_ms > kTraceAgeMsMax) {
      counters_.add(Counter::kTracesDropped);
      return &slot;
    }
  }
  counters_.add(Counter::kTracesSkipped);
  return nullptr;
}

TraceId Tracer::begin(TraceSlot* slot, TraceKind kind, std::uint64_t connection,
                      std::uint64_t request_id) noexcept {
  const auto index = static_cast<std::size_t>(slot - traces_->regions()[gateway_].slots);
  const TraceId id = make_trace_id(gateway_, ++generation_, index);
  Traces::take(*slot, id, read_ticks_, parse_ticks_);
  slot->kind = kind;
  slot->connection = connection;
  slot->request_id = request_id;
  slot->started_ms = static_cast<std::uint32_t>(now_.mono_ms);
  counters_.add(Counter::kTracesStarted);
  return id;
}

// ---- the end ------------------------------------------------------------------------------------

void Tracer::name_user(TraceId id, UserId user, TenantId tenant) noexcept {
  if (id == 0) return;
  TraceSlot* const slot = traces_->find(id);
  if (slot == nullptr) return;
  slot->user = user.value;
  slot->tenant = tenant.value;
}

// The connection's queue ends with the trace's frame.
void Tracer::follow(Connection& connection, TraceId id) {
  std::uint16_t index = free_queued_;
  if (index != 0) {
    free_queued_ = queued_[index].next;
  } else if (queued_.size() < kTracesQueuedMax) {
    index = static_cast<std::uint16_t>(queued_.size());
    queued_.emplace_back();
  } else {
    return drop(id);
  }
  queued_[index] = {id, connection.queue.bytes(), 0, false};
  std::uint16_t* link = &connection.first_trace;
  while (*link != 0) link = &queued_[*link].next;
  *link = index;
}

// The send that was asked for carries the queue's front.
void Tracer::sending(Connection& connection) noexcept {
  const std::size_t bytes = connection.queue.front().size();
  for (std::uint16_t at = connection.first_trace; at != 0; at = queued_[at].next) {
    Queued& queued = queued_[at];
    if (queued.left_bytes > bytes) return;
    if (queued.sending) continue;  // the rest of a short send
    queued.sending = true;
    traces_->enter(queued.id, Stage::kSend);
  }
}

void Tracer::taken(Connection& connection, std::size_t bytes) noexcept {
  while (connection.first_trace != 0) {
    const std::uint16_t at = connection.first_trace;
    if (queued_[at].left_bytes > bytes) break;
    connection.first_trace = queued_[at].next;
    finish(queued_[at].id);
    give(at);
  }
  for (std::uint16_t at = connection.first_trace; at != 0; at = queued_[at].next) {
    queued_[at].left_bytes -= static_cast<std::uint32_t>(bytes);
  }
}

void Tracer::forget(Connection& connection) noexcept {
  while (connection.first_trace != 0) {
    const std::uint16_t at = connection.first_trace;
    connection.first_trace = queued_[at].next;
    drop(queued_[at].id);
    give(at);
  }
}

void Tracer::drop(TraceId id) noexcept {
  if (id == 0) return;
  TraceSlot* const slot = traces_->find(id);
  if (slot == nullptr) return;
  give_slot(id, *slot);
  counters_.add(Counter::kTracesDropped);
}

void Tracer::give_slot(TraceId id, TraceSlot& slot) noexcept {
  Traces::free(slot);
  if (gateway_of_trace(id) != gateway_ || freed_count_ == freed_.size()) return;
  freed_[freed_count_++] = &slot;
}

void Tracer::give(std::uint16_t index) noexcept {
  queued_[index].next = free_queued_;
  free_queued_ = index;
}

// A stage ends where the next one that was entered begins. One that was not entered took no time,
// nor one that another CPU's clock puts before the message's beginning or behind its next stage.
void Tracer::finish(TraceId id) noexcept {
  TraceSlot* const slot = traces_->find(id);
  if (slot == nullptr) return;
  SlowTrace split;
  const std::uint64_t first = Traces::begin_of(*slot, 0);
  const std::uint64_t whole = turn_ticks_ - std::min(first, turn_ticks_);
  std::uint64_t end = whole;  // from the first on
  for (std::size_t stage = kStagesOnTheWay; stage-- > 0;) {
    // 0, and what was before the first, are far behind any end.
    const std::uint64_t begin = std::min(Traces::begin_of(*slot, stage) - first, end);
    split.stage_ns[stage] = traces_->clock().to_ns(end - begin);
    end = begin;
  }
  split.total_ns = traces_->clock().to_ns(whole);
  split.ended_wall_ms = static_cast<std::uint64_t>(now_.wall_ms);
  split.kind = static_cast<std::uint64_t>(slot->kind);
  split.connection = slot->connection;
  split.user = slot->user;
  split.tenant = slot->tenant;
  split.request_id = slot->request_id;
  const TraceKind kind = slot->kind;
  give_slot(id, *slot);

  for (std::size_t stage = 0; stage < kStagesOnTheWay; ++stage) {
    stages_.record(kind, static_cast<Stage>(stage), split.stage_ns[stage]);
  }
  stages_.record(kind, Stage::kTotal, split.total_ns);
  slow_.offer(split);
  counters_.add(Counter::kTracesFinished);
  const std::uint64_t* const stage_ns = split.stage_ns;
  asm volatile("" : : "r"(stage_ns) : "memory");  // who looks from outside finds them there
  IMS_PROBE(traced, split.kind, split.total_ns, stage_ns, split.connection, split.user,
            split.request_id);
}

}  // namespace ims::gateway
