// Construction, and the calls of a turn that are short (gateway.h).
#include "gateway/gateway.h"

#include "shared/assert.h"

namespace ims::gateway {

Gateway::Gateway(const GatewayParts& parts)
    : index_(parts.index),
      config_(parts.config),
      hash_seed_(parts.hash_seed),
      big_answer_bytes_(parts.config.max_frame_bytes + kFramePrefixBytesMax),
      counters_(parts.counters),
      prng_(parts.prng_seed),
      now_(parts.now),
      queue_memory_max_(parts.config.send_memory_bytes / 4 * 3),
      carry_memory_max_(parts.config.send_memory_bytes / 4),
      table_(parts.index, parts.slots_max),
      wheel_(parts.now.mono_ms),
      workers_(parts.requests.size()),
      scan_tick_(parts.now.mono_ms / DeadlineWheel::kTickMs),
      tracer_(parts.traces, parts.index, parts.config.trace_sample, parts.counters) {
  IMS_ASSERT(!parts.requests.empty() && parts.requests.size() == parts.deliveries.size());
  IMS_ASSERT(parts.requests.size() <= kWorkersMax);
  IMS_ASSERT(config_.max_message_bytes > 0 && config_.send_memory_bytes > 0);  // resolved
  IMS_ASSERT(config_.send_queue_bytes >= kSendQueueFramesMin * config_.max_frame_bytes);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].requests = parts.requests[i];
    workers_[i].deliveries = parts.deliveries[i];
    for (std::size_t at = i; at < parts.all_requests.size(); at += workers_.size()) {
      workers_[i].all_requests.push_back(parts.all_requests[at]);
    }
    if (parts.all_requests.empty()) workers_[i].all_requests.push_back(parts.requests[i]);
    IMS_ASSERT(index_ < workers_[i].all_requests.size());
  }
  requests_.reserve(kCompletionsPerTurnMax);
}

Gateway::~Gateway() {
  for (std::uint32_t slot = 0; slot < table_.slots_known(); ++slot) {
    Connection& connection = table_.at(slot);
    connection.queue.clear(pool_);
    drop_carry(connection);
    drop_farewell(connection);
    connection.clear_sender(pool_);
  }
}

std::uint64_t Gateway::publish() noexcept {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (workers_[i].requests->publish()) published_ |= std::uint64_t{1} << i;
  }
  return published_;
}

std::uint64_t Gateway::end_turn() noexcept {
  const std::uint64_t published = publish();
  if (published != 0 || !requests_.empty()) counters_.add(Counter::kBusyTurns);
  published_ = 0;
  requests_.clear();
  ++turn_;
  counters_.add(Counter::kTurns);
  counters_.set(Counter::kConnections, table_.used());
  counters_.set(Counter::kCarryBytes, carry_pool_.used_bytes());
  counters_.set(Counter::kSendQueueBytes, queue_bytes_);
  return published;
}

void Gateway::leave() noexcept {
  for (Worker& worker : workers_) worker.deliveries->abandon();
}

bool Gateway::has_work() const noexcept {
  return records_left_ || !dirty_.empty() || !dirty_fanout_.empty() || !ready_.empty() ||
         (shutting_down_ && shutdown_slot_ < table_.slots_known());
}

bool Gateway::records_waiting() noexcept {
  for (Worker& worker : workers_) {
    if (!worker.deliveries->empty()) return true;
  }
  return false;
}

// A ring with room again wakes nobody, so whoever waits for one looks often.
std::chrono::milliseconds Gateway::wait_max() const noexcept {
  if (has_work()) return std::chrono::milliseconds{0};
  for (const Worker& worker : workers_) {
    if (!worker.held.empty() || !worker.notices.empty()) return std::chrono::milliseconds{1};
  }
  if (table_.used() == 0) return std::chrono::milliseconds{1000};
  return std::chrono::milliseconds{DeadlineWheel::kTickMs};
}

}  // namespace ims::gateway
