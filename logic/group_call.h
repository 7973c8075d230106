// A GROUP request as its handlers see it: decoded once, with who asks.
#pragma once

#include <string_view>
#include <vector>

#include "shared/assert.h"
#include "shared/ops.h"
#include "shared/payload.h"
#include "shared/records.h"

namespace ims::logic {

struct GroupCall {
  GroupRequestView request;
  GroupOp op{};
  Role role{};
  std::string_view from;    // the user who asks
  std::string_view target;  // the group, or for LIST_MINE the user
  std::vector<std::string_view> users;  // without repetitions, in the order given

  explicit GroupCall(const RequestRecord& record);
};

}  // namespace ims::logic
