// The table of contact_rules.h: one case per operation.
#include "logic/contact_rules.h"

#include "shared/assert.h"

namespace ims::logic {
namespace {

ContactStep refused(Code code, std::string_view reason) { return {code, reason, {}, {}}; }

ContactStep moved(const ContactRow& mine, ContactState state, ContactOp event) {
  ContactStep step{Code::kOk, {}, mine, event};
  step.next.state = state;
  if (state == ContactState::kNone) step.next.note.clear();
  return step;
}

}  // namespace

ContactStep contact_step(ContactOp op, const ContactRow& mine, std::string_view note) {
  const bool blocks = op == ContactOp::kBlock || op == ContactOp::kUnblock;
  if (mine.blocked_by && !blocks) return refused(Code::kForbidden, "The user has blocked you.");
  switch (op) {
    case ContactOp::kAdd: {
      if (mine.state == ContactState::kPending) {
        return moved(mine, ContactState::kFriend, ContactOp::kAccept);
      }
      if (mine.state != ContactState::kNone) {
        return refused(Code::kAlreadyExists, "The user is a contact already, or was asked.");
      }
      ContactStep step = moved(mine, ContactState::kRequested, ContactOp::kAdd);
      step.next.note = note;
      return step;
    }
    case ContactOp::kAccept:
      if (mine.state != ContactState::kPending) break;
      return moved(mine, ContactState::kFriend, ContactOp::kAccept);
    case ContactOp::kDecline:
      if (mine.state != ContactState::kPending) break;
      return moved(mine, ContactState::kNone, ContactOp::kDecline);
    case ContactOp::kRemove:
      if (mine.state != ContactState::kFriend && mine.state != ContactState::kRequested) break;
      return moved(mine, ContactState::kNone, ContactOp::kRemove);
    case ContactOp::kBlock: {
      ContactStep step = moved(mine, ContactState::kNone, ContactOp::kList);
      step.next.blocked = true;
      return step;
    }
    case ContactOp::kUnblock: {
      if (!mine.blocked) break;
      ContactStep step{Code::kOk, {}, mine, ContactOp::kList};
      step.next.blocked = false;
      return step;
    }
    case ContactOp::kList: IMS_ASSERT(false);
  }
  return refused(Code::kNotFound, "There is no such contact, or none to which that applies.");
}

}  // namespace ims::logic
