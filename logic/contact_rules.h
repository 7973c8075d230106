// What a CONTACT operation does to a pair of users, as the one who asks sees it (PROTOCOL.md
// section 6). A pure function: the table test is its specification in rows.
//
//            ADD                 ACCEPT (they asked)
//   NONE ──────────▶ REQUESTED ────────────────────▶ FRIEND      PENDING is REQUESTED seen by the
//     ▲                  │ REMOVE, their DECLINE        │        other; ADD there is ACCEPT
//     └──────────────────┴──────────── REMOVE ──────────┘        BLOCK: NONE from anywhere
#pragma once

#include <string_view>

#include "logic/rows.h"
#include "shared/codes.h"
#include "shared/ops.h"

namespace ims::logic {

struct ContactStep {
  Code code = Code::kOk;
  std::string_view reason;          // where `code` is not kOk
  ContactRow next;                  // the asker's view
  ContactOp event = ContactOp::kList;  // what the other one is told; kList: nothing
};

// `op` is any but kList; `mine` the asker's view before.
ContactStep contact_step(ContactOp op, const ContactRow& mine, std::string_view note);

}  // namespace ims::logic
