// Making batches and writing them (store_load.h).
#include "bench/floor/store_load.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "bench/floor/stop_signals.h"
#include "bench/load/clock.h"
#include "logic/store_identity.h"
#include "shared/clock.h"
#include "shared/config.h"
#include "shared/limits.h"

namespace ims::bench {
namespace {

constexpr std::size_t kNameBytes = 8;       // "u0000000", as the generator names its users
constexpr std::size_t kClientIdBytes = 16;
constexpr std::uint32_t kRecipientsPerBatch = 10'000;
constexpr TenantId kTenant{1};
constexpr UserId kSender{1};
constexpr std::string_view kFrom = "sender00";

// What imsd opens its store with by default.
logic::StoreOptions store_options(const logic::RetentionClock& clock) {
  logic::StoreOptions options = logic::store_options(Config());
  options.clock = &clock;
  return options;
}

}  // namespace

StoreLoad::StoreLoad(const std::string& directory, const StoreLoadOptions& options)
    : options_(options),
      clock_(false),
      store_(logic::open_store(options.engine, directory, store_options(clock_))),
      payload_(options.payload_bytes, 'x'),
      client_id_(kClientIdBytes, '0'),
      touched_in_(options.recipients),
      wall_ms_(read_clock().wall_ms) {
  const logic::StoreIdentity identity = logic::open_identity(*store_);
  if (clock_.open(*store_, wall_ms_) != logic::StoreStatus::kOk) {
    throw std::runtime_error("the store's clock cannot be written in " + directory);
  }
  maker_ = std::make_unique<MessageRows>(identity.seed, "bench", "load", kTenant);
  add_recipients();
}

std::string_view StoreLoad::name_of_recipient(std::uint32_t index) const noexcept {
  return std::string_view(names_).substr(index * kNameBytes, kNameBytes);
}

void StoreLoad::add_recipients() {
  char name[16];
  for (std::uint32_t i = 0; i < options_.recipients; ++i) {
    std::snprintf(name, sizeof name, "u%07u", i);
    names_.append(name, kNameBytes);
  }
  for (std::uint32_t i = 0; i < options_.recipients; ++i) {
    inboxes_.push_back(maker_->inbox_of(name_of_recipient(i), UserId{kSender.value + 1 + i}));
    maker_->append_head(batch_, inboxes_.back(), name_of_recipient(i));
    if ((i + 1) % kRecipientsPerBatch == 0) write(false);
  }
  write(true);
  reset_counts();
}

void StoreLoad::run_until(std::uint64_t end_ns, Tally& tally) {
  const auto outstanding = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::uint64_t{options_.connections} * options_.window,
                              kBatchMessagesMax));
  for (std::uint64_t begin = read_ns(); begin < end_ns;) {
    wall_ms_ = read_clock().wall_ms;
    build_batch(outstanding);
    building_ns_ += read_ns() - begin;
    write(options_.sync);
    const std::uint64_t now = read_ns();
    for (std::uint32_t i = 0; i < outstanding; ++i) {
      tally.sent(options_.payload_bytes, begin, begin);
      tally.answered(Code::kOk, begin, begin, now);
    }
    begin = now;
  }
}

void StoreLoad::build_batch(std::uint32_t messages) {
  ++batch_number_;
  touched_.clear();
  for (std::uint32_t i = 0; i < messages; ++i) add_message();
  for (const std::uint32_t recipient : touched_) {
    maker_->append_head(batch_, inboxes_[recipient], name_of_recipient(recipient));
  }
}

void StoreLoad::add_message() {
  const auto recipient = static_cast<std::uint32_t>(messages_ % options_.recipients);
  Inbox& inbox = inboxes_[recipient];
  const std::uint64_t number = messages_++;
  StoredMessage message;
  message.sender = kSender;
  message.from = kFrom;
  message.to = name_of_recipient(recipient);
  message.payload = as_bytes(payload_);
  message.time_ms = wall_ms_;
  if (options_.client_ids) {
    std::memcpy(client_id_.data(), &number, sizeof number);
    message.client_id = as_bytes(client_id_);
  }
  maker_->append(batch_, inbox, message);
  if (touched_in_[recipient] == batch_number_) return;
  touched_in_[recipient] = batch_number_;
  touched_.push_back(recipient);
}

void StoreLoad::write(bool sync) {
  if (batch_.empty()) return;
  if (stop_asked() != 0) throw Stopped();
  const logic::StoreBatch* const batches[] = {&batch_};
  if (store_->write(batches, 1, sync) != logic::StoreStatus::kOk) {
    throw std::runtime_error("the store refused a batch");
  }
  rows_ += batch_.count();
  ++batches_;
  batch_.clear();
}

}  // namespace ims::bench
