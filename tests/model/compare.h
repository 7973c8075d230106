// Compares what came with what the model expects, as text. What PROTOCOL.md lets be anything is
// made equal first, here and nowhere else.
#pragma once

#include <string>

#include "tests/model/model.h"
#include "tests/model/wire_client.h"

namespace ims::model {

// `exact_times`: the model knows the server's clock.
std::string row_text(Row row, bool exact_times);

// Empty, or what differs.
std::string compare_pushes(const Pushes& expected, const WireClient& got, bool exact_times);
std::string compare_response(const Request& request, const Response& expected, const Response& got,
                             bool exact_times);
std::string compare_login(const ConAck& expected, const ConAck& got);

}  // namespace ims::model
