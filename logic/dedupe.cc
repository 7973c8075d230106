// A stored message that comes again: same sender, same target, same client_id, within the window
// (PROTOCOL.md section 5). Its first is a row, so nothing is stored for it besides.
//
//   in a batch   pending_dedupe_: the repeat waits for the first one's answer
//   durable      dedupe_ says at which seqs it may be; the row itself says whether it is
//   unknown      rows from before this run, or beyond the index: the timeline's rows of the window
//                are looked through once (Load::Kind::kRepeats)

#include <algorithm>

#include "logic/worker.h"
#include "shared/request_parts.h"
#include "shared/payload.h"

namespace ims::logic {
namespace {

constexpr std::int64_t kClockSlackMs = 20'000;  // the stored clock may be so far behind the rows

}  // namespace

void Worker::begin_dedupe() {
  std::int64_t since_ms = now_.wall_ms;
  // Rows of an earlier run may bear a later time, if the clock was set back since.
  if (ports_.clock != nullptr) {
    since_ms = std::max(since_ms, ports_.clock->now_ms() + kClockSlackMs);
  }
  dedupe_.emplace(config_.dedupe_bytes, config_.dedupe_window_ms, since_ms);
}

bool Worker::is_duplicate(const RequestRecord& record, const RequestParts& parts, Entity& target,
                          Timeline& timeline, const DedupeKey& key, const ContentHash& content) {
  const Requester to = requester_of(record);
  const auto conflict = [&] {
    answer(to, Code::kAlreadyExists, "The client_id was used for another message.");
    return true;
  };
  const auto pending = pending_dedupe_.find(key);
  if (pending != pending_dedupe_.end()) {
    if (pending->second.content != content) return conflict();
    counters_.add(Counter::kDedupeHits);
    pending->second.waiters.push_back(to);  // answered with the first
    return true;
  }

  for (;;) {
    if (!knows_repeats(timeline) && !look_through(target, timeline, bytes_of(record))) return true;
    repeats_.clear();
    dedupe_->find(key.hash, [&](std::uint64_t seq) {
      if (seq <= timeline.head()) repeats_.push_back(seq);
    });
    for (const std::uint64_t seq : repeats_) {
      FirstMessage first;
      switch (read_first(record, parts, target, timeline, seq, first)) {
        case Found::kWaits: return true;
        case Found::kNo: continue;
        case Found::kYes: break;
      }
      if (first.has_content && first.content != content) return conflict();
      counters_.add(Counter::kDedupeHits);
      answer(to, Code::kOk, {}, seq, first.time_ms, {}, true);
      return true;
    }
    if (timeline.repeats_generation >= dedupe_->exact_from() || !dedupe_->maybe_older(key.hash)) {
      return false;
    }
    if (!look_through(target, timeline, bytes_of(record))) return true;
  }
}

// Every row of the window is in the index, exactly or as a pattern.
bool Worker::knows_repeats(Timeline& timeline) {
  if (timeline.repeats_epoch == dedupe_->epoch()) return true;
  const std::int64_t cutoff_ms = now_.wall_ms - config_.dedupe_window_ms;
  if (dedupe_->complete_since_ms() > cutoff_ms && timeline.last_time_ms() > cutoff_ms) {
    return false;
  }
  timeline.repeats_epoch = dedupe_->epoch();
  return true;
}

// The rows of the window go into the index. False: parked, or refused.
bool Worker::look_through(Entity& target, Timeline& timeline, ByteView record) {
  if (must_wait(target, record)) return false;
  target.reading = true;
  Load* load = make_load(Load::Kind::kRepeats, Load::Reason::kReplay, &target);
  load->timeline_key = timeline.key();
  load->seq_from = timeline.first_seq();
  load->seq_to = timeline.head();
  load->cutoff_ms = now_.wall_ms - config_.dedupe_window_ms;
  load->hash_seed = identity_.hash_seed;
  start_load(load);
  if (!target.reading) return true;
  park(target, record);
  return false;
}

void Worker::take_repeats(Timeline& timeline, const Load& load) {
  for (const Load::Repeat& repeat : load.repeats) {
    dedupe_->insert(repeat.hash, repeat.seq, now_.wall_ms);
  }
  timeline.repeats_epoch = dedupe_->epoch();
  timeline.repeats_generation = dedupe_->generation();
}

// Is the row at `seq` what the request repeats? kWaits: parked until it is read, or refused.
Found Worker::read_first(const RequestRecord& record, const RequestParts& parts, Entity& target,
                         const Timeline& timeline, std::uint64_t seq, FirstMessage& first) {
  const auto status =
      read_row(target, row_key(timeline.key(), seq), false, bytes_of(record), scratch_);
  if (!status) return Found::kWaits;
  if (*status == StoreStatus::kNotFound) return Found::kNo;
  if (*status != StoreStatus::kOk) {
    refuse(requester_of(record), Code::kUnavailable);
    return Found::kWaits;
  }
  const auto row = decode_row(scratch_);
  MessageView message;
  if (!row || row->kind != RowKind::kMessage || row->sender != record.sender ||
      row->time_ms + config_.dedupe_window_ms <= now_.wall_ms ||
      decode_message(as_bytes(row->message()), message) != DecodeStatus::kOk ||
      message.peer_seq != 0 || as_text(message.client_id) != as_text(parts.client_id())) {
    return Found::kNo;
  }
  first.time_ms = row->time_ms;
  // A recalled row says what it had; those of format 2 did not.
  const bool is_recalled = message.type == static_cast<std::int32_t>(MessageType::kRecall) &&
                           message.payload.empty();
  first.has_content = row->recalled || !is_recalled;
  first.content = row->recalled ? *row->recalled
                                : hash_content(static_cast<std::uint8_t>(message.type),
                                               message.payload);
  return Found::kYes;
}

}  // namespace ims::logic
