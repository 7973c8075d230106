// What users send (load.h): messages, requests, acknowledgements.
#include <algorithm>

#include "bench/load/load.h"
#include "shared/client/requests.h"

namespace ims::bench {

std::uint32_t Load::receivers_of(const Stream& stream) const {
  return stream.to_group ? streams_.groups()[stream.target].size - 1 : 1;
}

MessageShape Load::shape(bool to_group, bool offline) const {
  MessageShape shape;
  shape.floor = options_.floor;
  shape.edition = edition_;
  shape.offline = offline;
  shape.client_id = options_.client_ids;
  shape.to_group = to_group;
  shape.payload_bytes = options_.payload_bytes;
  return shape;
}

void Load::send(const Outgoing& out, MessageTemplate& message) {
  Stream& stream = streams_.all()[out.stream];
  User& user = users_[stream.sender];
  const std::uint64_t now = now_ns();
  Content content;
  content.run = share_.phases.run;
  content.stream = out.stream;
  content.place = stream.next_place++;
  content.number = user.outbox.next_number();
  const std::uint32_t receivers = receivers_of(stream);
  Sent& sent = user.outbox.push();
  sent.intended_ns = out.intended_ns;
  sent.sent_ns = now;
  sent.stream = out.stream;
  sent.place = content.place;
  sent.awaited = out.awaited ? receivers : 0;
  ++open_;
  if (!stream.relayed_to_away) due_ += receivers;
  const bool whole = content.number % options_.verify_every == 0;
  std::string& output = sockets_.output(stream.sender);
  if (stream.to_group) {
    message.append_to(output, name_of_group(stream.target).view(), content, whole);
  } else {
    message.append_to(output, UserName(number_of(stream.target)).view(), content, whole);
  }
  sockets_.touched(stream.sender);
  tally().put(message.payload_bytes(), now);
  if (out.paced) tally().went(out.intended_ns, now, out.held_back);
}

// Never more open than this, else a rate that no server keeps up with fills the memory.
std::uint32_t Load::open_max(std::uint32_t senders) const {
  if (options_.window != 0) return options_.window;
  return std::max(kOpenLeast, kOpenMax / std::max(senders, 1u));
}

bool Load::may_send(std::uint32_t user) const {
  return users_[user].state == UserState::kOnline &&
         sockets_.unsent_bytes(user) < kUnsentBytesMax;
}

void Load::count_unsent_at(std::uint64_t due_ns, std::uint64_t count, std::uint64_t receivers,
                           bool held_back) {
  tally().unsent(due_ns, count, held_back);
  tally().overdue(Kind::kAnswer, due_ns, count);
  tally().overdue(Kind::kDelivery, due_ns, count * receivers);
}

void Load::send_request(std::uint32_t user, std::uint64_t id, RequestType type,
                        std::string_view payload) {
  sockets_.put(user, client::request_frame(
                         edition_ == Edition::kV1 ? client::kEnvelope : client::kTyped, id, type,
                         payload));
}

void Load::send_acks() {
  for (const std::uint32_t index : ack_due_) {
    User& user = users_[index];
    user.ack_due = false;
    if (user.state != UserState::kOnline) continue;
    send_request(index, 0, RequestType::kAck, client::ack_payload({}, user.inbox_last));
  }
  ack_due_.clear();
}

}  // namespace ims::bench
