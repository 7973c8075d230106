// A chat over several connections: each line is stored once, each row shown once and acknowledged.
#include "deploy/chat_session.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "shared/command.h"
#include "shared/frame.h"
#include "shared/payload.h"
#include "shared/results.h"

namespace ims {
namespace {

// One connection: the client, and the server's end of it.
class Link {
 public:
  Link() : ends_(make()), client(ends_[1], client::kTyped) {}
  ~Link() { close(ends_[0]); }

  struct Sent {
    std::uint64_t id = 0;
    int type = 0;
    std::string payload;
  };
  // What the client has sent so far, in order.
  std::vector<Sent> sent() {
    char room[65536];
    ssize_t got = 0;
    while ((got = recv(ends_[0], room, sizeof room, MSG_DONTWAIT)) > 0) {
      in_.append(room, static_cast<std::size_t>(got));
    }
    std::vector<Sent> all;
    while (true) {
      const FrameResult frame = next_frame(as_bytes(in_), 1u << 20);
      if (frame.status != FrameStatus::kFrame) return all;
      Command command;
      RequestView request;
      REQUIRE(decode_command(Edition::kV2, frame.payload, command) == DecodeStatus::kOk);
      REQUIRE(decode_request(command.body, request) == DecodeStatus::kOk);
      all.push_back({command.id, request.type, std::string(as_text(request.payload))});
      in_.erase(0, frame.consumed_bytes);
    }
  }

 private:
  static std::array<int, 2> make() {
    std::array<int, 2> made{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made.data()) == 0);
    return made;
  }
  std::array<int, 2> ends_;
  std::string in_;

 public:
  client::Client client;
};

std::string client_id_of(const Link::Sent& sent) {
  MessageView message;
  REQUIRE(decode_message(as_bytes(sent.payload), message) == DecodeStatus::kOk);
  return std::string(as_text(message.client_id));
}

client::Answer ok(std::uint64_t id, std::string payload = "") {
  client::Answer answer;
  answer.id = id;
  answer.payload = std::move(payload);
  return answer;
}

client::Push pushed(std::uint64_t seq, std::int64_t time_ms, std::string_view from,
                    std::string_view group = "", std::string_view client_id = "") {
  const std::string text = client::text_payload("text " + std::to_string(seq));
  MessageFields fields;
  fields.payload = as_bytes(text);
  fields.from = from;
  if (group.empty()) fields.to = "ann";
  fields.group = group;
  fields.client_id = as_bytes(client_id);
  fields.seq = seq;
  fields.time_ms = time_ms;
  std::string payload(message_bytes(fields), '\0');
  write_message(reinterpret_cast<std::byte*>(payload.data()), fields);
  return {RequestType::kMessage, payload};
}

std::string show(ChatSession& session, Link& link, const client::Event& event) {
  std::string out;
  session.on_event(event, link.client, out);
  return out.empty() ? out : out.substr(5);  // without the time
}

struct Ack {
  std::string group;
  std::uint64_t seq;
  friend bool operator==(const Ack&, const Ack&) = default;
};
std::vector<Ack> acks_of(ChatSession& session, Link& link) {
  session.send_acks(link.client);
  std::vector<Ack> acks;
  for (const Link::Sent& sent : link.sent()) {
    AckView view;
    REQUIRE(sent.type == static_cast<int>(RequestType::kAck));
    CHECK(sent.id == 0);
    REQUIRE(decode_ack(as_bytes(sent.payload), view) == DecodeStatus::kOk);
    acks.push_back({std::string(view.group), view.seq});
  }
  return acks;
}

TEST_CASE("lines: unanswered ones are sent again on the next connection, with the same client_id") {
  ChatSession session("ann");
  Link first;
  session.on_login({});
  session.add_line(parse_chat_line("@bob one"));
  session.add_line(parse_chat_line("@bob two"));
  session.add_line(parse_chat_line("#team three"));
  CHECK(session.send_lines(first.client));
  CHECK_FALSE(session.send_lines(first.client));
  const auto sent = first.sent();
  REQUIRE(sent.size() == 3);
  CHECK(client_id_of(sent[0]) != client_id_of(sent[1]));
  CHECK(show(session, first, ok(sent[1].id)).empty());
  CHECK(session.line_count() == 2);

  Link second;
  session.on_login({});
  session.add_line(parse_chat_line("@bob four"));
  CHECK(session.send_lines(second.client));
  const auto again = second.sent();
  REQUIRE(again.size() == 3);
  CHECK(client_id_of(again[0]) == client_id_of(sent[0]));
  CHECK(client_id_of(again[1]) == client_id_of(sent[2]));
  for (const Link::Sent& line : again) show(session, second, ok(line.id));
  CHECK(session.idle());
}

TEST_CASE("lines: at most kUnansweredMax at once") {
  ChatSession session("ann");
  Link link;
  for (std::size_t i = 0; i <= ChatSession::kUnansweredMax; ++i) {
    session.add_line(parse_chat_line("@bob x"));
  }
  session.send_lines(link.client);
  const auto sent = link.sent();
  CHECK(sent.size() == ChatSession::kUnansweredMax);
  show(session, link, ok(sent[0].id));
  session.send_lines(link.client);
  CHECK(link.sent().size() == 1);
}

TEST_CASE("lines: a group request is alone, before and behind it nothing overtakes") {
  ChatSession session("ann");
  Link link;
  session.add_line(parse_chat_line("@bob one"));
  session.add_line(parse_chat_line("/create team bob"));
  session.add_line(parse_chat_line("#team two"));
  session.send_lines(link.client);
  auto sent = link.sent();
  REQUIRE(sent.size() == 1);
  show(session, link, ok(sent[0].id));
  session.send_lines(link.client);
  sent = link.sent();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].type == static_cast<int>(RequestType::kGroup));
  CHECK_FALSE(session.send_lines(link.client));
  show(session, link, ok(sent[0].id));
  session.send_lines(link.client);
  CHECK(link.sent().size() == 1);
}

