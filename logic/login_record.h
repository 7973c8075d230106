// A LoginRecord as its handlers read it.
#pragma once

#include <string_view>

#include "logic/requester.h"
#include "shared/assert.h"
#include "shared/command.h"
#include "shared/records.h"

namespace ims::logic {

// One sentence whatever part is wrong: it gives no hint.
inline constexpr std::string_view kWrongLogin = "The login is not valid.";

inline ConnectView connect_of(const LoginRecord& record) {
  RecordTail tail(record);
  ConnectView connect;
  const DecodeStatus status = decode_connect(tail.take(record.connect_bytes), connect);
  IMS_ASSERT(status == DecodeStatus::kOk);  // the gateway checked it
  return connect;
}

inline Requester requester_of_login(const LoginRecord& record) {
  return {record.connection, record.request_id, record.trace, 0};
}

}  // namespace ims::logic
