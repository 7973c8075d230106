// One thing that happens to a server under comparison, with all that is needed to do it again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ims.pb.h"
#include "tests/model/model.h"

namespace ims::model {

struct Operation {
  enum class Kind {
    kConnect,
    kRequest,
    kLeave,  // Disconnect
    kHalfClose,
    kReset,
    kRestart,  // SIGTERM
    kCrash,    // power cut, when all is quiet
    kWait,     // the clock leaps
  };
  Kind kind = Kind::kRequest;
  int client = 0;             // numbered as they connect
  std::int64_t after_ms = 0;  // since the operation before
  // kConnect
  Who who;
  bool envelope = false;
  bool wrong_secret = false;  // of the other tenant
  std::size_t gateway = 0;    // modulo their number
  int ack_mode = 0;
  // kRequest
  Request request;
  bool with_id = true;

  std::string text() const;
};

}  // namespace ims::model