TEST_CASE("lines: a refusal is told with its line, and not sent again") {
  ChatSession session("ann");
  Link link;
  session.add_line(parse_chat_line("@bob one"));
  session.send_lines(link.client);
  client::Answer refused = ok(link.sent().at(0).id);
  refused.code = Code::kNotFound;
  refused.reason = "no such\nuser";
  std::string out;
  session.on_event(refused, link.client, out);
  CHECK(out == "! @bob one: no such\\nuser\n");
  CHECK(session.idle());
}

TEST_CASE("members: page after page, one line each") {
  ChatSession session("ann");
  Link link;
  session.add_line(parse_chat_line("/members team"));
  session.send_lines(link.client);
  const std::uint64_t first = link.sent().at(0).id;
  Buffer page;
  append_group_member(page, {"ann", Role::kOwner, false});
  append_group_tail(page, {"team", "", 2, 0, "ann", false});
  std::string out;
  session.on_event(ok(first, std::string(as_text(page))), link.client, out);
  const auto asked = link.sent();
  REQUIRE(asked.size() == 1);
  GroupRequestView request;
  REQUIRE(decode_group_request(as_bytes(asked[0].payload), request) == DecodeStatus::kOk);
  CHECK(request.cursor == "ann");
  page.clear();
  append_group_member(page, {"bob", Role::kMember, true});
  append_group_tail(page, {"team", "", 2, 0, "", false});
  session.on_event(ok(asked[0].id, std::string(as_text(page))), link.client, out);
  CHECK(out == "  ann (owner)\n  bob (muted)\n");
  CHECK(session.idle());
}

TEST_CASE("rows: shown once over two connections, acknowledged on both") {
  ChatSession session("ann");
  Link first;
  session.on_login({});
  CHECK(show(session, first, pushed(1, 10, "bob")) == " bob: text 1\n");
  CHECK(show(session, first, pushed(2, 10, "bob")) == " bob: text 2\n");
  CHECK(show(session, first, pushed(7, 10, "bob", "team")) == " #team bob: text 7\n");
  CHECK(acks_of(session, first) == std::vector<Ack>{{"", 2}, {"team", 7}});
  CHECK(acks_of(session, first).empty());

  Link second;  // the acknowledgements were lost
  session.on_login({});
  CHECK(show(session, second, pushed(2, 10, "bob")).empty());
  CHECK(show(session, second, pushed(7, 10, "bob", "team")).empty());
  CHECK(acks_of(session, second) == std::vector<Ack>{{"", 2}, {"team", 7}});
  CHECK(show(session, second, pushed(3, 10, "bob")) == " bob: text 3\n");
}

TEST_CASE("rows: relayed ones are shown each time and never acknowledged") {
  ChatSession session("ann");
  Link link;
  CHECK(show(session, link, pushed(0, 10, "bob")) == " bob: text 0\n");
  CHECK(show(session, link, pushed(0, 10, "bob")) == " bob: text 0\n");
  CHECK(acks_of(session, link).empty());
}

TEST_CASE("rows: what was typed here does not come twice, what another device typed comes") {
  ChatSession session("ann");
  Link link;
  session.add_line(parse_chat_line("#team x"));
  session.send_lines(link.client);
  const std::string id = client_id_of(link.sent().at(0));
  CHECK(show(session, link, pushed(4, 10, "ann", "team", id)).empty());
  CHECK(show(session, link, pushed(5, 10, "ann", "team", "other")) == " #team ann: text 5\n");
  CHECK(show(session, link, pushed(6, 10, "bob", "team", id)) == " #team bob: text 6\n");
  CHECK(acks_of(session, link) == std::vector<Ack>{{"team", 6}});
}

