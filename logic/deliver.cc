// Pushes: rows as they become durable to sessions that are LIVE, pages of the store to those that
// catch up, relayed messages to who is there. See session.h for the two modes.

#include <algorithm>

#include "logic/worker.h"
#include "shared/encode.h"
#include "shared/probes.h"

namespace ims::logic {
namespace {

constexpr std::uint32_t kPagesPerTurnMax = 32;   // catch-up pages of all sessions in one turn
constexpr std::size_t kSkipsPerSessionMax = 4096;  // 64 KiB of ranges; more waits for ACKs
constexpr std::uint8_t kFlagsToMember = kFlagStored | kFlagToMany;  // a group's row, read late

// Rows of the timeline come to the session as they are committed.
bool is_heard(const Session& session, std::size_t feed_index) {
  if (feed_index == 0) return true;
  const GroupHub* const hub = session.groups[feed_index - 1].hub();
  return hub != nullptr && hub->subscribed;
}

std::size_t queued_bytes(std::size_t body_bytes) { return body_bytes + kOuterHeaderBytesMax; }

}  // namespace

Session* Worker::find_session(ConnectionId connection) {
  const auto it = sessions_.find(connection);
  return it == sessions_.end() ? nullptr : it->get();
}

// ---- the window ---------------------------------------------------------------------------------

std::uint64_t Worker::feed_head(const Session& session, std::size_t feed_index) const {
  if (feed_index == 0) return session.user->inbox.head();
  const GroupFeed& group = session.groups[feed_index - 1];
  const GroupHub* const hub = group.hub();
  if (hub == nullptr) return group.end_seq();
  return hub->subscribed ? hub->heard_head : 0;
}

bool Worker::can_hand(const Session& session, const Feed& feed, std::size_t bytes) const {
  if (!session.answered || session.closing || session.refused) return false;
  const std::size_t handed = session.handed_count();
  if (handed >= config_.push_window) return false;
  if (session.mode == AckMode::kExplicit && feed.unacked() >= config_.push_window) return false;
  if (feed.skip_count() >= kSkipsPerSessionMax) return false;
  return handed == 0 || session.handed->bytes + bytes <= handed_bytes_max_;
}

// The row goes to the gateway: counted against the window until the kernel took it.
void Worker::hand(Session& session, std::uint32_t feed_index, std::uint64_t seq, std::size_t bytes,
                  PushTarget& target) {
  session.feed(feed_index).push(seq);
  if (session.handed == nullptr) session.handed = std::make_unique<HandedRows>();
  HandedRows& handed = *session.handed;
  handed.bytes += static_cast<std::uint32_t>(bytes);
  if (handed.head > 0 && handed.head == handed.rows.size()) {
    handed.rows.clear();
    handed.head = 0;
  }
  handed.rows.push_back({seq, static_cast<std::uint32_t>(bytes), feed_index});
  target.connection = session.connection;
  target.ordinal = session.next_ordinal++;
  if (session.restart) {
    session.restart = false;
    target.ordinal |= kTargetRestart;
  }
  counters_.add(Counter::kRowsPushed);
}

// ---- live ---------------------------------------------------------------------------------------

// Collects the session for push_row() if it is LIVE and has room; else it catches up later.
void Worker::consider_live(Session& session, std::uint32_t feed_index, std::uint64_t seq,
                           SessionId origin, std::size_t bytes) {
  Feed& feed = session.feed(feed_index);
  if (!feed.live() || seq <= feed.handed()) {
    // Catching up: the pump finds the row by itself, or was just told that there is one.
    if (seq > feed.handed()) enqueue_pump(session);
    return;
  }
  if (origin == session.id) {
    feed.skip(seq, seq);
    if (feed.dirty()) mark_dirty(session, feed);
    return;
  }
  if (!can_hand(session, feed, queued_bytes(bytes))) {
    feed.set_live(false);
    counters_.add(Counter::kCatchupEntered);
    return;  // Taken or ACK brings it back
  }
  fan_[session.connection.gateway()].push_back({&session, feed_index});
}

// One record per gateway and 1,024 targets, to the sessions collected in fan_.
void Worker::push_row(std::uint64_t seq, std::string_view body) {
  for (std::size_t gateway = 0; gateway < fan_.size(); ++gateway) {
    std::vector<Candidate>& candidates = fan_[gateway];
    for (std::size_t at = 0; at < candidates.size(); at += kPushTargetsMax) {
      const std::size_t count = std::min(candidates.size() - at, kPushTargetsMax);
      ByteRing& ring = *ports_.deliveries[gateway];
      const bool much = count > kFewTargetsMax && ring.used_bytes() > kManyTargetsBytesMax;
      RecordWriter writer(ring,
                          sizeof(PushRecord) + count * sizeof(PushTarget) + body.size());
      // Behind answers that wait for room, a login's above all.
      if (!waiting_answers_.empty() || !writer.ok() || much) {
        counters_.add(Counter::kRingFullDeliveries);
        IMS_PROBE(ring_full, 1, gateway);
        for (std::size_t i = at; i < at + count; ++i) {
          candidates[i].session->feed(candidates[i].feed).set_live(false);
          enqueue_pump(*candidates[i].session);
        }
        continue;
      }
      PushRecord record;
      record.header.kind = RecordKind::kPush;
      record.header.flags = kFlagStored;
      record.body_bytes = static_cast<std::uint32_t>(body.size());
      record.target_count = static_cast<std::uint16_t>(count);
      writer.header(record);
      for (std::size_t i = at; i < at + count; ++i) {
        PushTarget target;
        hand(*candidates[i].session, candidates[i].feed, seq, queued_bytes(body.size()), target);
        std::memcpy(writer.extend(sizeof target), &target, sizeof target);
      }
      writer.append(as_bytes(body));
      writer.commit();
    }
    candidates.clear();
  }
}

// Not stored, encoded straight into the ring: to the sessions collected in fan_, dropped for those
// whose gateway has no room.
void Worker::relay(const SplicedMessage& message) {
  relay_with(push_spliced_bytes(message),
             [&](std::byte* out) { write_push_spliced(out, message); });
}

void Worker::relay_body(std::string_view body) {
  relay_with(body.size(),
             [&](std::byte* out) { std::memcpy(out, body.data(), body.size()); });
}

template <typename Write>
void Worker::relay_with(std::size_t body_bytes, Write write) {
  for (std::size_t gateway = 0; gateway < fan_.size(); ++gateway) {
    std::vector<Candidate>& candidates = fan_[gateway];
    for (std::size_t at = 0; at < candidates.size(); at += kPushTargetsMax) {
      const std::size_t count = std::min(candidates.size() - at, kPushTargetsMax);
      RecordWriter writer(*ports_.deliveries[gateway],
                          sizeof(PushRecord) + count * sizeof(PushTarget) + body_bytes);
      if (!writer.ok()) {
        counters_.add(Counter::kRelayedDropped, count);
        continue;
      }
      PushRecord record;
      record.header.kind = RecordKind::kPush;
      record.body_bytes = static_cast<std::uint32_t>(body_bytes);
      record.target_count = static_cast<std::uint16_t>(count);
      writer.header(record);
      for (std::size_t i = at; i < at + count; ++i) {
        const PushTarget target{candidates[i].session->connection, 0};
        std::memcpy(writer.extend(sizeof target), &target, sizeof target);
      }
      write(writer.extend(body_bytes));
      counters_.add(Counter::kPayloadBytesCopied, body_bytes);
      writer.commit();
    }
    candidates.clear();
  }
}

// ---- catch-up -----------------------------------------------------------------------------------

void Worker::enqueue_pump(Session& session) {
  if (session.in_pump_queue || session.reading || session.send_only) return;
  session.in_pump_queue = true;
  pump_queue_.push_back(session.connection);
}

void Worker::pump_some() {
  std::size_t sessions = pump_queue_.size();
  pumping_ = true;
  for (std::uint32_t pages = 0; pages < kPagesPerTurnMax && sessions > 0; ++pages, --sessions) {
    if (!may_pump()) break;
    const ConnectionId connection = pump_queue_.front();
    pump_queue_.pop_front();
    Session* session = find_session(connection);
    if (session == nullptr) continue;
    session->in_pump_queue = false;
    pump(*session);
  }
  pumping_ = false;
  if (!shared_page_.page.empty()) shared_page_.reset();
}

// One page of one timeline, round robin; the inbox goes first after a login.
void Worker::pump(Session& session) {
  if (session.reading || session.closing || !session.answered) return;
  for (std::size_t tried = 0; tried < session.feed_count(); ++tried) {
    const std::size_t index = session.next_feed % session.feed_count();
    session.next_feed = static_cast<std::uint32_t>(index) + 1;
    Feed& feed = session.feed(index);
    if (!session.in_use(index) || feed.live()) continue;
    const std::uint64_t head = feed_head(session, index);
    if (feed.handed() >= head) {
      // An ended membership stays as it is; a subscription that is not answered yet has no head.
      feed.set_live(is_heard(session, index));
      continue;
    }
    if (!can_hand(session, feed, 0)) continue;
    if (is_in_shared_page(session, index, head)) {
      return hand_page(session, static_cast<std::uint32_t>(index), shared_page_);
    }
    Load* load = make_load(Load::Kind::kRowPage, Load::Reason::kCatchup, session.user);
    load->timeline_key = session.timeline(index);
    load->connection = session.connection;
    load->session = session.id;
    load->feed = static_cast<std::uint32_t>(index);
    load->seq_from = feed.handed() + 1;
    load->seq_to = head;
    load->rows_max = static_cast<std::uint32_t>(
        std::min<std::size_t>(kCatchupPageRowsMax, config_.push_window - session.handed_count()));
    load->bytes_max = kCatchupPageBytesMax;
    counters_.add(Counter::kCatchupPages);
    session.reading = true;
    start_load(load);
    return;
  }
}

void Worker::finish_catchup(Load* load) {
  Session* session = find_session(load->connection);
  if (session == nullptr || session->id != load->session) return;
  session->reading = false;
  if (load->status != StoreStatus::kOk) {
    session->closing = true;
    return disconnect(session->connection, DisconnectCode::kUnavailable,
                      "The store cannot be read now; try again.");
  }
  if (session->closing) return;
  hand_page(*session, load->feed, *load);
  if (pumping_ && load->feed != 0) share_page(*load);
}

// A row that found no room on a ring leaves all members who are online behind at the same place:
// what was read for the first of them in a turn serves the others.
void Worker::share_page(Load& load) {
  shared_page_.timeline_key = load.timeline_key;
  shared_page_.cutoff_ms = load.cutoff_ms;
  shared_page_.seq_from = load.seq_from;
  shared_page_.seq_to = load.seq_to;
  shared_page_.more = load.more;
  shared_page_.page.swap(load.page);
}

bool Worker::is_in_shared_page(const Session& session, std::size_t feed_index,
                               std::uint64_t head) const {
  if (shared_page_.page.empty()) return false;
  if (shared_page_.timeline_key != session.timeline(feed_index)) return false;
  const std::uint64_t handed = session.feed(feed_index).handed();
  return shared_page_.seq_from <= handed + 1 && shared_page_.seq_to <= head &&
         handed < shared_page_.page.back().seq;
}

void Worker::hand_page(Session& session, std::uint32_t feed_index, const Load& page) {
  Feed& feed = session.feed(feed_index);
  // Rejoined meanwhile, or rewound behind the page's start by a refusal: read again from there.
  if (!session.in_use(feed_index) || page.seq_from > feed.handed() + 1) {
    return enqueue_pump(session);
  }
  std::uint64_t last = page.seq_to;  // rows up to here were looked at
  if (page.more && !page.page.empty()) last = page.page.back().seq;
  bool room = true;
  for (const Load::Page& found : page.page) {
    if (found.seq <= feed.handed()) continue;  // an ACK passed it meanwhile
    const auto row = decode_row(found.value);
    if (!row) continue;
    if (row->time_ms < page.cutoff_ms) continue;  // past retention: passed over like a gap
    if (row->origin_session == session.id) {
      feed.skip(feed.handed() + 1, found.seq);
      continue;
    }
    const std::size_t bytes = queued_bytes(row->body.size());
    if (!can_hand(session, feed, bytes)) {
      room = false;
      break;
    }
    RecordWriter writer(*ports_.deliveries[session.connection.gateway()],
                        sizeof(PushRecord) + sizeof(PushTarget) + row->body.size());
    if (!waiting_answers_.empty() || !writer.ok()) {
      counters_.add(Counter::kRingFullDeliveries);
      IMS_PROBE(ring_full, 1, session.connection.gateway());
      room = false;
      enqueue_pump(session);
      break;
    }
    PushRecord record;
    record.header.kind = RecordKind::kPush;
    record.header.flags = feed_index == 0 ? kFlagStored : kFlagsToMember;
    record.body_bytes = static_cast<std::uint32_t>(row->body.size());
    record.target_count = 1;
    writer.header(record);
    PushTarget target;
    hand(session, feed_index, found.seq, bytes, target);
    std::memcpy(writer.extend(sizeof target), &target, sizeof target);
    writer.append(as_bytes(row->body));
    writer.commit();
  }
  if (room && last > feed.handed()) feed.skip(feed.handed() + 1, last);
  if (feed.dirty()) mark_dirty(session, feed);
  // More rows, or another timeline: again in a later turn, unless only the client can make room.
  if (room) enqueue_pump(session);
}

}  // namespace ims::logic
