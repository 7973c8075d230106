// Who waits for an answer: what a ResponseRecord or LoginAnswerRecord needs of the request.
#pragma once

#include <cstdint>

#include "shared/ids.h"
#include "shared/trace_id.h"

namespace ims::logic {

struct Requester {
  ConnectionId connection;
  std::uint64_t request_id = 0;
  TraceId trace = 0;       // of the request, if its answer ends it
  std::uint8_t flags = 0;  // of the request: kFlagBigAnswer, kFlagNoAnswer
};

}  // namespace ims::logic
