// imsctl listen: every row and push of a user, one line each, for scripts: JSON (event_json.h), or
// the chat's lines.
//
//   row ─▶ shown before? ─▶ printed and flushed ─▶ ACK (EXPLICIT), many rows at a time
//   reconnected ─▶ what was not acknowledged is pushed again, in every timeline
//
// Each row is printed once in the life of this process, over reconnects and crashes of the server.
// What it has not printed, the next one of the same device is given; one that is killed may leave
// rows printed and not acknowledged.
//
// Errors  OperatorError where the login is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deploy/ctl_link.h"

namespace ims {

struct ListenOptions {
  LinkOptions link;
  bool json = false;
  std::vector<std::string> watch;        // whose presence is asked and watched
  std::optional<std::uint64_t> count;    // ends after so many lines
  std::optional<std::int64_t> time_ms;   // ends after that time
};

int run_listen(ListenOptions options);

}  // namespace ims
