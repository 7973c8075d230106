// What a session asks for (generator.h).
#include "tests/model/generator.h"

namespace ims::model {
namespace {

template <typename Inner>
Request wrap(Request::RequestType type, const Inner& inner) {
  Request request;
  request.set_type(type);
  request.set_payload(inner.SerializeAsString());
  return request;
}

}  // namespace

Request Generator::message(const Who& who) {
  auto& sent = sent_[{who.tenant, who.user}];
  if (!sent.empty() && prng_.chance(15)) {  // as who never heard of an answer
    Request again = sent[prng_.below(sent.size())];
    if (prng_.chance(80)) return again;
    Message message;
    message.ParseFromString(again.payload());
    if (prng_.chance(50)) {
      message.set_payload(message.payload() + "?");
    } else {
      message.set_type(message.type() == Message::TXT ? Message::IMAGE : Message::TXT);
    }
    again.set_payload(message.SerializeAsString());
    return again;
  }
  Message message;
  const bool to_group = prng_.chance(45);
  if (to_group) {
    message.set_group(any_group(who));
  } else {
    message.set_to(any_user(who));
  }
  message.set_type(static_cast<Message::MessageType>(prng_.below(11) % 10));
  const bool recalls = prng_.chance(10);
  if (recalls) message.set_type(Message::RECALL);
  message.set_payload(payload());
  if (message.type() == Message::RECALL) {
    RecallPayload recalled;
    Who peer = who;
    for (int tries = prng_.chance(20) ? 0 : 6; tries >= 0; --tries) {
      peer.user = message.to();
      recalled.set_seq(near_head(newest(peer, message.group())));
      const auto* groups = find(tenant(who.tenant)->groups, message.group());
      const auto* users = find(tenant(who.tenant)->users, message.to());
      if (tries == 0 || (groups == nullptr && users == nullptr)) break;
      recalled.set_seq(own_row(who, groups != nullptr ? groups->rows : users->inbox));
      if (recalled.seq() != 0) break;
      if (to_group) {
        message.set_group(any_group(who));
      } else {
        message.set_to(any_user(who));
      }
    }
    message.set_payload(recalled.SerializeAsString());
    if (prng_.chance(2)) message.set_payload("\xff");
  } else if (message.type() == Message::RECEIPT) {
    ReceiptPayload receipt;
    receipt.set_seq(prng_.below(50));
    receipt.set_read(prng_.chance(50));
    message.set_payload(receipt.SerializeAsString());
  } else if (message.type() == Message::TYPING) {
    message.clear_payload();
  }
  if (prng_.chance(50)) message.set_client_id("c" + std::to_string(++client_ids_));
  if (prng_.chance(10)) {  // the server's to set
    message.set_from("u9");
    message.set_device("elsewhere");
    message.set_seq(4711);
    message.set_time_ms(1);
    message.set_peer_seq(12);
  }
  Request request = wrap(Request::MESSAGE, message);
  if (prng_.chance(5)) request.add_opts();
  if (prng_.chance(message.type() == Message::RECALL ? 95 : 75)) {
    request.add_opts()->set_offline(true);
  }
  if (!message.client_id().empty()) {
    sent.push_back(request);
    if (sent.size() > 12) sent.pop_front();
  }
  return prng_.chance(3) ? wrong_message(request) : request;
}

Request Generator::wrong_message(Request request) {
  Message message;
  message.ParseFromString(request.payload());
  switch (prng_.below(5)) {
    case 0:
      message.set_type(static_cast<Message::MessageType>(10 + prng_.below(90)));
      break;
    case 1:
      message.set_client_id(std::string(32 + prng_.below(2), 'c'));
      break;
    case 2:
      message.set_to("u1");
      message.set_group("g1");
      break;
    case 3:
      message.clear_to();
      message.clear_group();
      break;
    default: {  // no UTF-8
      message.clear_group();
      message.set_to("u?");
      std::string bytes = message.SerializeAsString();
      bytes[bytes.find("u?") + 1] = '\xff';
      request.set_payload(bytes);
      return request;
    }
  }
  request.set_payload(message.SerializeAsString());
  return request;
}

Request Generator::ack(const Who& who) {
  AckRequest ack;
  if (prng_.chance(50)) ack.set_group(any_group(who));
  ack.set_seq(near_head(newest(who, ack.group())));
  return wrap(Request::ACK, ack);
}

Request Generator::sync(const Who& who) {
  SyncRequest sync;
  if (prng_.chance(50)) sync.set_group(any_group(who));
  const std::uint64_t head = newest(who, sync.group());
  const std::uint64_t seq = prng_.chance(50) ? near_head(head) : prng_.below(head + 3);
  if (prng_.chance(40)) sync.set_before_seq(seq);
  if (sync.before_seq() == 0 || prng_.chance(3)) sync.set_after_seq(seq);
  sync.set_limit(one_of<std::uint32_t>({0, 0, 1, 2, 3, 7, 20, 100}));
  return wrap(Request::SYNC, sync);
}

Request Generator::contact(const Who& who) {
  using Op = ContactRequest;
  ContactRequest ask;
  ask.set_op(one_of({Op::LIST, Op::ADD, Op::ADD, Op::ADD, Op::ADD, Op::ADD, Op::ACCEPT, Op::ACCEPT,
                     Op::ACCEPT, Op::ACCEPT, Op::DECLINE, Op::REMOVE, Op::BLOCK, Op::UNBLOCK,
                     Op::UNBLOCK, Op::UNBLOCK}));
  if (prng_.chance(1)) ask.set_op(static_cast<Op::Op>(7 + prng_.below(9)));
  if (ask.op() == Op::LIST) {
    ask.set_limit(one_of<std::uint32_t>({0, 1, 2, 3, 2000}));
    if (prng_.chance(40)) ask.set_cursor(user());
    return wrap(Request::CONTACT, ask);
  }
  ask.set_user(prng_.chance(80) ? near(who.user) : any_user(who));
  if (prng_.chance(60)) {  // possible
    std::string user;
    if (ask.op() == Op::ACCEPT || ask.op() == Op::DECLINE) user = contact_in(who, Contact::PENDING);
    if (ask.op() == Op::REMOVE || ask.op() == Op::BLOCK) user = contact_in(who, Contact::FRIEND);
    if (ask.op() == Op::UNBLOCK) user = contact_in(who, -1);
    if (!user.empty()) ask.set_user(user);
  }
  if (prng_.chance(60)) ask.set_note("n" + std::to_string(prng_.below(1000)));
  if (prng_.chance(1)) ask.set_note(std::string(255 + prng_.below(3), 'n'));
  if (prng_.chance(1)) ask.set_note("a\nb");
  return wrap(Request::CONTACT, ask);
}

Request Generator::group(const Who& who) {
  using Op = GroupRequest;
  GroupRequest ask;
  ask.set_op(
      one_of({Op::INFO,      Op::CREATE,  Op::CREATE,   Op::JOIN,     Op::JOIN,     Op::JOIN,
              Op::LEAVE,     Op::INVITE,  Op::INVITE,   Op::INVITE,   Op::INVITE,   Op::KICK,
              Op::KICK,      Op::MEMBERS, Op::SET_ROLE, Op::SET_ROLE, Op::SET_ROLE, Op::RENAME,
              Op::LIST_MINE, Op::MUTE,    Op::MUTE,     Op::UNMUTE}));
  if (prng_.below(150) == 0) ask.set_op(Op::DISMISS);
  if (prng_.chance(1)) ask.set_op(static_cast<Op::Op>(13 + prng_.below(9)));
  if (ask.op() != Op::LIST_MINE) ask.set_group(any_group(who));
  if (ask.op() == Op::JOIN || ask.op() == Op::CREATE) {
    ask.set_group("g" + std::to_string(prng_.below(shape_.groups)));
  } else if (ask.op() != Op::LIST_MINE && prng_.chance(60)) {  // possible
    const bool owns = ask.op() == Op::SET_ROLE || ask.op() == Op::DISMISS;
    const bool manages = ask.op() == Op::INVITE || ask.op() == Op::KICK || ask.op() == Op::MUTE ||
                         ask.op() == Op::UNMUTE || ask.op() == Op::RENAME;
    const std::string own = own_group(who, owns ? 2 : manages ? 1 : 0);
    if (!own.empty()) ask.set_group(own);
    if (own.empty() && prng_.chance(70)) {
      ask.set_op(one_of({Op::JOIN, Op::CREATE}));
      ask.set_group("g" + std::to_string(prng_.below(shape_.groups)));
    }
  }
  if (ask.op() == Op::CREATE && shape_.made_ids && prng_.chance(4)) ask.clear_group();
  if (ask.op() == Op::CREATE) ask.set_open(prng_.chance(60));
  if (ask.op() == Op::CREATE || ask.op() == Op::RENAME) {
    ask.set_name("name" + std::to_string(prng_.below(4)));
    if (prng_.chance(2)) ask.set_name(std::string(255 + prng_.below(3), 'n'));
    if (prng_.chance(1)) ask.set_name("a\u009f");
  }
  if (ask.op() == Op::SET_ROLE) {
    ask.set_role(one_of({Op::MEMBER, Op::ADMIN, Op::ADMIN, Op::ADMIN, Op::OWNER}));
    if (prng_.chance(1)) ask.set_role(static_cast<Op::Role>(3 + prng_.below(9)));
  }
  const bool about_users = ask.op() == Op::INVITE || ask.op() == Op::KICK ||
                           ask.op() == Op::SET_ROLE || ask.op() == Op::MUTE ||
                           ask.op() == Op::UNMUTE;
  if (about_users || ask.op() == Op::CREATE) {
    std::uint64_t count = prng_.below(4) + (about_users && !prng_.chance(2) ? 1 : 0);
    if (prng_.below(300) == 0) count = 500 + prng_.below(2);
    while (count-- > 0) {
      std::string user = any_user(who);
      const std::string member = member_of(who.tenant, ask.group());
      if (ask.op() != Op::INVITE && !member.empty() && prng_.chance(75)) user = member;
      ask.add_users(user);
    }
  }
  if (ask.op() == Op::MEMBERS || ask.op() == Op::LIST_MINE) {
    ask.set_limit(one_of<std::uint32_t>({0, 1, 2, 3, 2000}));
    if (prng_.chance(50)) ask.set_cursor(ask.op() == Op::MEMBERS ? user() : any_group(who));
  }
  return wrap(Request::GROUP, ask);
}

Request Generator::presence(const Who& who) {
  PresenceRequest ask;
  std::uint64_t count = 1 + prng_.below(4);
  if (prng_.chance(1)) count = 500 + prng_.below(2);
  while (count-- > 0) {
    const std::string peer = contact_in(who, Contact::FRIEND);
    ask.add_users(!peer.empty() && prng_.chance(60) ? peer : any_user(who));
  }
  ask.set_watch(prng_.chance(60));
  return wrap(Request::PRESENCE, ask);
}

}  // namespace ims::model
