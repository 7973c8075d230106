// Every CONTACT operation in every state (PROTOCOL.md section 6).
#include "logic/contact_rules.h"

#include <doctest/doctest.h>

namespace ims::logic {
namespace {

constexpr auto kNone = ContactState::kNone;
constexpr auto kRequested = ContactState::kRequested;
constexpr auto kPending = ContactState::kPending;
constexpr auto kFriend = ContactState::kFriend;
constexpr auto kNobody = ContactOp::kList;  // the other one is told nothing

ContactRow row(ContactState state, bool blocked = false, bool blocked_by = false) {
  ContactRow made;
  made.state = state;
  made.blocked = blocked;
  made.blocked_by = blocked_by;
  if (state != kNone) made.note = "old";
  return made;
}

TEST_CASE("contact rules: every operation in every state") {
  struct Row {
    ContactOp op;
    ContactState before;
    Code code;
    ContactState after;
    ContactOp event;
  };
  const Row rows[] = {
      {ContactOp::kAdd, kNone, Code::kOk, kRequested, ContactOp::kAdd},
      {ContactOp::kAdd, kRequested, Code::kAlreadyExists, {}, {}},
      {ContactOp::kAdd, kPending, Code::kOk, kFriend, ContactOp::kAccept},
      {ContactOp::kAdd, kFriend, Code::kAlreadyExists, {}, {}},
      {ContactOp::kAccept, kNone, Code::kNotFound, {}, {}},
      {ContactOp::kAccept, kRequested, Code::kNotFound, {}, {}},
      {ContactOp::kAccept, kPending, Code::kOk, kFriend, ContactOp::kAccept},
      {ContactOp::kAccept, kFriend, Code::kNotFound, {}, {}},
      {ContactOp::kDecline, kNone, Code::kNotFound, {}, {}},
      {ContactOp::kDecline, kRequested, Code::kNotFound, {}, {}},
      {ContactOp::kDecline, kPending, Code::kOk, kNone, ContactOp::kDecline},
      {ContactOp::kDecline, kFriend, Code::kNotFound, {}, {}},
      {ContactOp::kRemove, kNone, Code::kNotFound, {}, {}},
      {ContactOp::kRemove, kRequested, Code::kOk, kNone, ContactOp::kRemove},
      {ContactOp::kRemove, kPending, Code::kNotFound, {}, {}},
      {ContactOp::kRemove, kFriend, Code::kOk, kNone, ContactOp::kRemove},
      {ContactOp::kBlock, kNone, Code::kOk, kNone, kNobody},
      {ContactOp::kBlock, kRequested, Code::kOk, kNone, kNobody},
      {ContactOp::kBlock, kPending, Code::kOk, kNone, kNobody},
      {ContactOp::kBlock, kFriend, Code::kOk, kNone, kNobody},
      {ContactOp::kUnblock, kNone, Code::kNotFound, {}, {}},
      {ContactOp::kUnblock, kFriend, Code::kNotFound, {}, {}},
  };
  for (const Row& rule : rows) {
    CAPTURE(static_cast<int>(rule.op));
    CAPTURE(static_cast<int>(rule.before));
    const ContactStep step = contact_step(rule.op, row(rule.before), "new");
    CHECK(step.code == rule.code);
    CHECK(step.reason.empty() == (rule.code == Code::kOk));
    if (rule.code != Code::kOk) continue;
    CHECK(step.next.state == rule.after);
    CHECK(step.next.blocked == (rule.op == ContactOp::kBlock));
    CHECK_FALSE(step.next.blocked_by);
    CHECK(step.event == rule.event);
    const char* const note =
        rule.after == kRequested ? "new" : rule.after == kNone ? "" : "old";
    CHECK(step.next.note == note);
  }
}

TEST_CASE("contact rules: whom the other one has blocked may only block in turn") {
  for (const ContactState state : {kNone, kPending}) {  // PENDING: the blocker asked nevertheless
    for (const ContactOp op : {ContactOp::kAdd, ContactOp::kAccept, ContactOp::kDecline,
                               ContactOp::kRemove}) {
      CHECK(contact_step(op, row(state, false, true), "").code == Code::kForbidden);
    }
  }
  const ContactStep block = contact_step(ContactOp::kBlock, row(kNone, false, true), "");
  CHECK(block.code == Code::kOk);
  CHECK(block.next.blocked);
  CHECK(block.next.blocked_by);
  const ContactStep unblock = contact_step(ContactOp::kUnblock, row(kNone, true, true), "");
  CHECK(unblock.code == Code::kOk);
  CHECK_FALSE(unblock.next.blocked);
  CHECK(unblock.next.blocked_by);
}

TEST_CASE("contact rules: a block goes with whatever the blocker asks for later") {
  const ContactStep add = contact_step(ContactOp::kAdd, row(kNone, true), "hello");
  CHECK(add.code == Code::kOk);
  CHECK(add.next.blocked);
  CHECK(add.next.state == kRequested);
  const ContactStep again = contact_step(ContactOp::kBlock, row(kNone, true), "");
  CHECK(again.code == Code::kOk);
  CHECK(again.next.blocked);
}

TEST_CASE("contact rows: the mirror, and its mirror") {
  for (const ContactState state : {kNone, kRequested, kPending, kFriend}) {
    for (int flags = 0; flags < 4; ++flags) {
      const ContactRow mine = row(state, (flags & 1) != 0, (flags & 2) != 0);
      const ContactRow theirs = mine.mirrored();
      CHECK(theirs.blocked == mine.blocked_by);
      CHECK(theirs.blocked_by == mine.blocked);
      CHECK((theirs.state == kPending) == (state == kRequested));
      CHECK((theirs.state == kRequested) == (state == kPending));
      CHECK(theirs.note == mine.note);
      CHECK(encode_contact(theirs.mirrored()) == encode_contact(mine));
      CHECK(theirs.empty() == mine.empty());
    }
  }
}

}  // namespace
}  // namespace ims::logic