TEST_CASE("rows: a group dismissed and created anew begins at 1 again") {
  ChatSession session("ann");
  Link link;
  CHECK_FALSE(show(session, link, pushed(9, 10, "bob", "team")).empty());
  CHECK_FALSE(show(session, link, pushed(1, 20, "bob", "team")).empty());
  CHECK(show(session, link, pushed(1, 20, "bob", "team")).empty());
  CHECK(acks_of(session, link) == std::vector<Ack>{{"team", 1}});
}

TEST_CASE("unread: messages of others, until the chat is chosen or written to") {
  ChatSession session("ann");
  Link link;
  const auto chats = [&] {
    session.add_line(parse_chat_line("/chats"));
    return session.take_notes();
  };
  CHECK(chats() == "* no chats yet\n");
  show(session, link, pushed(1, 10, "bob"));
  show(session, link, pushed(2, 10, "bob"));
  show(session, link, pushed(2, 10, "bob"));  // again: not counted
  show(session, link, pushed(1, 10, "eve", "team"));
  CHECK(chats() == "  #team  1 unread\n  @bob  2 unread\n");
  CHECK(session.prompt() == "(3) > ");
  session.add_line(parse_chat_line("/to @bob"));
  show(session, link, pushed(3, 10, "bob"));
  CHECK(chats() == "  #team  1 unread\n> @bob\n");
  session.add_line(parse_chat_line("#team hi"));
  CHECK(chats() == "  #team\n> @bob\n");
  CHECK(session.prompt() == "@bob> ");
}

TEST_CASE("a line without a name goes to the chosen chat, and nowhere without one") {
  ChatSession session("ann");
  Link link;
  session.add_line(parse_chat_line("hello"));
  CHECK(session.idle());
  CHECK_FALSE(session.take_notes().empty());
  session.add_line(parse_chat_line("/to #team"));
  session.add_line(parse_chat_line("hello"));
  session.send_lines(link.client);
  MessageView message;
  const auto sent = link.sent();
  REQUIRE(sent.size() == 1);
  REQUIRE(decode_message(as_bytes(sent[0].payload), message) == DecodeStatus::kOk);
  CHECK(message.group == "team");
  CHECK(client::decode_text(as_text(message.payload)) == "hello");
}

TEST_CASE("recall: the last own message, once its seq is known") {
  ChatSession session("ann");
  Link link;
  session.add_line(parse_chat_line("/recall"));
  session.send_lines(link.client);
  CHECK(session.idle());
  CHECK(session.take_notes() == "! there is nothing of yours to recall\n");
  session.add_line(parse_chat_line("@bob oops"));
  session.add_line(parse_chat_line("/recall"));
  session.send_lines(link.client);
  auto sent = link.sent();
  REQUIRE(sent.size() == 1);
  client::Answer answer = ok(sent[0].id);
  answer.seq = 41;
  show(session, link, answer);
  session.send_lines(link.client);
  sent = link.sent();
  REQUIRE(sent.size() == 1);
  MessageView message;
  REQUIRE(decode_message(as_bytes(sent[0].payload), message) == DecodeStatus::kOk);
  CHECK(message.type == static_cast<int>(MessageType::kRecall));
  CHECK(message.to == "bob");
  CHECK(client::decode_recall(as_text(message.payload)) == 41);
}

TEST_CASE("presence: what changed is told, and asked again after a reconnect") {
  ChatSession session("ann");
  Link link;
  session.add_line(parse_chat_line("/who bob"));
  session.send_lines(link.client);
  Buffer page;
  append_presence(page, {"bob", true, 0, {}});
  const std::string online(as_text(page));
  std::string out;
  session.on_event(ok(link.sent().at(0).id, online), link.client, out);
  CHECK(out == "* bob is online\n");
  session.on_event(client::Push{RequestType::kPresence, online}, link.client, out);
  CHECK(out == "* bob is online\n");

  Link second;
  session.on_login({});
  session.send_lines(second.client);
  const auto asked = second.sent();
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].type == static_cast<int>(RequestType::kPresence));
  page.clear();
  append_presence(page, {"bob", false, 0, {}});
  out.clear();
  session.on_event(ok(asked[0].id, std::string(as_text(page))), second.client, out);
  CHECK(out == "* bob is offline\n");
}

TEST_CASE("login: a loss is told, and so is a store of another life") {
  ChatSession session("ann");
  Link link;
  client::LoginAnswer answer;
  answer.epoch = "e1";
  answer.acked_seq = 4;
  answer.first_seq = 5;
  session.on_login(answer);
  CHECK(session.take_notes().empty());
  answer.first_seq = 7;
  session.on_login(answer);
  CHECK(session.take_notes() == "* 2 older lines were not kept\n");
  answer.first_seq = 5;
  show(session, link, pushed(6, 10, "bob"));
  answer.epoch = "e2";
  session.on_login(answer);
  CHECK_FALSE(session.take_notes().empty());
  CHECK(show(session, link, pushed(6, 10, "bob")) == " bob: text 6\n");
}

}  // namespace
}  // namespace ims
